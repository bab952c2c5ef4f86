package github

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/oakum-dev/oakum/remediate"
)

// maxPages bounds a listing: a thousand pull requests for one branch.
const maxPages = 10

// PullRequests implements remediate.Forge.
func (r *Repo) PullRequests(ctx context.Context, branch string) ([]remediate.PullRequest, error) {
	options := &github.PullRequestListOptions{
		State: "all", Head: r.owner + ":" + branch, Sort: "created", Direction: "desc",
		ListOptions: github.ListOptions{PerPage: 100},
	}
	var all []remediate.PullRequest
	for range maxPages {
		page, res, err := r.c.api.PullRequests.List(ctx, r.owner, r.name, options)
		if err != nil {
			return nil, r.explain("listing the pull requests of branch "+branch, pullsRead, err)
		}
		for _, pull := range page {
			if ours(pull, branch) {
				all = append(all, fromGitHub(pull))
			}
		}
		if res.NextPage == 0 {
			break
		}
		options.Page = res.NextPage
	}
	slices.SortFunc(all, func(a, b remediate.PullRequest) int { return b.Number - a.Number })
	return all, nil
}

// ours leaves out what comes from a fork, and what GitHub lists when it does
// not take the filter. A fork that was deleted has no repository any more.
func ours(pull *github.PullRequest, branch string) bool {
	head, base := pull.GetHead(), pull.GetBase()
	return head.GetRef() == branch && head.GetRepo() != nil && head.GetRepo().GetID() == base.GetRepo().GetID()
}

func fromGitHub(pull *github.PullRequest) remediate.PullRequest {
	p := remediate.PullRequest{
		Number: pull.GetNumber(), URL: pull.GetHTMLURL(), State: remediate.StateOpen,
		Branch: pull.GetHead().GetRef(), Base: pull.GetBase().GetRef(),
		Title: pull.GetTitle(), Body: pull.GetBody(), HeadCommit: pull.GetHead().GetSHA(), Draft: pull.GetDraft(),
	}
	switch {
	case pull.MergedAt != nil:
		p.State = remediate.StateMerged
	case pull.GetState() != "open":
		p.State = remediate.StateClosed
	}
	for _, l := range pull.Labels {
		p.Labels = append(p.Labels, l.GetName())
	}
	return p
}

// Open implements remediate.Forge. GitHub refuses a second pull request for
// the same branches, so a request whose answer got lost is simply repeated.
func (r *Repo) Open(ctx context.Context, p remediate.PullRequest) (remediate.PullRequest, error) {
	request := &github.NewPullRequest{Title: &p.Title, Head: &p.Branch, Base: &p.Base, Body: &p.Body, Draft: &p.Draft}
	for n := 1; ; n++ {
		pull, _, err := r.c.api.PullRequests.Create(repeatable(ctx), r.owner, r.name, request)
		if err == nil {
			opened := fromGitHub(pull)
			opened.Labels, err = r.label(ctx, opened.Number, p.Labels)
			return opened, err
		}
		err = r.explain("opening a pull request for branch "+p.Branch, pullsWrite, err)
		invalid, is := failed(err, http.StatusUnprocessableEntity)
		switch {
		case is && invalid.says("already exists"):
			return remediate.PullRequest{}, r.await(ctx, p)
		case is && p.Draft && invalid.says("draft pull requests are not supported"):
			p.Draft = false // a private repository, and a plan without them
		case is && (invalid.says("head invalid") || invalid.says("field:head code:invalid")) && n < attempts:
			// What was pushed a moment ago is not everywhere yet.
			if err := r.c.clock.Sleep(ctx, time.Duration(n)*time.Second); err != nil {
				return remediate.PullRequest{}, err
			}
		default:
			return remediate.PullRequest{}, err
		}
	}
}

// await returns ErrExists once the listing shows the pull request that GitHub
// says is there; for a moment after it was opened, it may not.
func (r *Repo) await(ctx context.Context, p remediate.PullRequest) error {
	for n := 1; n <= attempts; n++ {
		all, err := r.PullRequests(ctx, p.Branch)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(q remediate.PullRequest) bool { return q.State == remediate.StateOpen && q.Base == p.Base }) {
			return remediate.ErrExists
		}
		if err := r.c.pause(ctx, n); err != nil {
			return err
		}
	}
	return fmt.Errorf("opening a pull request for branch %s in %s: GitHub says there is one already, but does not list it: try again later", p.Branch, r)
}

// Update implements remediate.Forge.
func (r *Repo) Update(ctx context.Context, p remediate.PullRequest) error {
	change := &github.PullRequest{Title: &p.Title, Body: &p.Body, Base: &github.PullRequestBranch{Ref: &p.Base}}
	if _, _, err := r.c.api.PullRequests.Edit(repeatable(ctx), r.owner, r.name, p.Number, change); err != nil {
		return r.explain(fmt.Sprintf("updating pull request #%d", p.Number), pullsWrite, err)
	}
	_, err := r.label(ctx, p.Number, p.Labels)
	return err
}

// label adds labels and tells all that the pull request has then. go-github
// sends them as a bare array, which GitHub's description does not list.
func (r *Repo) label(ctx context.Context, number int, labels []string) ([]string, error) {
	if len(labels) == 0 {
		return nil, nil
	}
	doing := fmt.Sprintf("labelling pull request #%d", number)
	req, err := r.c.api.NewRequest(http.MethodPost, fmt.Sprintf("repos/%s/%s/issues/%d/labels", r.owner, r.name, number),
		map[string][]string{"labels": labels})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var have []*github.Label
	if _, err := r.c.api.Do(repeatable(ctx), req, &have); err != nil {
		return nil, r.explain(doing, pullsWrite, err)
	}
	names := make([]string, len(have))
	for i, l := range have {
		names[i] = strings.TrimSpace(l.GetName())
	}
	return names, nil
}
