package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/remediate"
)

type comment struct {
	ID       int64     `json:"id"`
	URL      string    `json:"html_url"`
	IssueURL string    `json:"issue_url"`
	Body     string    `json:"body"`
	User     *account  `json:"user"`
	App      *via      `json:"performed_via_github_app"`
	Created  time.Time `json:"created_at"`
	Updated  time.Time `json:"updated_at"`
}

func (c comment) get() remediate.Comment {
	number, _ := strconv.Atoi(path.Base(c.IssueURL))
	return remediate.Comment{
		ID: c.ID, Number: number, URL: c.URL, Body: c.Body, Author: c.User.get(), App: c.App.id(), Created: c.Created, Updated: c.Updated,
	}
}

// Comments are those on an issue or a pull request, oldest first, the first
// thousand.
func (r *Repo) Comments(ctx context.Context, number int) ([]remediate.Comment, error) {
	list, err := all[comment](ctx, r.c, r.path("issues", number, "comments"), url.Values{})
	comments := make([]remediate.Comment, len(list))
	for i, c := range list {
		comments[i] = c.get()
	}
	return comments, r.explain(fmt.Sprintf("reading the comments on #%d", number), issuesRead, err)
}

// Comment is one as it is now.
func (r *Repo) Comment(ctx context.Context, id int64) (remediate.Comment, error) {
	var c comment
	err := r.call(ctx, http.MethodGet, nil, &c, "issues", "comments", id)
	return c.get(), r.explain(fmt.Sprintf("reading comment %d", id), issuesRead, err)
}

// CreateComment adds a comment. If it fails, it may have been made all the
// same; PutComment does not make it twice.
func (r *Repo) CreateComment(ctx context.Context, number int, body string) (remediate.Comment, error) {
	var c comment
	err := r.call(ctx, http.MethodPost, map[string]string{"body": body}, &c, "issues", number, "comments")
	return c.get(), r.explain(fmt.Sprintf("commenting on #%d", number), issuesWrite, err)
}

// UpdateComment replaces the text of a comment.
func (r *Repo) UpdateComment(ctx context.Context, id int64, body string) (remediate.Comment, error) {
	var c comment
	err := r.call(repeatable(ctx), http.MethodPatch, map[string]string{"body": body}, &c, "issues", "comments", id)
	return c.get(), r.explain(fmt.Sprintf("updating comment %d", id), issuesWrite, err)
}

// PutComment keeps one comment of oakum's up to date: the one whose text has
// the marker, which body must have. It is made if it is not there; unchanged,
// nothing is sent. After a request whose answer got lost it looks for what may
// have been made.
func (r *Repo) PutComment(ctx context.Context, number int, marker, body string) (remediate.Comment, error) {
	if marker == "" || !strings.Contains(body, marker) {
		return remediate.Comment{}, errors.New("a comment that is kept up to date needs a marker in its text")
	}
	have, found, err := r.marked(ctx, number, marker)
	switch {
	case err != nil:
		return remediate.Comment{}, err
	case found && same(have.Body, body):
		return have, nil
	case found:
		return r.UpdateComment(ctx, have.ID, body)
	}
	made, err := r.CreateComment(ctx, number, body)
	if !lost(err) {
		return made, err
	}
	found, looking := r.c.again(ctx, func() (found bool, err error) {
		made, found, err = r.marked(ctx, number, marker)
		return found, err
	})
	if looking != nil || !found {
		return remediate.Comment{}, err
	}
	return made, nil
}

// marked is the oldest comment of oakum's own with the marker.
func (r *Repo) marked(ctx context.Context, number int, marker string) (remediate.Comment, bool, error) {
	list, err := r.Comments(ctx, number)
	if err != nil {
		return remediate.Comment{}, false, err
	}
	for _, c := range list {
		if !strings.Contains(c.Body, marker) {
			continue
		}
		if mine, err := r.mine(ctx, c.Author, c.App); mine || err != nil {
			return c, mine, err
		}
	}
	return remediate.Comment{}, false, nil
}

// same ignores what GitHub changes in a text by itself.
func same(a, b string) bool {
	text := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return text(a) == text(b)
}

// React adds one of the Reaction constants to a comment; a second time nothing
// happens.
func (r *Repo) React(ctx context.Context, id int64, reaction string) error {
	err := r.call(repeatable(ctx), http.MethodPost, map[string]string{"content": reaction}, nil, "issues", "comments", id, "reactions")
	return r.explain(fmt.Sprintf("reacting to comment %d", id), issuesWrite, err)
}
