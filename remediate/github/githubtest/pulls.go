package githubtest

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
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
	r.change(number, func(p *Pull) { p.State, p.Closed = "closed", r.s.Time() })
	r.tellPull(person(Person), "closed", number, nil)
}

// Reopen opens it again.
func (r *Repository) Reopen(number int) {
	r.change(number, func(p *Pull) { p.State, p.Closed = "open", time.Time{} })
	r.tellPull(person(Person), "reopened", number, nil)
}

// Edit changes what a person can change on the page of a pull request.
func (r *Repository) Edit(number int, edit func(*Pull)) {
	r.change(number, edit)
	r.tellPull(person(Person), "edited", number, object{"changes": object{}})
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
	r.pulls = append(r.pulls, p)
	r.s.mu.Unlock()
	r.point(p.Number, p.HeadCommit)
	r.tellPull(who, "opened", p.Number, nil)
	return p.Number
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
	r.change(number, func(p *Pull) {
		p.State, p.Merged, p.MergeCommit, p.Closed = "closed", true, merged, r.s.Time()
	})
	r.put(p.Base, merged)
	r.tellPull(person(Person), "closed", number, nil)
}

func (r *Repository) change(number int, edit func(*Pull)) {
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
		return
	}
	r.s.t.Errorf("no pull request #%d", number)
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
				r.change(p.Number, func(p *Pull) { p.State, p.HeadCommit, p.Closed = "closed", old, r.s.Time() })
				r.tellPull(who, "closed", p.Number, nil)
				continue
			}
			r.point(p.Number, new)
			r.tellPull(who, "synchronize", p.Number, object{"before": old, "after": new})
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

func (s *Server) routePulls() {
	s.on("GET", "/pulls", "pull_requests:read", (*Repository).listPulls)
	s.on("POST", "/pulls", "pull_requests:write", (*Repository).createPull)
	s.on("GET", "/pulls/{number}", "pull_requests:read", (*Repository).getPull)
	s.on("PATCH", "/pulls/{number}", "pull_requests:write", (*Repository).updatePull)
	s.on("GET", "/pulls/{number}/files", "pull_requests:read", (*Repository).pullFiles)
	s.on("POST", "/pulls/{number}/requested_reviewers", "pull_requests:write", (*Repository).requestReviewers)
}

// pullObject is the API's form of a pull request; schema is GitHub's name for
// the long or the short one.
func (r *Repository) pullObject(schema string, p Pull, refs map[string]string) object {
	about := r.object("repository")
	spec, at := r.s.spec, r.s.URL+"/"+about["full_name"].(string)
	o := spec.sample(schema, object{
		"number": p.Number, "id": p.Number, "node_id": fmt.Sprintf("PR_%d_%d", r.ID, p.Number), "state": p.State,
		"title": p.Title, "body": p.Body, "labels": labelObjects(p.Labels), "draft": p.Draft, "user": spec.user(p.Author),
		"created_at": stamp(p.Created), "closed_at": stamp(p.Closed), "merged_at": nil, "merge_commit_sha": nil,
		"html_url": fmt.Sprintf("%s/pull/%d", at, p.Number), "requested_reviewers": spec.users(p.Reviewers),
		"requested_teams": teams(spec, p.Teams), "assignees": spec.users(p.Assignees),
		"head": r.end(p, true, refs), "base": r.end(p, false, refs),
	})
	if p.Merged {
		o["merged_at"], o["merge_commit_sha"] = stamp(p.Closed), p.MergeCommit
	}
	if p.AutoMerge != "" {
		o["auto_merge"] = object{
			"enabled_by": spec.user("oakum[bot]"), "merge_method": strings.ToLower(p.AutoMerge), "commit_title": "", "commit_message": "",
		}
	}
	return o
}

// head is the commit of a pull request's branch.
func (p Pull) head(refs map[string]string) string {
	if p.State == "open" && !p.Fork {
		return refs["refs/heads/"+p.Head]
	}
	return p.HeadCommit
}

// end is the head or base of a pull request.
func (r *Repository) end(p Pull, head bool, refs map[string]string) object {
	about := r.object("repository")
	owner := about["owner"].(object)["login"].(string)
	ref, hash := p.Base, refs["refs/heads/"+p.Base]
	if head {
		ref, hash = p.Head, p.head(refs)
	}
	if hash == "" {
		hash = strings.Repeat("0", 40)
	}
	if head && p.Fork {
		about["id"], about["name"], about["fork"] = r.ID+1000, about["name"].(string)+"-fork", true
		about["full_name"] = p.Author + "/" + about["name"].(string)
	}
	return object{"label": owner + ":" + ref, "ref": ref, "sha": hash, "user": r.s.spec.user(owner), "repo": about}
}

func (r *Repository) listPulls(w http.ResponseWriter, req *http.Request) {
	v, q := r.look(req), req.URL.Query()
	slices.Reverse(v.pulls) // newest first, the only order that is asked for
	var found []Pull
	owner, branch, filtered := strings.Cut(q.Get("head"), ":")
	for _, p := range v.pulls {
		// The filter takes an owner, who may have several forks, and is ignored
		// when it is not of this form.
		if (!filtered || p.Head == branch && owner == r.owner()) && (q.Get("state") == "all" || q.Get("state") == p.State) {
			found = append(found, p)
		}
	}
	list := []any{}
	for _, p := range paged(r.s, w, req.URL, found) {
		list = append(list, r.pullObject("pull-request-simple", p, v.refs))
	}
	reply(w, http.StatusOK, list)
}

// paged is the page that a query asks for, and where the next one is.
func paged[T any](s *Server, w http.ResponseWriter, u *url.URL, all []T) []T {
	q := u.Query()
	size, _ := strconv.Atoi(q.Get("per_page"))
	page, _ := strconv.Atoi(q.Get("page"))
	if size < 1 {
		size = 30
	}
	size, page = min(size, 100), max(page, 1)
	if page*size < len(all) {
		next := *u
		q.Set("page", strconv.Itoa(page+1))
		next.RawQuery = q.Encode()
		w.Header().Set("Link", fmt.Sprintf(`<%s%s>; rel="next"`, s.URL, next.String()))
	}
	return all[min((page-1)*size, len(all)):min(page*size, len(all))]
}

func (r *Repository) createPull(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct {
		Title, Head, Base, Body string
		Draft                   bool
	}](w, req)
	if !ok {
		return
	}
	v := r.Now()
	head, base := v.refs["refs/heads/"+body.Head], v.refs["refs/heads/"+body.Base]
	switch {
	case head == "":
		invalid(w, "head", "invalid", "")
		return
	case base == "":
		invalid(w, "base", "invalid", "")
		return
	case len(body.Body) > 65536:
		invalid(w, "body", "custom", "body is too long (maximum is 65536 characters)")
		return
	case slices.ContainsFunc(v.pulls, func(p Pull) bool {
		return p.State == "open" && !p.Fork && p.Head == body.Head && p.Base == body.Base
	}):
		invalid(w, "", "custom", fmt.Sprintf("A pull request already exists for %s:%s.", r.owner(), body.Head))
		return
	}
	if _, err := r.run("", "merge-base", "--is-ancestor", head, base); err == nil {
		invalid(w, "", "custom", fmt.Sprintf("No commits between %s and %s", body.Base, body.Head))
		return
	}
	number := r.open(whose(req.Context()), &Pull{
		Title: body.Title, Body: body.Body, Head: body.Head, Base: body.Base, Draft: body.Draft, HeadCommit: head,
	})
	reply(w, http.StatusCreated, r.pullObject("pull-request", r.Pull(number), v.refs))
}

// find is the pull request that a path names, or answers that there is none.
func (r *Repository) find(w http.ResponseWriter, req *http.Request) (Pull, View, bool) {
	v := r.look(req)
	for _, p := range v.pulls {
		if strconv.Itoa(p.Number) == req.PathValue("number") {
			return p, v, true
		}
	}
	missing(w)
	return Pull{}, v, false
}

func (r *Repository) getPull(w http.ResponseWriter, req *http.Request) {
	p, v, ok := r.find(w, req)
	if !ok {
		return
	}
	o := r.pullObject("pull-request", p, v.refs)
	o["merged"] = p.Merged
	o["mergeable_state"] = "unknown"
	if p.State == "open" {
		_, err := r.run("", "merge-tree", "--write-tree", v.refs["refs/heads/"+p.Base], p.head(v.refs))
		switch {
		case err != nil:
			o["mergeable"], o["mergeable_state"] = false, "dirty"
		case p.Draft:
			o["mergeable"], o["mergeable_state"] = true, "draft"
		default:
			o["mergeable"], o["mergeable_state"] = true, "clean"
		}
	}
	reply(w, http.StatusOK, o)
}

func (r *Repository) updatePull(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct{ Title, Body, State, Base *string }](w, req)
	if !ok {
		return
	}
	p, v, ok := r.find(w, req)
	if !ok {
		return
	}
	if body.Base != nil && (v.refs["refs/heads/"+*body.Base] == "" || p.State != "open") {
		invalid(w, "base", "invalid", "")
		return
	}
	was := p.State
	r.change(p.Number, func(p *Pull) {
		for to, from := range map[*string]*string{&p.Title: body.Title, &p.Body: body.Body, &p.State: body.State, &p.Base: body.Base} {
			if from != nil {
				*to = *from
			}
		}
		if p.State == "open" {
			p.Closed = time.Time{}
		} else if was == "open" {
			p.Closed = r.s.Time()
		}
	})
	p = r.Pull(p.Number)
	action, more := "edited", object{"changes": object{}}
	if p.State != was {
		action, more = map[string]string{"open": "reopened", "closed": "closed"}[p.State], nil
	}
	r.tellPull(whose(req.Context()), action, p.Number, more)
	reply(w, http.StatusOK, r.pullObject("pull-request", p, v.refs))
}

func (r *Repository) requestReviewers(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct {
		Reviewers []string
		Teams     []string `json:"team_reviewers"`
	}](w, req)
	if !ok {
		return
	}
	p, v, ok := r.find(w, req)
	if !ok {
		return
	}
	r.s.mu.Lock()
	able := func(login string) bool { return r.permissions[login] != "" && login != p.Author }
	all := !slices.ContainsFunc(body.Reviewers, func(l string) bool { return !able(l) }) &&
		!slices.ContainsFunc(body.Teams, func(team string) bool { return r.permissions["team:"+team] == "" })
	r.s.mu.Unlock()
	if !all {
		unprocessable(w, "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the repository.")
		return
	}
	r.change(p.Number, func(p *Pull) {
		p.Reviewers = union(p.Reviewers, body.Reviewers)
		p.Teams = union(p.Teams, body.Teams)
	})
	reply(w, http.StatusCreated, r.pullObject("pull-request-simple", r.Pull(p.Number), v.refs))
}

// pullFiles are the changed files with their hunks.
func (r *Repository) pullFiles(w http.ResponseWriter, req *http.Request) {
	p, v, ok := r.find(w, req)
	if !ok {
		return
	}
	var list []any
	for _, f := range r.files(p, v.refs) {
		list = append(list, r.s.spec.sample("diff-entry", object{"filename": f.path, "status": f.status, "patch": f.patch, "sha": strings.Repeat("a", 40)}))
	}
	reply(w, http.StatusOK, append([]any{}, paged(r.s, w, req.URL, list)...))
}

type changedFile struct{ path, status, patch string }

func (r *Repository) files(p Pull, refs map[string]string) []changedFile {
	between := refs["refs/heads/"+p.Base] + "..." + p.head(refs)
	names, err := r.run("", "diff", "--no-renames", "--name-status", "-z", between)
	if err != nil {
		return nil
	}
	var files []changedFile
	field := strings.Split(strings.TrimSuffix(names, "\x00"), "\x00")
	for i := 0; i+1 < len(field); i += 2 {
		f := changedFile{path: field[i+1], status: map[string]string{"A": "added", "D": "removed", "M": "modified"}[field[i]]}
		diff, err := r.run("", "diff", "--no-renames", between, "--", f.path)
		if at := strings.Index(diff, "@@ "); err == nil && at >= 0 {
			f.patch = strings.TrimSuffix(diff[at:], "\n")
		}
		files = append(files, f)
	}
	return files
}
