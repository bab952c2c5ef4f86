package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
}

// Pulls are all pull requests, oldest first.
func (s *Server) Pulls() []Pull { return s.Now().pulls }

// Close closes a pull request without merging it, as a person would.
func (s *Server) Close(number int) { s.change(number, func(p *Pull) { p.State = "closed" }) }

// Reopen opens it again.
func (s *Server) Reopen(number int) { s.change(number, func(p *Pull) { p.State = "open" }) }

// Edit changes what a person can change on the page of a pull request.
func (s *Server) Edit(number int, edit func(*Pull)) { s.change(number, edit) }

// AddFork adds an open pull request from a fork that the same owner has.
func (s *Server) AddFork(head, base, title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pulls = append(s.pulls, &Pull{
		Number: len(s.pulls) + 1, State: "open", Title: title, Head: head, Base: base, Fork: true, HeadCommit: strings.Repeat("f", 40),
	})
}

// Merge merges a pull request with a merge commit; the branch stays.
func (s *Server) Merge(number int) {
	s.t.Helper()
	var head, base string
	s.change(number, func(p *Pull) { p.State, p.Merged = "closed", true; head, base = p.Head, p.Base })
	tree := s.must("", "merge-tree", "--write-tree", s.Head(base), s.Head(head))
	merged, err := s.commit("Merge", tree, []string{s.Head(base), s.Head(head)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.must("", "update-ref", "refs/heads/"+base, merged)
}

func (s *Server) change(number int, edit func(*Pull)) {
	refs := s.Now().refs
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pulls[number-1]
	if p.State == "open" && !p.Fork {
		p.HeadCommit = refs["refs/heads/"+p.Head]
	}
	edit(p)
}

func (s *Server) routePulls(mux *http.ServeMux, root string) {
	mux.HandleFunc("GET "+root+"/pulls", s.listPulls)
	mux.HandleFunc("POST "+root+"/pulls", s.createPull)
	mux.HandleFunc("PATCH "+root+"/pulls/{number}", s.updatePull)
	mux.HandleFunc("POST "+root+"/issues/{number}/labels", s.addLabels)
}

// pullObject is the API's form of a pull request; schema is GitHub's name for
// the long or the short one.
func (s *Server) pullObject(schema string, p Pull, refs map[string]string) object {
	hash := p.HeadCommit
	if p.State == "open" && !p.Fork {
		hash = refs["refs/heads/"+p.Head]
	}
	name, id := Name, 1
	if p.Fork {
		name, id = Name+"-fork", 2
	}
	labels := []any{}
	for i, name := range p.Labels {
		labels = append(labels, object{
			"id": i + 1, "node_id": "L", "url": "https://github.example/", "name": name,
			"description": "", "color": "ededed", "default": false,
		})
	}
	var closed, merged any
	if p.State == "closed" {
		closed = "2024-01-02T00:00:00Z"
	}
	if p.Merged {
		merged = closed
	}
	end := func(name string, id int, ref, hash string) object {
		return object{
			"label": Owner + ":" + ref, "ref": ref, "sha": hash, "user": s.spec.sample("simple-user", object{"login": Owner}),
			"repo": object{"id": id, "name": name, "full_name": Owner + "/" + name},
		}
	}
	return s.spec.sample(schema, object{
		"number": p.Number, "id": p.Number, "state": p.State, "title": p.Title, "body": p.Body, "labels": labels,
		"closed_at": closed, "merged_at": merged,
		"html_url": fmt.Sprintf("%s/%s/%s/pull/%d", s.URL, Owner, Name, p.Number),
		"head":     end(name, id, p.Head, hash),
		"base":     end(Name, 1, p.Base, refs["refs/heads/"+p.Base]),
	})
}

func (s *Server) listPulls(w http.ResponseWriter, r *http.Request) {
	v, q := s.look(r), r.URL.Query()
	slices.Reverse(v.pulls) // newest first, the only order that is asked for
	var found []Pull
	owner, branch, filtered := strings.Cut(q.Get("head"), ":")
	for _, p := range v.pulls {
		// The filter takes an owner, who may have several forks, and is ignored
		// when it is not of this form.
		if (!filtered || p.Head == branch && owner == Owner) && (q.Get("state") == "all" || q.Get("state") == p.State) {
			found = append(found, p)
		}
	}
	size, _ := strconv.Atoi(q.Get("per_page"))
	page, _ := strconv.Atoi(q.Get("page"))
	size, page = max(size, 1), max(page, 1)
	if page*size < len(found) {
		next := *r.URL
		q.Set("page", strconv.Itoa(page+1))
		next.RawQuery = q.Encode()
		w.Header().Set("Link", fmt.Sprintf(`<%s%s>; rel="next"`, s.URL, next.String()))
	}
	list := []any{}
	for _, p := range found[min((page-1)*size, len(found)):min(page*size, len(found))] {
		list = append(list, s.pullObject("pull-request-simple", p, v.refs))
	}
	reply(w, http.StatusOK, list)
}

func (s *Server) createPull(w http.ResponseWriter, r *http.Request) {
	body, ok := read[struct{ Title, Head, Base, Body string }](w, r)
	if !ok {
		return
	}
	v := s.Now()
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
		invalid(w, "", "custom", fmt.Sprintf("A pull request already exists for %s:%s.", Owner, body.Head))
		return
	}
	if _, err := s.run("", "merge-base", "--is-ancestor", head, base); err == nil {
		invalid(w, "", "custom", fmt.Sprintf("No commits between %s and %s", body.Base, body.Head))
		return
	}
	s.mu.Lock()
	p := &Pull{Number: len(s.pulls) + 1, State: "open", Title: body.Title, Body: body.Body, Head: body.Head, Base: body.Base}
	s.pulls = append(s.pulls, p)
	s.mu.Unlock()
	reply(w, http.StatusCreated, s.pullObject("pull-request", *p, v.refs))
}

// find is the pull request that a path names, or answers that there is none.
func (s *Server) find(w http.ResponseWriter, r *http.Request) *Pull {
	number, err := strconv.Atoi(r.PathValue("number"))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || number < 1 || number > len(s.pulls) {
		reply(w, http.StatusNotFound, basicError("Not Found", http.StatusNotFound))
		return nil
	}
	return s.pulls[number-1]
}

func (s *Server) updatePull(w http.ResponseWriter, r *http.Request) {
	body, ok := read[struct{ Title, Body, State, Base *string }](w, r)
	if !ok {
		return
	}
	p := s.find(w, r)
	if p == nil {
		return
	}
	refs := s.Now().refs
	if body.Base != nil && (refs["refs/heads/"+*body.Base] == "" || p.State != "open") {
		invalid(w, "base", "invalid", "")
		return
	}
	s.mu.Lock()
	for to, from := range map[*string]*string{&p.Title: body.Title, &p.Body: body.Body, &p.State: body.State, &p.Base: body.Base} {
		if from != nil {
			*to = *from
		}
	}
	changed := *p
	s.mu.Unlock()
	reply(w, http.StatusOK, s.pullObject("pull-request", changed, refs))
}

func (s *Server) addLabels(w http.ResponseWriter, r *http.Request) {
	body, ok := read[struct{ Labels []string }](w, r)
	if !ok {
		return
	}
	p := s.find(w, r)
	if p == nil {
		return
	}
	s.mu.Lock()
	for _, l := range body.Labels {
		if !slices.Contains(p.Labels, l) {
			p.Labels = append(p.Labels, l)
		}
	}
	changed := *p
	s.mu.Unlock()
	reply(w, http.StatusOK, s.pullObject("pull-request", changed, s.Now().refs)["labels"])
}
