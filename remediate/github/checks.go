package github

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/remediate"
)

type checkRun struct {
	ID         int64      `json:"id"`
	Name       string     `json:"name"`
	Commit     string     `json:"head_sha"`
	Key        string     `json:"external_id"`
	Status     string     `json:"status"`
	Conclusion string     `json:"conclusion"`
	URL        string     `json:"html_url"`
	Started    *time.Time `json:"started_at"`
	Completed  *time.Time `json:"completed_at"`
	App        *via       `json:"app"`
	Output     struct {
		Title   string `json:"title"`
		Summary string `json:"summary"`
		Text    string `json:"text"`
		Count   int    `json:"annotations_count"`
	} `json:"output"`
}

func (c checkRun) get() remediate.Check {
	got := remediate.Check{
		ID: c.ID, App: c.App.id(), Name: c.Name, Commit: c.Commit, Key: c.Key, Status: c.Status, Conclusion: c.Conclusion,
		Title: c.Output.Title, Summary: c.Output.Summary, Text: c.Output.Text, Annotated: c.Output.Count, URL: c.URL,
	}
	if c.Started != nil {
		got.Started = *c.Started
	}
	if c.Completed != nil {
		got.Completed = *c.Completed
	}
	return got
}

// Checks are oakum's own on a commit, every run of each name. With a token that
// is no App's they are everybody's.
func (r *Repo) Checks(ctx context.Context, commit string) ([]remediate.Check, error) {
	query := url.Values{"filter": {"all"}}
	_, app, err := r.c.self.get(ctx)
	if err != nil {
		return nil, err
	}
	if app != 0 {
		query.Set("app_id", strconv.FormatInt(app, 10))
	}
	var checks []remediate.Check
	err = r.c.pages(ctx, r.path("commits", commit, "check-runs"), query, maxPages, func() any {
		return &struct {
			Runs []checkRun `json:"check_runs"`
		}{}
	}, func(page any) {
		for _, c := range page.(*struct {
			Runs []checkRun `json:"check_runs"`
		}).Runs {
			checks = append(checks, c.get())
		}
	})
	return checks, r.explain("listing the checks of commit "+commit, checksRead, err)
}

// CreateCheck makes a check run with all its annotations, in as many requests
// as that takes. A check with a Key that the commit already has is not made
// again but updated, also when the answer to a request got lost.
func (r *Repo) CreateCheck(ctx context.Context, c remediate.Check) (remediate.Check, error) {
	have, found, err := r.check(ctx, c)
	if err != nil {
		return remediate.Check{}, err
	}
	if !found {
		if have, err = r.newCheck(ctx, c); err != nil {
			return remediate.Check{}, err
		}
	}
	if found || len(c.Annotations) > have.Annotated {
		c.ID, c.Annotated = have.ID, have.Annotated
		return r.UpdateCheck(ctx, c)
	}
	return have, nil
}

// check is the one with the same name, commit and key.
func (r *Repo) check(ctx context.Context, c remediate.Check) (remediate.Check, bool, error) {
	if c.Key == "" {
		return remediate.Check{}, false, nil
	}
	list, err := r.Checks(ctx, c.Commit)
	if err != nil {
		return remediate.Check{}, false, err
	}
	for _, have := range list {
		if have.Key == c.Key && have.Name == c.Name {
			return have, true, nil
		}
	}
	return remediate.Check{}, false, nil
}

func (r *Repo) newCheck(ctx context.Context, c remediate.Check) (remediate.Check, error) {
	body := checkBody(c, 0)
	body["head_sha"] = c.Commit
	if c.Key != "" {
		body["external_id"] = c.Key
	}
	var run checkRun
	err := r.explain("creating check "+c.Name, checksWrite, r.call(ctx, http.MethodPost, body, &run, "check-runs"))
	if err == nil {
		return run.get(), nil
	}
	if !lost(err) || c.Key == "" {
		return remediate.Check{}, err
	}
	var made remediate.Check
	found, looking := r.c.again(ctx, func() (found bool, err error) {
		made, found, err = r.check(ctx, c)
		return found, err
	})
	if looking != nil || !found {
		return remediate.Check{}, err
	}
	return made, nil
}

// UpdateCheck makes a check run as it should be. Annotations can only be added:
// those from number Annotated on are sent, which is how many GitHub has.
func (r *Repo) UpdateCheck(ctx context.Context, c remediate.Check) (remediate.Check, error) {
	doing := "updating check " + c.Name
	if len(c.Annotations) > 0 && c.Title == "" {
		return remediate.Check{}, errors.New(doing + ": annotations need a title and a summary beside them")
	}
	for {
		var run checkRun
		sent := min(c.Annotated, len(c.Annotations))
		err := r.explain(doing, checksWrite, r.call(ctx, http.MethodPatch, checkBody(c, sent), &run, "check-runs", c.ID))
		switch {
		case err == nil:
			// What GitHub counts lags behind what it took.
			c.Annotated = max(run.Output.Count, min(sent+remediate.MaxAnnotations, len(c.Annotations)))
		case lost(err): // it may have them, and would take them twice
			if run, err = r.recount(ctx, c, sent, err); err != nil {
				return remediate.Check{}, err
			}
			if c.Annotated = run.Output.Count; c.Annotated <= sent {
				continue
			}
		default:
			return remediate.Check{}, err
		}
		if c.Annotated >= len(c.Annotations) {
			have := run.get()
			have.Annotated = c.Annotated
			return have, nil
		}
	}
}

// recount reads how many annotations there are after an answer was lost.
func (r *Repo) recount(ctx context.Context, c remediate.Check, sent int, lost error) (checkRun, error) {
	var run checkRun
	found, err := r.c.again(ctx, func() (bool, error) {
		err := r.call(ctx, http.MethodGet, nil, &run, "check-runs", c.ID)
		return run.Output.Count > sent || run.Status == c.Status && len(c.Annotations) <= sent, err
	})
	if err != nil || !found {
		return run, lost
	}
	return run, nil
}

// checkBody is what a check has besides what never changes, with the next
// annotations from number sent on. While some are left it is in progress.
func checkBody(c remediate.Check, sent int) map[string]any {
	body := map[string]any{"name": c.Name, "status": c.Status}
	next := c.Annotations[sent:min(sent+remediate.MaxAnnotations, len(c.Annotations))]
	switch {
	case sent+len(next) < len(c.Annotations):
		body["status"] = remediate.CheckInProgress
	case c.Status == remediate.CheckCompleted:
		body["conclusion"] = c.Conclusion
		if !c.Completed.IsZero() {
			body["completed_at"] = c.Completed.UTC().Format(time.RFC3339)
		}
	}
	if !c.Started.IsZero() {
		body["started_at"] = c.Started.UTC().Format(time.RFC3339)
	}
	if c.URL != "" {
		body["details_url"] = c.URL
	}
	if c.Title != "" {
		output := map[string]any{"title": c.Title, "summary": c.Summary}
		if c.Text != "" {
			output["text"] = c.Text
		}
		if len(next) > 0 {
			output["annotations"] = annotations(next)
		}
		body["output"] = output
	}
	actions := []map[string]string{}
	for _, a := range c.Actions {
		actions = append(actions, map[string]string{"label": a.Label, "description": a.Description, "identifier": a.Identifier})
	}
	if len(actions) > 0 {
		body["actions"] = actions
	}
	return body
}

func annotations(list []remediate.Annotation) []map[string]any {
	all := make([]map[string]any, len(list))
	for i, a := range list {
		end := max(a.EndLine, a.Line)
		one := map[string]any{
			"path": a.Path, "start_line": a.Line, "end_line": end, "annotation_level": a.Level,
			"message": shorten(a.Message, maxMessage),
		}
		if a.Title != "" {
			one["title"] = shorten(a.Title, 255)
		}
		if a.RawDetail != "" {
			one["raw_details"] = shorten(a.RawDetail, maxMessage)
		}
		if a.Column > 0 && end == a.Line { // GitHub refuses columns of several lines
			one["start_column"], one["end_column"] = a.Column, max(a.EndColumn, a.Column)
		}
		all[i] = one
	}
	return all
}

const maxMessage = 64 << 10 // bytes

// shorten cuts plain text that is too long.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-len("…")], "") + "…"
}
