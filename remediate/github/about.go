package github

import (
	"context"
	"net/http"
	"slices"

	"github.com/oakum-dev/oakum/remediate"
)

// About reads what the repository is, and where it is by now.
func (r *Repo) About(ctx context.Context) (remediate.About, error) {
	var got struct {
		repository
		DefaultBranch string          `json:"default_branch"`
		Archived      bool            `json:"archived"`
		Disabled      bool            `json:"disabled"`
		Fork          bool            `json:"fork"`
		Private       bool            `json:"private"`
		HasIssues     bool            `json:"has_issues"`
		AutoMerge     bool            `json:"allow_auto_merge"`
		Merge         bool            `json:"allow_merge_commit"`
		Squash        bool            `json:"allow_squash_merge"`
		Rebase        bool            `json:"allow_rebase_merge"`
		Size          int             `json:"size"`
		Permissions   map[string]bool `json:"permissions"`
	}
	if err := r.call(ctx, http.MethodGet, nil, &got); err != nil {
		return remediate.About{}, r.explain("reading the repository's settings", metadataRead, err)
	}
	about := remediate.About{
		Repository:    remediate.Repository{ID: got.ID, Name: got.FullName},
		DefaultBranch: got.DefaultBranch, Archived: got.Archived, Disabled: got.Disabled,
		Fork: got.Fork, Private: got.Private, Issues: got.HasIssues, AutoMerge: got.AutoMerge, Size: got.Size,
		Rights: map[string]string{},
	}
	for method, allowed := range map[string]bool{"merge": got.Merge, "squash": got.Squash, "rebase": got.Rebase} {
		if allowed {
			about.Methods = append(about.Methods, method)
		}
	}
	slices.Sort(about.Methods)
	if n, ok := r.c.source.(*narrowed); ok {
		about.Installation = n.in.id
		_, about.Rights = n.told()
	} else if got.Permissions["push"] {
		about.Rights["push"] = "write"
	}
	return about, nil
}
