package github

import (
	"context"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/oakum-dev/oakum/remediate"
)

// Budget is what is left of an hourly limit of GitHub, as of an answer.
type Budget struct {
	Installation     int64  // zero: of a token, or of the App itself
	Resource         string // core or graphql
	Limit, Remaining int    // requests, or points of graphql
	Reset            time.Time
}

// budget keeps one installation's limits: GitHub counts all its tokens as one,
// and wants its writes one at a time.
type budget struct {
	installation int64
	writes       *spacing
	writing      chan struct{} // one write at a time

	mu    sync.Mutex
	until map[string]block // resource, or empty for all: no request before
}

type block struct {
	why   string
	until time.Time
}

func newBudget(installation int64) *budget {
	return &budget{
		installation: installation, writes: newWrites(),
		writing: make(chan struct{}, 1), until: map[string]block{},
	}
}

// turn waits until nobody else writes.
func (b *budget) turn(ctx context.Context) (done func(), err error) {
	select {
	case b.writing <- struct{}{}:
		return func() { <-b.writing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *budget) block(resource, why string, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until[resource].until.Before(until) {
		b.until[resource] = block{why, until}
	}
}

func (b *budget) blocked(resource string) (why string, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	longest := b.until[""]
	if one := b.until[resource]; one.until.After(longest.until) {
		longest = one
	}
	return longest.why, longest.until
}

// resource is the limit that a request counts towards.
func resource(req *http.Request) string {
	if strings.HasSuffix(req.URL.Path, "/graphql") {
		return "graphql"
	}
	return "core"
}

// creates says whether a request makes what people are told of. GitHub counts
// these most strictly.
func creates(req *http.Request) bool {
	if req.Method != http.MethodPost {
		return false
	}
	switch path.Base(req.URL.Path) {
	case "pulls", "issues", "comments", "reviews", "requested_reviewers":
		return true
	}
	return false
}

// spacing keeps requests apart in time.
type spacing struct {
	why   string
	burst int           // so many may follow each other at once
	every time.Duration // and then one in this time
	most  int           // within an hour; zero: any number

	mu   sync.Mutex
	free time.Time   // when the burst is whole again
	past []time.Time // the last ones, most of them at most
}

// newContent: GitHub documents 80 a minute and 500 an hour, over everything
// that one App or person creates; people run into the latter.
func newContent() *spacing {
	return &spacing{why: "GitHub allows no more pull requests, comments and reviews for now", burst: 1, every: time.Second, most: 400}
}

// newWrites: GitHub documents 180 a minute, and asks for a second between
// those that are many.
func newWrites() *spacing {
	return &spacing{why: "GitHub allows no more writes for now", burst: 20, every: time.Second}
}

// reserve tells when one of so many processes may send a request, and counts it.
// If that is more than patience ahead, nothing is counted and the error is a
// Later.
func (s *spacing) reserve(now time.Time, processes int, patience time.Duration) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	processes = max(processes, 1)
	every, most := s.every*time.Duration(processes), s.most/processes
	at := now
	if from := s.free.Add(-time.Duration(s.burst-1) * every); from.After(at) {
		at = from
	}
	if most > 0 && len(s.past) >= most {
		if from := s.past[len(s.past)-most].Add(time.Hour); from.After(at) {
			at = from
		}
	}
	if at.Sub(now) > patience {
		return time.Time{}, &remediate.Later{Why: s.why, Until: at}
	}
	if s.free.Before(at) {
		s.free = at
	}
	s.free = s.free.Add(every)
	if s.most > 0 {
		if len(s.past) == s.most {
			s.past = s.past[1:]
		}
		s.past = append(s.past, at)
	}
	return at, nil
}
