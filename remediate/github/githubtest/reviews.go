package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Review is a set of remarks on a pull request.
type Review struct {
	ID      int64
	Number  int
	Author  string
	App     int64
	Commit  string
	Body    string
	Remarks []Remark
	Created time.Time
}

// Remark is one on lines of a diff's new side.
type Remark struct {
	ID        int64
	Path      string `json:"path"`
	Side      string `json:"side"`
	Line      int    `json:"line"`
	StartLine int    `json:"start_line"`
	StartSide string `json:"start_side"`
	Body      string `json:"body"`
}

// Reviews are all of a pull request, oldest first.
func (r *Repository) Reviews(number int) []Review {
	return slices.DeleteFunc(r.Now().reviews, func(v Review) bool { return v.Number != number })
}

func (s *Server) routeReviews() {
	s.on("GET", "/pulls/{number}/reviews", "pull_requests:read", (*Repository).listReviews)
	s.on("POST", "/pulls/{number}/reviews", "pull_requests:write", (*Repository).createReview)
	s.on("GET", "/pulls/{number}/comments", "pull_requests:read", (*Repository).listRemarks)
}

func (r *Repository) reviewObject(v Review) object {
	return r.s.spec.sample("pull-request-review", object{
		"id": v.ID, "node_id": fmt.Sprintf("PRR_%d", v.ID), "user": r.s.spec.user(v.Author), "body": v.Body,
		"state": "COMMENTED", "commit_id": v.Commit, "submitted_at": stamp(v.Created),
	})
}

func (r *Repository) listReviews(w http.ResponseWriter, req *http.Request) {
	p, v, ok := r.find(w, req)
	if !ok {
		return
	}
	of := slices.DeleteFunc(v.reviews, func(v Review) bool { return v.Number != p.Number })
	list := []any{}
	for _, v := range paged(r.s, w, req.URL, of) {
		list = append(list, r.reviewObject(v))
	}
	reply(w, http.StatusOK, list)
}

func (r *Repository) createReview(w http.ResponseWriter, req *http.Request) {
	body, ok := read[struct {
		Commit   string `json:"commit_id"`
		Body     string
		Event    string
		Comments []Remark
	}](w, req)
	if !ok {
		return
	}
	p, v, ok := r.find(w, req)
	if !ok {
		return
	}
	if body.Event == "COMMENT" && body.Body == "" && len(body.Comments) == 0 {
		unprocessable(w, "Unprocessable Entity", "Can not submit a comment review without a body.")
		return
	}
	shown := map[string]string{}
	for _, f := range r.files(p, v.refs) {
		shown[f.path] = f.patch
	}
	who := whose(req.Context())
	review := &Review{ID: r.s.id(), Number: p.Number, Author: who.login, App: who.app, Commit: body.Commit, Body: body.Body, Created: r.s.Time()}
	for _, c := range body.Comments {
		first := c.Line
		if c.StartLine != 0 {
			first = c.StartLine
		}
		switch patch, ok := shown[c.Path]; {
		case !ok:
			unprocessable(w, "Unprocessable Entity", "Path could not be resolved")
			return
		case first > c.Line || c.StartLine == c.Line || !shows(patch, first, c.Line):
			unprocessable(w, "Unprocessable Entity", "Line could not be resolved")
			return
		}
		c.ID = r.s.id()
		review.Remarks = append(review.Remarks, c)
	}
	r.s.mu.Lock()
	r.reviews = append(r.reviews, review)
	r.s.mu.Unlock()
	reply(w, http.StatusOK, r.reviewObject(*review))
}

// shows says whether lines of the new side are in one hunk of a patch, by
// counting them out.
func shows(patch string, first, last int) bool {
	line, hunk := 0, 0
	in := map[int]int{} // line -> hunk
	for text := range strings.Lines(patch) {
		switch {
		case strings.HasPrefix(text, "@@ "):
			hunk++
			_, side, _ := strings.Cut(text, "+")
			start, _, _ := strings.Cut(strings.Fields(side)[0], ",")
			line, _ = strconv.Atoi(start)
		case strings.HasPrefix(text, "+"), strings.HasPrefix(text, " "):
			in[line] = hunk
			line++
		}
	}
	for n := first; n <= last; n++ {
		if in[n] == 0 || in[n] != in[first] {
			return false
		}
	}
	return true
}

func (r *Repository) listRemarks(w http.ResponseWriter, req *http.Request) {
	p, v, ok := r.find(w, req)
	if !ok {
		return
	}
	var all []object
	for _, review := range v.reviews {
		for _, c := range review.Remarks {
			if review.Number != p.Number {
				continue
			}
			o := r.s.spec.sample("pull-request-review-comment", object{
				"id": c.ID, "node_id": fmt.Sprintf("PRRC_%d", c.ID), "pull_request_review_id": review.ID, "path": c.Path,
				"commit_id": review.Commit, "original_commit_id": review.Commit, "user": r.s.spec.user(review.Author),
				"body": c.Body, "line": c.Line, "side": "RIGHT", "created_at": stamp(review.Created), "updated_at": stamp(review.Created),
			})
			if c.StartLine != 0 {
				o["start_line"] = c.StartLine
			}
			all = append(all, o)
		}
	}
	reply(w, http.StatusOK, append([]object{}, paged(r.s, w, req.URL, all)...))
}
