package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/remediate"
)

// What REST has not.
const (
	queryViewer = `query { viewer { login } }`

	mutationDraft = `mutation($id: ID!) {
  convertPullRequestToDraft(input: {pullRequestId: $id}) { pullRequest { isDraft } }
}`
	mutationReady = `mutation($id: ID!) {
  markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } }
}`
	mutationAutoMerge = `mutation($id: ID!, $method: PullRequestMergeMethod!, $head: GitObjectID!) {
  enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: $method, expectedHeadOid: $head}) { pullRequest { id } }
}`
	mutationNoAutoMerge = `mutation($id: ID!) {
  disablePullRequestAutoMerge(input: {pullRequestId: $id}) { pullRequest { id } }
}`
)

// graph asks GraphQL. All that oakum asks of it may be asked twice.
func (c *Client) graph(ctx context.Context, query string, variables map[string]any, out any) error {
	body := map[string]any{"query": query}
	if len(variables) > 0 {
		body["variables"] = variables
	}
	req, err := c.api.NewRequest(http.MethodPost, c.graphql.String(), body)
	if err != nil {
		return err
	}
	answer := struct {
		Data   any `json:"data"`
		Errors []struct {
			Type, Message string
		} `json:"errors"`
	}{Data: out}
	if _, err := c.do(repeatable(ctx), req, &answer); err != nil {
		return err
	}
	if len(answer.Errors) == 0 {
		return nil
	}
	first := answer.Errors[0]
	text := fmt.Sprintf("GitHub answered %s (%s)", first.Type, c.redact(clip(first.Message)))
	switch lower := strings.ToLower(first.Message); {
	case first.Type == "RATE_LIMITED", strings.Contains(lower, "rate limit"):
		return &remediate.Later{Why: hourly, Until: c.clock.Now().Add(time.Hour)}
	case first.Type == "NOT_FOUND":
		return &remediate.Refusal{Reason: remediate.RefusedMissing, Text: text}
	case first.Type == "FORBIDDEN", first.Type == "INSUFFICIENT_SCOPES":
		return &remediate.Refusal{Reason: remediate.RefusedRight, Text: text + fmt.Sprintf(": give the token %q", pullsWrite)}
	case strings.Contains(lower, "auto merge is not allowed"), strings.Contains(lower, "auto-merge is not allowed"):
		return &remediate.Refusal{Reason: remediate.RefusedDisabled, Text: text + ": allow auto-merge in the repository's settings"}
	}
	return &remediate.Refusal{Reason: remediate.RefusedInvalid, Text: text}
}

// viewer asks whose the token is; REST does not tell that to an App's.
func (c *Client) viewer(ctx context.Context) (login string, app int64, err error) {
	var got struct {
		Viewer struct{ Login string }
	}
	err = c.graph(ctx, queryViewer, nil, &got)
	if err == nil && got.Viewer.Login == "" {
		err = errors.New("GitHub does not say")
	}
	return got.Viewer.Login, 0, c.explain("asking whose the token is", "", err)
}

// SetDraft implements remediate.Forge.
func (r *Repo) SetDraft(ctx context.Context, number int, draft bool) error {
	p, err := r.Pull(ctx, number)
	if err != nil || p.Draft == draft {
		return err
	}
	doing, mutation := fmt.Sprintf("marking pull request #%d as ready", number), mutationReady
	if draft {
		doing, mutation = fmt.Sprintf("making pull request #%d a draft", number), mutationDraft
	}
	return r.explain(doing, pullsWrite, r.c.graph(ctx, mutation, map[string]any{"id": p.Node}, nil))
}

// AutoMerge lets GitHub merge a pull request by itself once everything that
// protects its base has passed, by method (merge, squash or rebase), or not any
// more (no method). It is refused when the head is not the given one, and when
// nothing is left to wait for.
func (r *Repo) AutoMerge(ctx context.Context, number int, method, head string) error {
	p, err := r.Pull(ctx, number)
	if err != nil || p.AutoMerge == method {
		return err
	}
	variables := map[string]any{"id": p.Node}
	if method == "" {
		return r.explain(fmt.Sprintf("switching auto-merge of pull request #%d off", number), pullsWrite,
			r.c.graph(ctx, mutationNoAutoMerge, variables, nil))
	}
	if p.HeadCommit != head {
		return remediate.ErrMoved
	}
	variables["method"], variables["head"] = strings.ToUpper(method), head
	return r.explain(fmt.Sprintf("switching auto-merge of pull request #%d on", number), pullsWrite,
		r.c.graph(ctx, mutationAutoMerge, variables, nil))
}
