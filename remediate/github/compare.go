package github

import (
	"context"
	"fmt"
	"net/http"
)

// MergeBase is the commit at which two others parted.
func (r *Repo) MergeBase(ctx context.Context, base, head string) (string, error) {
	var got struct {
		MergeBase struct {
			SHA string `json:"sha"`
		} `json:"merge_base_commit"`
	}
	path := r.path("compare", base+"..."+head) + "?per_page=1" // the commits between are not asked for
	_, err := r.c.send(ctx, http.MethodGet, path, nil, &got)
	err = r.explain(fmt.Sprintf("comparing %.12s with %.12s", base, head), contentsRead, err)
	if err == nil && got.MergeBase.SHA == "" {
		err = fmt.Errorf("comparing %.12s with %.12s in %s: they have no commit in common", base, head, r)
	}
	return got.MergeBase.SHA, err
}
