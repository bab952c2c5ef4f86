package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/remediate"
)

type issue struct {
	Number  int       `json:"number"`
	URL     string    `json:"html_url"`
	Title   string    `json:"title"`
	Body    string    `json:"body"`
	State   string    `json:"state"`
	User    *account  `json:"user"`
	App     *via      `json:"performed_via_github_app"`
	Pull    *struct{} `json:"pull_request"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
	Labels  []struct {
		Name string `json:"name"`
	} `json:"labels"`
}

func (i issue) get() remediate.Issue {
	got := remediate.Issue{
		Number: i.Number, URL: i.URL, Title: i.Title, Body: i.Body, State: i.State,
		Author: i.User.get(), App: i.App.id(), Created: i.Created, Updated: i.Updated,
	}
	for _, l := range i.Labels {
		got.Labels = append(got.Labels, l.Name)
	}
	return got
}

// Issues are those with a label, open and closed, newest first, the newest
// thousand. Pull requests are left out.
func (r *Repo) Issues(ctx context.Context, label string) ([]remediate.Issue, error) {
	return r.issues(ctx, "with label "+label, url.Values{"labels": {label}})
}

func (r *Repo) issues(ctx context.Context, which string, query url.Values) ([]remediate.Issue, error) {
	query.Set("state", "all")
	list, err := all[issue](ctx, r.c, r.path("issues"), query)
	if err != nil {
		return nil, r.explain("listing the issues "+which, issuesRead, err)
	}
	var issues []remediate.Issue
	for _, i := range list {
		if i.Pull == nil {
			issues = append(issues, i.get())
		}
	}
	return issues, nil
}

// Issue is one as it is now.
func (r *Repo) Issue(ctx context.Context, number int) (remediate.Issue, error) {
	var i issue
	err := r.call(ctx, http.MethodGet, nil, &i, "issues", number)
	return i.get(), r.explain(fmt.Sprintf("reading issue #%d", number), issuesRead, err)
}

// CreateIssue makes an issue with a title, body and labels. If it fails, it may
// have been made all the same; PutIssue does not make it twice.
func (r *Repo) CreateIssue(ctx context.Context, want remediate.Issue) (remediate.Issue, error) {
	body := map[string]any{"title": want.Title, "body": want.Body}
	if len(want.Labels) > 0 {
		body["labels"] = want.Labels
	}
	var i issue
	err := r.call(ctx, http.MethodPost, body, &i, "issues")
	return i.get(), r.explain("opening an issue", issuesWrite, err)
}

// UpdateIssue sets title and body, and the state if want has one. Labels stay
// as people have them.
func (r *Repo) UpdateIssue(ctx context.Context, want remediate.Issue) (remediate.Issue, error) {
	body := map[string]any{"title": want.Title, "body": want.Body}
	if want.State != "" {
		body["state"] = want.State
	}
	var i issue
	err := r.call(repeatable(ctx), http.MethodPatch, body, &i, "issues", want.Number)
	return i.get(), r.explain(fmt.Sprintf("updating issue #%d", want.Number), issuesWrite, err)
}

// PutIssue keeps one issue of oakum's up to date, known by a marker, which its
// body must have, and not by its title or labels, which people change. A closed
// one is updated and stays closed, unless want says otherwise. It is made if it
// is not there. Number, if not zero, is where it was last.
func (r *Repo) PutIssue(ctx context.Context, marker string, want remediate.Issue) (remediate.Issue, error) {
	if marker == "" || !strings.Contains(want.Body, marker) {
		return remediate.Issue{}, errors.New("an issue that is kept up to date needs a marker in its text")
	}
	have, found, err := r.markedIssue(ctx, marker, want.Number)
	switch {
	case err != nil:
		return remediate.Issue{}, err
	case found && have.Title == want.Title && same(have.Body, want.Body) && (want.State == "" || want.State == have.State):
		return have, nil
	case found:
		want.Number = have.Number
		return r.UpdateIssue(ctx, want)
	}
	made, err := r.CreateIssue(ctx, want)
	if !lost(err) {
		return made, err
	}
	found, looking := r.c.again(ctx, func() (found bool, err error) {
		made, found, err = r.markedIssue(ctx, marker, 0)
		return found, err
	})
	if looking != nil || !found {
		return remediate.Issue{}, err
	}
	return made, nil
}

// markedIssue is the oldest issue of oakum's own with the marker.
func (r *Repo) markedIssue(ctx context.Context, marker string, number int) (remediate.Issue, bool, error) {
	ours := func(i remediate.Issue) (bool, error) {
		if !strings.Contains(i.Body, marker) {
			return false, nil
		}
		return r.mine(ctx, i.Author, i.App)
	}
	if number != 0 {
		i, err := r.Issue(ctx, number)
		if _, gone := failed(err, http.StatusNotFound, http.StatusGone); err != nil && !gone {
			return i, false, err
		}
		if mine, err := ours(i); mine || err != nil {
			return i, mine, err
		}
	}
	login, _, err := r.c.self.get(ctx)
	if err != nil {
		return remediate.Issue{}, false, err
	}
	list, err := r.issues(ctx, "of "+login, url.Values{"creator": {login}, "sort": {"created"}, "direction": {"asc"}})
	if err != nil {
		return remediate.Issue{}, false, err
	}
	for _, i := range list {
		if mine, err := ours(i); mine || err != nil {
			return i, mine, err
		}
	}
	return remediate.Issue{}, false, nil
}
