package github

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/oakum-dev/oakum/remediate"
)

var loginPattern = regexp.MustCompile(`^[0-9A-Za-z](?:[0-9A-Za-z_-]{0,99})(?:\[bot\])?$`)

// Permission is what somebody may do in the repository, asked now: one of the
// Permission constants. Who is unknown may do nothing.
func (r *Repo) Permission(ctx context.Context, login string) (string, error) {
	if !loginPattern.MatchString(login) {
		return remediate.PermissionNone, nil
	}
	var got struct {
		Permission string `json:"permission"`
	}
	err := r.call(ctx, http.MethodGet, nil, &got, "collaborators", login, "permission")
	err = r.explain("asking what "+login+" may do", metadataRead, err)
	if _, unknown := failed(err, http.StatusNotFound); unknown {
		return remediate.PermissionNone, nil
	}
	if err != nil {
		return remediate.PermissionNone, err
	}
	switch got.Permission {
	case remediate.PermissionAdmin, remediate.PermissionWrite, remediate.PermissionRead:
		return got.Permission, nil
	}
	return remediate.PermissionNone, nil
}

// Reviewers asks people and teams, by their slugs, for a review. GitHub refuses
// a request as a whole when one of them cannot review, so they are then asked
// one by one; the error names those who cannot.
func (r *Repo) Reviewers(ctx context.Context, number int, users, teams []string) error {
	if len(users)+len(teams) == 0 {
		return nil
	}
	doing := fmt.Sprintf("asking for reviews of pull request #%d", number)
	ask := func(users, teams []string) error {
		body := map[string][]string{"reviewers": append([]string{}, users...), "team_reviewers": append([]string{}, teams...)}
		return r.explain(doing, pullsWrite, r.call(repeatable(ctx), http.MethodPost, body, nil, "pulls", number, "requested_reviewers"))
	}
	err := ask(users, teams)
	if _, invalid := failed(err, http.StatusUnprocessableEntity); !invalid || len(users)+len(teams) == 1 {
		return err
	}
	var cannot []string
	var last error
	for i := range len(users) + len(teams) {
		var who string
		if i < len(users) {
			who, err = users[i], ask(users[i:i+1], nil)
		} else {
			t := i - len(users)
			who, err = teams[t], ask(nil, teams[t:t+1])
		}
		if _, invalid := failed(err, http.StatusUnprocessableEntity); invalid {
			cannot, last = append(cannot, who), err
		} else if err != nil {
			return err
		}
	}
	if last == nil {
		return nil
	}
	text := fmt.Sprintf("%s cannot review: %v", strings.Join(cannot, ", "), last)
	return &remediate.Refusal{Reason: remediate.RefusedInvalid, Text: text}
}

// Assign adds assignees. GitHub leaves out who cannot be one, which is an error
// that names them.
func (r *Repo) Assign(ctx context.Context, number int, users []string) error {
	if len(users) == 0 {
		return nil
	}
	var got struct {
		Assignees []account `json:"assignees"`
	}
	err := r.call(repeatable(ctx), http.MethodPost, map[string][]string{"assignees": users}, &got, "issues", number, "assignees")
	if err != nil {
		return r.explain(fmt.Sprintf("assigning #%d", number), issuesWrite, err)
	}
	var left []string
	for _, u := range users {
		found := false
		for _, a := range got.Assignees {
			found = found || strings.EqualFold(a.Login, u)
		}
		if !found {
			left = append(left, u)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return &remediate.Refusal{Reason: remediate.RefusedInvalid, Text: fmt.Sprintf(
		"assigning #%d in %s: %s cannot be assigned there", number, r, strings.Join(left, ", "))}
}

// mine says whether something is oakum's own work: by the App that did it, or
// by who oakum is.
func (r *Repo) mine(ctx context.Context, author remediate.Account, app int64) (bool, error) {
	login, own, err := r.c.self.get(ctx)
	if err != nil {
		return false, err
	}
	if own != 0 && app != 0 {
		return own == app, nil
	}
	return strings.EqualFold(author.Login, login), nil
}
