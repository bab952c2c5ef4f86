package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-github/v60/github"

	"github.com/oakum-dev/oakum/remediate"
)

// Pull reads a pull request.
func (r *Repo) Pull(ctx context.Context, number int) (remediate.Pull, error) {
	var got github.PullRequest
	if err := r.call(ctx, http.MethodGet, nil, &got, "pulls", number); err != nil {
		return remediate.Pull{}, r.explain(fmt.Sprintf("reading pull request #%d", number), pullsRead, err)
	}
	return pullOf(&got), nil
}

func pullOf(got *github.PullRequest) remediate.Pull {
	p := remediate.Pull{
		PullRequest: fromGitHub(got),
		Author:      remediate.Account{ID: got.GetUser().GetID(), Login: got.GetUser().GetLogin(), Bot: got.GetUser().GetType() == "Bot"},
		Head:        remediate.Repository{ID: got.GetHead().GetRepo().GetID(), Name: got.GetHead().GetRepo().GetFullName()},
		BaseCommit:  got.GetBase().GetSHA(), Mergeable: got.GetMergeableState(), AutoMerge: got.GetAutoMerge().GetMergeMethod(),
		Created: got.GetCreatedAt().Time, Updated: got.GetUpdatedAt().Time, Closed: got.GetClosedAt().Time, Node: got.GetNodeID(),
	}
	if p.State == remediate.StateMerged {
		p.MergeCommit = got.GetMergeCommitSHA()
	}
	for _, u := range got.RequestedReviewers {
		p.Reviewers = append(p.Reviewers, u.GetLogin())
	}
	for _, t := range got.RequestedTeams {
		p.Teams = append(p.Teams, t.GetSlug())
	}
	for _, u := range got.Assignees {
		p.Assignees = append(p.Assignees, u.GetLogin())
	}
	return p
}

// OpenPulls are the open pull requests whose branch is in this very repository,
// newest first, the newest thousand of all.
func (r *Repo) OpenPulls(ctx context.Context) ([]remediate.Pull, error) {
	query := url.Values{"state": {"open"}, "sort": {"created"}, "direction": {"desc"}}
	list, err := all[*github.PullRequest](ctx, r.c, r.path("pulls"), query)
	if err != nil {
		return nil, r.explain("listing the open pull requests", pullsRead, err)
	}
	var open []remediate.Pull
	for _, pull := range list {
		if ours(pull, pull.GetHead().GetRef()) {
			open = append(open, pullOf(pull))
		}
	}
	return open, nil
}

// Files are what a pull request changes, the first thousand.
func (r *Repo) Files(ctx context.Context, number int) ([]remediate.PullFile, error) {
	type file struct {
		Filename string `json:"filename"`
		Previous string `json:"previous_filename"`
		Status   string `json:"status"`
		Patch    string `json:"patch"`
	}
	list, err := all[file](ctx, r.c, r.path("pulls", number, "files"), url.Values{})
	files := make([]remediate.PullFile, len(list))
	for i, f := range list {
		files[i] = remediate.PullFile{Path: f.Filename, Was: f.Previous, Status: f.Status, Patch: f.Patch}
	}
	return files, r.explain(fmt.Sprintf("reading the files of pull request #%d", number), pullsRead, err)
}

// Close closes a pull request, without merging it.
func (r *Repo) Close(ctx context.Context, number int) error {
	return r.state(ctx, number, "closed", "closing")
}

// Reopen opens a closed one again. GitHub refuses when its branch is gone or
// was replaced meanwhile.
func (r *Repo) Reopen(ctx context.Context, number int) error {
	return r.state(ctx, number, "open", "reopening")
}

func (r *Repo) state(ctx context.Context, number int, state, doing string) error {
	err := r.call(repeatable(ctx), http.MethodPatch, map[string]string{"state": state}, nil, "pulls", number)
	return r.explain(fmt.Sprintf("%s pull request #%d", doing, number), pullsWrite, err)
}

// DeleteBranch deletes a branch if it is still at a commit; ErrMoved: it is
// not. One that is gone is no error. GitHub's API cannot compare and delete in
// one request, so the branch is read right before every attempt.
func (r *Repo) DeleteBranch(ctx context.Context, branch, hash string) error {
	w := &writer{repo: r}
	for n := 1; ; n++ {
		at, err := w.branch(ctx, branch)
		switch {
		case err != nil || at == "":
			return err
		case at != hash:
			return remediate.ErrMoved
		}
		_, err = r.c.api.Git.DeleteRef(ctx, r.owner, r.name, "heads/"+branch)
		err = r.explain("deleting branch "+branch, contentsWrite, err)
		if err == nil || n == attempts || !unsettled(err) || ctx.Err() != nil {
			return err
		}
		if err := r.c.pause(ctx, n); err != nil {
			return err
		}
	}
}
