package githubtest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"time"
)

// Fault changes how some requests are answered.
type Fault struct {
	Request string // a regular expression over "METHOD /path" or "METHOD /path?query"
	Skip    int    // how many that match are left alone first
	Times   int    // how many are changed then; 0: one
	Effect  Effect
}

// Effect answers in the place of next, or around it.
type Effect func(s *Server, w http.ResponseWriter, r *http.Request, next http.Handler)

// Inject adds a fault.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
}

// Pending is how many injected faults have not happened to the end.
func (s *Server) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, f := range s.faults {
		if f.Times > 0 {
			n++
		}
	}
	return n
}

func (s *Server) fault(r *http.Request) Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		pattern := regexp.MustCompile(f.Request)
		if f.Times == 0 || !pattern.MatchString(r.Method+" "+r.URL.Path) && !pattern.MatchString(r.Method+" "+r.URL.RequestURI()) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.Times--
		return f.Effect
	}
	return nil
}

// Respond answers with a status, a message, and headers given as pairs. The
// request is not carried out.
func Respond(status int, message string, header ...string) Effect {
	return func(_ *Server, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		reply(w, status, basicError(message, status))
	}
}

// Redirect sends the client to another host, which notes what arrives there.
func Redirect(status int) Effect {
	return func(s *Server, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Location", s.stranger.URL+r.URL.RequestURI())
		w.WriteHeader(status)
	}
}

// Drop cuts the connection while the request is being sent.
func Drop(_ *Server, w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.CopyN(io.Discard, r.Body, 16)
	w.(*httptest.ResponseRecorder).Code = cut
}

// DropAnswer carries the request out and cuts the connection instead of
// answering.
func DropAnswer(_ *Server, w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(w, r)
	w.(*httptest.ResponseRecorder).Code = cut
}

// Show answers a read from an earlier moment, as a replica does that lags.
func Show(then View) Effect {
	return func(_ *Server, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), viewKey{}, then)))
	}
}

type viewKey struct{}

// View is a repository as it was at some moment.
type View struct {
	of       *Repository
	refs     map[string]string // refs/heads/... -> hash
	pulls    []Pull
	issues   []Issue
	comments []Comment
	reviews  []Review
	checks   []Check
}

// Now is the view of this moment.
func (r *Repository) Now() View {
	v := View{of: r, refs: r.refs()}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	v.pulls, v.issues, v.comments = copies(r.pulls), copies(r.issues), copies(r.comments)
	v.reviews, v.checks = copies(r.reviews), copies(r.checks)
	return v
}

func copies[T any](list []*T) []T {
	all := make([]T, len(list))
	for i, one := range list {
		all[i] = *one
	}
	return all
}

// look is what a request is shown.
func (r *Repository) look(req *http.Request) View {
	if v, ok := req.Context().Value(viewKey{}).(View); ok && v.of == r {
		return v
	}
	return r.Now()
}

// Clock is a clock that only sleeping moves, and it moves at once.
type Clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

// NewClock starts in the year 2100: whatever goes by the real clock instead
// takes every time that a test tells it for the far future.
func NewClock() *Clock { return &Clock{now: time.Unix(4_102_444_800, 0).UTC()} }

// Now implements github.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Sleep implements github.Clock.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return ctx.Err()
}

// Slept is how long every sleep was.
func (c *Clock) Slept() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Duration(nil), c.slept...)
}
