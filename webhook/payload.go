package webhook

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/remediate/store"
)

// payload is what is read of the events that have rules. Nothing more is
// decoded: what GitHub sends elsewhere, and how, cannot make an event unreadable.
type payload struct {
	delivery string

	Action       string     `json:"action"`
	Repository   repository `json:"repository"`
	Installation struct {
		ID int64 `json:"id"`
	} `json:"installation"`
	Sender user `json:"sender"`

	Ref     string `json:"ref"` // of a push
	After   string `json:"after"`
	Deleted bool   `json:"deleted"`

	PullRequest struct {
		Number  int    `json:"number"`
		Updated moment `json:"updated_at"`
		Head    struct {
			Ref  string     `json:"ref"`
			SHA  string     `json:"sha"`
			Repo repository `json:"repo"` // null: the fork is gone
		} `json:"head"`
	} `json:"pull_request"`
	Changes struct {
		Base          json.RawMessage `json:"base"`
		DefaultBranch json.RawMessage `json:"default_branch"`
	} `json:"changes"`

	CheckRun        check `json:"check_run"`
	CheckSuite      check `json:"check_suite"`
	RequestedAction struct {
		Identifier string `json:"identifier"`
	} `json:"requested_action"`

	Issue struct {
		Number  int    `json:"number"`
		Body    string `json:"body"`
		Updated moment `json:"updated_at"`
	} `json:"issue"`
	Comment struct {
		ID   int64  `json:"id"`
		Body string `json:"body"`
		User user   `json:"user"`
	} `json:"comment"`

	MergeGroup struct {
		HeadSHA string `json:"head_sha"`
		HeadRef string `json:"head_ref"`
	} `json:"merge_group"`

	RepositoriesAdded   []repository `json:"repositories_added"`
	RepositoriesRemoved []repository `json:"repositories_removed"`
}

// moment is a time as it is in JSON; time is zero where it is none.
type moment json.RawMessage

func (m *moment) UnmarshalJSON(text []byte) error { *m = append((*m)[:0], text...); return nil }

func (m moment) time() time.Time {
	var t time.Time
	if json.Unmarshal(m, &t) != nil {
		return time.Time{}
	}
	return t.UTC()
}

type repository struct {
	ID            int64  `json:"id"`
	FullName      string `json:"full_name"`
	DefaultBranch string `json:"default_branch"`
}

type user struct {
	Login string `json:"login"`
	Type  string `json:"type"`
}

// check is a check run or a check suite.
type check struct {
	ID      int64  `json:"id"`
	HeadSHA string `json:"head_sha"`
	App     struct {
		ID int64 `json:"id"`
	} `json:"app"`
	PullRequests []struct {
		Number int `json:"number"`
		Base   struct {
			Repo struct {
				ID int64 `json:"id"`
			} `json:"repo"`
		} `json:"base"`
	} `json:"pull_requests"`
}

// repository names one as the store does. A name that is none is left out: the
// ID says which repository it is.
func (p payload) repository(r repository) store.Repository {
	named := store.Repository{ID: max(r.ID, 0), Installation: max(p.Installation.ID, 0)}
	if namePattern.MatchString(r.FullName) {
		named.Name = r.FullName
	}
	return named
}

// task is one about the payload's repository, or its installation where it has
// no repository; none where it has neither.
func (p payload) task(kind store.Kind, key string, ask store.Ask) []store.Task {
	ask.Delivery = p.delivery
	ask.Sender = p.Sender.Login[:min(len(p.Sender.Login), 100)]
	data, err := json.Marshal(ask)
	t := store.Task{Repository: p.repository(p.Repository), Kind: kind, Key: key, Data: data}
	if about := kind == store.Installed || kind == store.Removed; err != nil || t.Repository.ID == 0 && !about || t.Check() != nil {
		return nil
	}
	return []store.Task{t}
}

// numbered is a task on a pull request or an issue.
func (p payload) numbered(kind store.Kind, ask store.Ask) []store.Task {
	if ask.Number <= 0 {
		return nil
	}
	return p.task(kind, strconv.Itoa(ask.Number), ask)
}

// pulls are the pull requests of this repository that a check belongs to; GitHub
// lists those that other repositories made of the same commit as well.
func (p payload) pulls(c check) []int {
	var numbers []int
	for _, pull := range c.PullRequests {
		if pull.Base.Repo.ID == p.Repository.ID && pull.Number > 0 && !slices.Contains(numbers, pull.Number) {
			numbers = append(numbers, pull.Number)
		}
	}
	return numbers
}

// ours says whether the pull request looks like one of oakum's. It is a hint
// that saves a question: a task on it reads the marker.
func (c Config) ours(p payload) bool {
	head := p.PullRequest.Head
	return head.Repo.ID == p.Repository.ID && strings.HasPrefix(head.Ref, c.Branches)
}

// self says whether an account is oakum's own.
func (c Config) self(u user) bool { return c.Login != "" && strings.EqualFold(u.Login, c.Login) }

func hash(text string) string {
	if !hashPattern.MatchString(text) || strings.Trim(text, "0") == "" {
		return ""
	}
	return text
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }
