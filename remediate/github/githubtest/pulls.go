package githubtest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Pull is a pull request.
type Pull struct {
	Number      int
	State       string // open or closed
	Merged      bool
	Title, Body string
	Head, Base  string // branch names
	HeadCommit  string // the last one it had, once it is not open
	Fork        bool   // its head is in somebody else's repository
	Labels      []string
	Author      string // a login; one of an App ends in [bot]
	Draft       bool
	AutoMerge   string // MERGE, SQUASH or REBASE; empty: off
	Reviewers   []string
	Teams       []string
	Assignees   []string
	MergeCommit string
	Created     time.Time
	Updated     time.Time
	Closed      time.Time
}

// Pulls are all pull requests, oldest first.
func (r *Repository) Pulls() []Pull { return r.Now().pulls }

// Pull is one of them.
func (r *Repository) Pull(number int) Pull {
	r.s.t.Helper()
	for _, p := range r.Pulls() {
		if p.Number == number {
			return p
		}
	}
	r.s.t.Fatalf("no pull request #%d", number)
	return Pull{}
}

// Close closes a pull request without merging it, as a person would.
func (r *Repository) Close(number int) {
	p := r.change(number, func(p *Pull) { p.State, p.Closed = "closed", r.s.Time() })
	r.tellPull(person(Person), "closed", p, nil)
}

// Reopen opens it again.
func (r *Repository) Reopen(number int) {
	p := r.change(number, func(p *Pull) { p.State, p.Closed = "open", time.Time{} })
	r.tellPull(person(Person), "reopened", p, nil)
}

// Edit changes what a person can change on the page of a pull request.
func (r *Repository) Edit(number int, edit func(*Pull)) {
	p := r.change(number, edit)
	r.tellPull(person(Person), "edited", p, object{"changes": object{}})
}

// OpenPull opens a pull request for a branch, as a person.
func (r *Repository) OpenPull(login, head, base, title, body string) int {
	return r.open(person(login), &Pull{Title: title, Body: body, Head: head, Base: base, HeadCommit: r.Head(head)})
}

// OpenFork opens one from a fork, with one commit on its base. The commit is in
// this repository as well, under refs/pull, as GitHub has it.
func (r *Repository) OpenFork(login, head, base, title string, files map[string]string) int {
	r.s.t.Helper()
	parent := r.Head(base)
	hash := r.make(parent, title, files)
	return r.open(person(login), &Pull{Title: title, Head: head, Base: base, Fork: true, HeadCommit: hash})
}

// AddFork adds an open pull request from a fork that the same owner has, whose
// commits nobody looks at.
func (r *Repository) AddFork(head, base, title string) {
	r.open(person(Owner), &Pull{Title: title, Head: head, Base: base, Fork: true, HeadCommit: strings.Repeat("f", 40)})
}

func (r *Repository) open(who *actor, p *Pull) int {
	r.s.mu.Lock()
	p.Number, p.State, p.Author, p.Created = r.number(), "open", who.login, r.s.Time()
	p.Updated = p.Created
	r.pulls = append(r.pulls, p)
	opened := *p
	r.s.mu.Unlock()
	r.point(opened.Number, opened.HeadCommit)
	r.tellPull(who, "opened", opened, nil)
	return opened.Number
}

// point lets refs/pull/N/head be at a commit.
func (r *Repository) point(number int, hash string) {
	path := filepath.Join(r.dir, "refs", "pull", strconv.Itoa(number), "head")
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil && hash != strings.Repeat("f", 40) {
		err = os.WriteFile(path, []byte(hash+"\n"), 0o644)
	}
	if err != nil {
		r.s.t.Error(err)
	}
}

// Merge merges a pull request with a merge commit; the branch stays.
func (r *Repository) Merge(number int) {
	r.s.t.Helper()
	p := r.Pull(number)
	head := p.HeadCommit
	if !p.Fork {
		head = r.Head(p.Head)
	}
	tree := r.must("", "merge-tree", "--write-tree", r.Head(p.Base), head)
	merged, err := r.commit("Merge", tree, []string{r.Head(p.Base), head})
	if err != nil {
		r.s.t.Fatal(err)
	}
	p = r.change(number, func(p *Pull) {
		p.State, p.Merged, p.MergeCommit, p.Closed = "closed", true, merged, r.s.Time()
	})
	r.put(p.Base, merged)
	r.tellPull(person(Person), "closed", p, nil)
}

func (r *Repository) change(number int, edit func(*Pull)) (after Pull) {
	r.s.t.Helper()
	refs := r.refs()
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for _, p := range r.pulls {
		if p.Number != number {
			continue
		}
		if p.State == "open" && !p.Fork {
			p.HeadCommit = refs["refs/heads/"+p.Head]
		}
		edit(p)
		p.Updated = r.s.Time()
		return *p
	}
	r.s.t.Errorf("no pull request #%d", number)
	return Pull{}
}

// moved tells of branches that are not where they were before, and of the pull
// requests that follow them.
func (r *Repository) moved(who *actor, before map[string]string) {
	now := r.refs()
	for _, name := range both(before, now) {
		old, new := before[name], now[name]
		if old == new {
			continue
		}
		r.tellPush(who, name, old, new)
		branch := strings.TrimPrefix(name, "refs/heads/")
		for _, p := range r.Pulls() {
			if p.Head != branch || p.Fork || p.State != "open" {
				continue
			}
			if new == "" {
				p = r.change(p.Number, func(p *Pull) { p.State, p.HeadCommit, p.Closed = "closed", old, r.s.Time() })
				r.tellPull(who, "closed", p, nil)
				continue
			}
			r.point(p.Number, new)
			p = r.change(p.Number, func(*Pull) {})
			r.tellPull(who, "synchronize", p, object{"before": old, "after": new})
		}
	}
}

func both(a, b map[string]string) []string {
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	return sorted(names)
}
