package githubtest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
		"created_at": stamp(p.Created), "updated_at": stamp(p.Updated), "closed_at": stamp(p.Closed), "merged_at": nil, "merge_commit_sha": nil,
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
	r.s.mu.Lock()
	noDrafts := r.noDrafts
	r.s.mu.Unlock()
	head, base := v.refs["refs/heads/"+body.Head], v.refs["refs/heads/"+body.Base]
	switch {
	case head == "":
		invalid(w, "head", "invalid", "")
		return
	case base == "":
		invalid(w, "base", "invalid", "")
		return
	case body.Draft && noDrafts:
		unprocessable(w, "Draft pull requests are not supported in this repository.")
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
	p = r.change(p.Number, func(p *Pull) {
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
	action, more := "edited", object{"changes": object{}}
	if p.State != was {
		action, more = map[string]string{"open": "reopened", "closed": "closed"}[p.State], nil
	}
	r.tellPull(whose(req.Context()), action, p, more)
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
	p = r.change(p.Number, func(p *Pull) {
		p.Reviewers = union(p.Reviewers, body.Reviewers)
		p.Teams = union(p.Teams, body.Teams)
	})
	reply(w, http.StatusCreated, r.pullObject("pull-request-simple", p, v.refs))
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
