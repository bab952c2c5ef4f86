package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Comment is one on an issue or a pull request.
type Comment struct {
	ID               int64
	Number           int // of the issue or pull request
	Author, Body     string
	App              int64    // that wrote it; zero: a person
	Reactions        []string // who and what: "oakum[bot] eyes"
	Created, Updated time.Time
}

// Comments are all on an issue or a pull request, oldest first.
func (r *Repository) Comments(number int) []Comment {
	return slices.DeleteFunc(r.Now().comments, func(c Comment) bool { return c.Number != number })
}

// Comment adds one, as a person or, if the name ends in [bot], as another App.
func (r *Repository) Comment(login string, number int, body string) int64 {
	return r.addComment(person(login), number, body).ID
}

// EditComment changes the text of a comment. Anybody who may write can change
// what somebody else wrote.
func (r *Repository) EditComment(login string, id int64, body string) {
	r.s.t.Helper()
	if _, ok := r.changeComment(person(login), id, body); !ok {
		r.s.t.Errorf("no comment %d", id)
	}
}

func (r *Repository) addComment(who *actor, number int, body string) Comment {
	c := Comment{ID: r.s.id(), Number: number, Author: who.login, App: who.app, Body: body, Created: r.s.Time()}
	c.Updated = c.Created
	r.s.mu.Lock()
	r.comments = append(r.comments, &c)
	r.s.mu.Unlock()
	r.tellComment(who, "created", c, nil)
	return c
}

func (r *Repository) changeComment(who *actor, id int64, body string) (Comment, bool) {
	r.s.mu.Lock()
	at := slices.IndexFunc(r.comments, func(c *Comment) bool { return c.ID == id })
	if at < 0 {
		r.s.mu.Unlock()
		return Comment{}, false
	}
	c := r.comments[at]
	from := c.Body
	c.Body = body
	// GitHub tells whole seconds.
	c.Updated = r.s.Time()
	if c.Updated.Sub(c.Created) < time.Second {
		c.Updated = c.Created.Add(time.Second)
	}
	now := *c
	r.s.mu.Unlock()
	r.tellComment(who, "edited", now, object{"changes": object{"body": object{"from": from}}})
	return now, true
}

func (s *Server) routeComments() {
	s.on("GET", "/issues/{number}/{comment}", "issues:read", (*Repository).getComments)
	s.on("POST", "/issues/{number}/comments", "issues:write", (*Repository).createComment)
	s.on("PATCH", "/issues/comments/{comment}", "issues:write", (*Repository).updateComment)
	s.on("POST", "/issues/comments/{comment}/reactions", "issues:write", (*Repository).react)
}

func (r *Repository) commentObject(c Comment) object {
	at := fmt.Sprintf("%s%s/repos/%s", r.s.URL, apiRoot, r.FullName())
	o := r.s.spec.sample("issue-comment", object{
		"id": c.ID, "node_id": fmt.Sprintf("IC_%d", c.ID), "user": r.s.spec.user(c.Author), "body": c.Body,
		"created_at": stamp(c.Created), "updated_at": stamp(c.Updated),
		"issue_url": fmt.Sprintf("%s/issues/%d", at, c.Number),
		"html_url":  fmt.Sprintf("%s/%s/issues/%d#issuecomment-%d", r.s.URL, r.FullName(), c.Number, c.ID),
	})
	if c.App != 0 {
		o["performed_via_github_app"] = r.s.appObject(c.Author)
	}
	return o
}

// getComments serves two paths that a mux cannot tell apart.
func (r *Repository) getComments(w http.ResponseWriter, req *http.Request) {
	switch {
	case req.PathValue("comment") == "comments":
		r.listComments(w, req)
	case req.PathValue("number") == "comments":
		r.getComment(w, req)
	default:
		missing(w)
	}
}

func (r *Repository) listComments(w http.ResponseWriter, req *http.Request) {
	of := slices.DeleteFunc(r.look(req).comments, func(c Comment) bool { return strconv.Itoa(c.Number) != req.PathValue("number") })
	list := []any{}
	for _, c := range paged(r.s, w, req.URL, of) {
		list = append(list, r.commentObject(c))
	}
	reply(w, http.StatusOK, list)
}

func (r *Repository) createComment(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct{ Body string }](w, req)
	if !ok {
		return
	}
	number, _ := strconv.Atoi(req.PathValue("number"))
	v := r.Now()
	switch {
	case !slices.ContainsFunc(v.issues, func(i Issue) bool { return i.Number == number }) &&
		!slices.ContainsFunc(v.pulls, func(p Pull) bool { return p.Number == number }):
		missing(w)
	case len(body.Body) > 65536:
		invalid(w, "body", "custom", "body is too long (maximum is 65536 characters)")
	default:
		reply(w, http.StatusCreated, r.commentObject(r.addComment(whose(req.Context()), number, body.Body)))
	}
}

// comment is the one that a path names, or answers that there is none.
func (r *Repository) comment(w http.ResponseWriter, req *http.Request) (Comment, bool) {
	for _, c := range r.look(req).comments {
		if strconv.FormatInt(c.ID, 10) == req.PathValue("comment") {
			return c, true
		}
	}
	missing(w)
	return Comment{}, false
}

func (r *Repository) getComment(w http.ResponseWriter, req *http.Request) {
	if c, ok := r.comment(w, req); ok {
		reply(w, http.StatusOK, r.commentObject(c))
	}
}

func (r *Repository) updateComment(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct{ Body string }](w, req)
	if !ok {
		return
	}
	if c, ok := r.comment(w, req); ok {
		c, _ = r.changeComment(whose(req.Context()), c.ID, body.Body)
		reply(w, http.StatusOK, r.commentObject(c))
	}
}

func (r *Repository) react(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct{ Content string }](w, req)
	if !ok {
		return
	}
	c, ok := r.comment(w, req)
	if !ok {
		return
	}
	who := whose(req.Context())
	reaction, status := who.login+" "+body.Content, http.StatusCreated
	r.s.mu.Lock()
	for _, one := range r.comments {
		switch {
		case one.ID != c.ID:
		case slices.Contains(one.Reactions, reaction):
			status = http.StatusOK
		default:
			one.Reactions = append(slices.Clone(one.Reactions), reaction)
		}
	}
	r.s.mu.Unlock()
	reply(w, status, r.s.spec.sample("reaction", object{"content": body.Content, "user": r.s.spec.user(who.login)}))
}
