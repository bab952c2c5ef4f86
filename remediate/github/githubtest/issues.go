package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Issue is an issue.
type Issue struct {
	Number           int
	State            string // open or closed
	Title, Body      string
	Author           string
	App              int64 // that opened it; zero: a person
	Labels           []string
	Assignees        []string
	Created, Updated time.Time
}

// Issues are all issues, oldest first.
func (r *Repository) Issues() []Issue { return r.Now().issues }

// OpenIssue opens an issue, as a person.
func (r *Repository) OpenIssue(login, title, body string, labels ...string) int {
	return r.addIssue(person(login), Issue{Title: title, Body: body, Labels: labels}).Number
}

// EditIssue changes an issue, as a person would who ticks a box in it.
func (r *Repository) EditIssue(login string, number int, edit func(*Issue)) {
	r.s.t.Helper()
	r.changeIssue(person(login), number, edit)
}

func (r *Repository) addIssue(who *actor, i Issue) Issue {
	r.s.mu.Lock()
	i.Number, i.State, i.Author, i.App = r.number(), "open", who.login, who.app
	i.Created = r.s.Time()
	i.Updated = i.Created
	r.issues = append(r.issues, &i)
	r.s.mu.Unlock()
	r.tellIssue(who, "opened", i.Number, nil)
	return i
}

// changeIssue is what edits an issue and tells of it.
func (r *Repository) changeIssue(who *actor, number int, edit func(*Issue)) (Issue, bool) {
	r.s.mu.Lock()
	at := slices.IndexFunc(r.issues, func(i *Issue) bool { return i.Number == number })
	if at < 0 {
		r.s.mu.Unlock()
		return Issue{}, false
	}
	was := *r.issues[at]
	edit(r.issues[at])
	r.issues[at].Updated = r.s.Time()
	now := *r.issues[at]
	r.s.mu.Unlock()
	changes := object{}
	if was.Title != now.Title {
		changes["title"] = object{"from": was.Title}
	}
	if was.Body != now.Body {
		changes["body"] = object{"from": was.Body}
	}
	if len(changes) > 0 {
		r.tellIssue(who, "edited", number, object{"changes": changes})
	}
	if was.State != now.State {
		r.tellIssue(who, map[string]string{"open": "reopened", "closed": "closed"}[now.State], number, nil)
	}
	return now, true
}

func (s *Server) routeIssues() {
	s.on("GET", "/issues", "issues:read", (*Repository).listIssues)
	s.on("POST", "/issues", "issues:write", (*Repository).createIssue)
	s.on("GET", "/issues/{number}", "issues:read", (*Repository).getIssue)
	s.on("PATCH", "/issues/{number}", "issues:write", (*Repository).updateIssue)
	s.on("POST", "/issues/{number}/labels", "pull_requests:write", (*Repository).addLabels)
	s.on("POST", "/issues/{number}/assignees", "issues:write", (*Repository).assign)
}

func (r *Repository) issueObject(i Issue) object {
	o := r.s.spec.sample("issue", object{
		"id": i.Number, "node_id": fmt.Sprintf("I_%d_%d", r.ID, i.Number), "number": i.Number, "state": i.State, "title": i.Title,
		"body": i.Body, "user": r.s.spec.user(i.Author), "labels": labelObjects(i.Labels), "assignees": r.s.spec.users(i.Assignees),
		"created_at": stamp(i.Created), "updated_at": stamp(i.Updated),
		"html_url": fmt.Sprintf("%s/%s/issues/%d", r.s.URL, r.FullName(), i.Number),
	})
	if i.State == "closed" {
		o["closed_at"] = stamp(i.Updated)
	}
	if i.App != 0 {
		o["performed_via_github_app"] = r.s.appObject(i.Author)
	}
	return o
}

// asIssue is a pull request in a list of issues.
func (p Pull) asIssue() Issue {
	return Issue{
		Number: p.Number, State: p.State, Title: p.Title, Body: p.Body, Author: p.Author, Labels: p.Labels,
		Assignees: p.Assignees, Created: p.Created, Updated: p.Created,
	}
}

func (r *Repository) listIssues(w http.ResponseWriter, req *http.Request) {
	if r.noIssues(w) {
		return
	}
	v, q := r.look(req), req.URL.Query()
	type listed struct {
		Issue
		pull bool
	}
	var all []listed
	for _, i := range v.issues {
		all = append(all, listed{i, false})
	}
	for _, p := range v.pulls {
		all = append(all, listed{p.asIssue(), true})
	}
	all = slices.DeleteFunc(all, func(i listed) bool {
		return q.Get("creator") != "" && !strings.EqualFold(i.Author, q.Get("creator")) ||
			q.Get("labels") != "" && !slices.Contains(i.Labels, q.Get("labels")) ||
			q.Get("state") != "all" && i.State != q.Get("state")
	})
	slices.SortFunc(all, func(a, b listed) int { return b.Number - a.Number })
	if q.Get("direction") == "asc" {
		slices.Reverse(all)
	}
	list := []any{}
	for _, i := range paged(r.s, w, req.URL, all) {
		o := r.issueObject(i.Issue)
		if i.pull {
			o["pull_request"] = object{"url": "https://github.example/", "html_url": "https://github.example/", "diff_url": "https://github.example/", "patch_url": "https://github.example/"}
		}
		list = append(list, o)
	}
	reply(w, http.StatusOK, list)
}

func (r *Repository) noIssues(w http.ResponseWriter) bool {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.issuesOff {
		reply(w, http.StatusGone, basicError("Issues are disabled for this repo", http.StatusGone))
	}
	return r.issuesOff
}

func (r *Repository) createIssue(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct {
		Title, Body string
		Labels      []string
	}](w, req)
	switch {
	case !ok || r.noIssues(w):
	case len(body.Body) > 65536:
		invalid(w, "body", "custom", "body is too long (maximum is 65536 characters)")
	default:
		i := r.addIssue(whose(req.Context()), Issue{Title: body.Title, Body: body.Body, Labels: body.Labels})
		reply(w, http.StatusCreated, r.issueObject(i))
	}
}

func (r *Repository) getIssue(w http.ResponseWriter, req *http.Request) {
	v := r.look(req)
	for _, i := range v.issues {
		if strconv.Itoa(i.Number) == req.PathValue("number") {
			reply(w, http.StatusOK, r.issueObject(i))
			return
		}
	}
	missing(w)
}

func (r *Repository) updateIssue(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct{ Title, Body, State *string }](w, req)
	if !ok {
		return
	}
	number, _ := strconv.Atoi(req.PathValue("number"))
	i, ok := r.changeIssue(whose(req.Context()), number, func(i *Issue) {
		for to, from := range map[*string]*string{&i.Title: body.Title, &i.Body: body.Body, &i.State: body.State} {
			if from != nil {
				*to = *from
			}
		}
	})
	if !ok {
		missing(w)
		return
	}
	reply(w, http.StatusOK, r.issueObject(i))
}

func (r *Repository) addLabels(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct{ Labels []string }](w, req)
	if !ok {
		return
	}
	p, _, ok := r.find(w, req)
	if !ok {
		return
	}
	r.change(p.Number, func(p *Pull) { p.Labels = union(p.Labels, body.Labels) })
	reply(w, http.StatusOK, labelObjects(r.Pull(p.Number).Labels))
}

// assign leaves out who may not be assigned, as GitHub does.
func (r *Repository) assign(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct{ Assignees []string }](w, req)
	if !ok {
		return
	}
	r.s.mu.Lock()
	able := slices.DeleteFunc(body.Assignees, func(l string) bool { return r.permissions[l] == "" })
	r.s.mu.Unlock()
	number, _ := strconv.Atoi(req.PathValue("number"))
	for _, p := range r.Pulls() {
		if p.Number == number {
			r.change(number, func(p *Pull) { p.Assignees = union(p.Assignees, able) })
			reply(w, http.StatusCreated, r.issueObject(r.Pull(number).asIssue()))
			return
		}
	}
	i, ok := r.changeIssue(whose(req.Context()), number, func(i *Issue) { i.Assignees = union(i.Assignees, able) })
	if !ok {
		missing(w)
		return
	}
	reply(w, http.StatusCreated, r.issueObject(i))
}
