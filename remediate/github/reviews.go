package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/remediate"
)

// Review remarks on lines of a pull request. GitHub refuses a review as a whole
// when one of its lines is not in the diff; those are then left out and
// returned. A review whose answer got lost is looked for, not sent twice: its
// body should have a marker.
func (r *Repo) Review(ctx context.Context, number int, review remediate.Review) (left []remediate.Suggestion, err error) {
	err = r.review(ctx, number, review)
	if _, invalid := failed(err, http.StatusUnprocessableEntity); !invalid || len(review.Suggestions) == 0 {
		return nil, err
	}
	files, reading := r.Files(ctx, number)
	if reading != nil {
		return nil, reading
	}
	shown := map[string][]hunk{}
	for _, f := range files {
		shown[f.Path] = hunks(f.Patch)
	}
	var good []remediate.Suggestion
	for _, s := range review.Suggestions {
		if within(shown[s.Path], s.Line, max(s.Line, s.EndLine)) {
			good = append(good, s)
		} else {
			left = append(left, s)
		}
	}
	if len(left) == 0 { // it was something else
		return nil, err
	}
	if review.Suggestions = good; len(good) == 0 {
		return left, nil
	}
	return left, r.review(ctx, number, review)
}

func (r *Repo) review(ctx context.Context, number int, review remediate.Review) error {
	comments := make([]map[string]any, len(review.Suggestions))
	for i, s := range review.Suggestions {
		comments[i] = map[string]any{"path": s.Path, "side": "RIGHT", "line": max(s.Line, s.EndLine), "body": s.Body}
		if s.EndLine > s.Line {
			comments[i]["start_line"], comments[i]["start_side"] = s.Line, "RIGHT"
		}
	}
	body := map[string]any{"commit_id": review.Commit, "body": review.Body, "event": "COMMENT", "comments": comments}
	err := r.call(ctx, http.MethodPost, body, nil, "pulls", number, "reviews")
	err = r.explain(fmt.Sprintf("reviewing pull request #%d", number), pullsWrite, err)
	if !lost(err) {
		return err
	}
	found, looking := r.c.again(ctx, func() (bool, error) { return r.reviewed(ctx, number, review) })
	if looking != nil || !found {
		return err
	}
	return nil
}

// reviewed says whether there is such a review of oakum's.
func (r *Repo) reviewed(ctx context.Context, number int, review remediate.Review) (bool, error) {
	type given struct {
		Body   string   `json:"body"`
		Commit string   `json:"commit_id"`
		User   *account `json:"user"`
	}
	list, err := all[given](ctx, r.c, r.path("pulls", number, "reviews"), url.Values{})
	if err != nil {
		return false, r.explain(fmt.Sprintf("listing the reviews of pull request #%d", number), pullsRead, err)
	}
	for _, g := range list {
		if g.Commit != review.Commit || !same(g.Body, review.Body) {
			continue
		}
		if mine, err := r.mine(ctx, g.User.get(), 0); mine || err != nil {
			return mine, err
		}
	}
	return false, nil
}

// ReviewComments are the remarks on the lines of a pull request, oldest first,
// the first thousand.
func (r *Repo) ReviewComments(ctx context.Context, number int) ([]remediate.ReviewComment, error) {
	type remark struct {
		ID        int64     `json:"id"`
		URL       string    `json:"html_url"`
		User      *account  `json:"user"`
		Commit    string    `json:"commit_id"`
		Path      string    `json:"path"`
		Line      int       `json:"line"`
		StartLine int       `json:"start_line"`
		Body      string    `json:"body"`
		ReplyTo   int64     `json:"in_reply_to_id"`
		Created   time.Time `json:"created_at"`
	}
	list, err := all[remark](ctx, r.c, r.path("pulls", number, "comments"), url.Values{})
	comments := make([]remediate.ReviewComment, len(list))
	for i, c := range list {
		first := c.StartLine
		if first == 0 {
			first = c.Line
		}
		comments[i] = remediate.ReviewComment{
			ID: c.ID, URL: c.URL, Author: c.User.get(), Commit: c.Commit, Path: c.Path,
			Line: first, EndLine: c.Line, Body: c.Body, ReplyTo: c.ReplyTo, Created: c.Created,
		}
	}
	return comments, r.explain(fmt.Sprintf("reading the remarks on pull request #%d", number), pullsRead, err)
}

// hunk is the lines of the new side that a part of a diff shows.
type hunk struct{ first, last int }

// hunks reads the headers in a patch, "@@ -1,2 +3,4 @@".
func hunks(patch string) []hunk {
	var all []hunk
	for line := range strings.Lines(patch) {
		ranges, ok := strings.CutPrefix(line, "@@ -")
		if !ok {
			continue
		}
		_, plus, _ := strings.Cut(ranges, " +")
		side, _, _ := strings.Cut(plus, " ")
		start, count, many := strings.Cut(side, ",")
		first, err := strconv.Atoi(start)
		n := 1
		if many && err == nil {
			n, err = strconv.Atoi(count)
		}
		if err == nil && n > 0 {
			all = append(all, hunk{first, first + n - 1})
		}
	}
	return all
}

func within(all []hunk, first, last int) bool {
	for _, h := range all {
		if h.first <= first && last <= h.last {
			return true
		}
	}
	return false
}
