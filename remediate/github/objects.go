package github

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/oakum-dev/oakum/remediate"
)

// maxTrees bounds how many trees are remembered.
const maxTrees = 10_000

// objects reads a repository's git database through the API. What is behind a
// hash never changes, so trees, which are asked for again and again, are kept.
type objects struct {
	repo *Repo

	mu    sync.Mutex
	trees map[string][]remediate.Entry
}

// Commit implements remediate.Objects.
func (o *objects) Commit(ctx context.Context, hash string) (remediate.Commit, error) {
	r := o.repo
	c, _, err := r.c.api.Git.GetCommit(ctx, r.owner, r.name, hash)
	err = r.explain("reading commit "+hash, contentsRead, err)
	if _, gone := failed(err, http.StatusNotFound); gone {
		return remediate.Commit{}, fmt.Errorf("commit %s is not in %s: push it first", hash, r)
	}
	if err != nil {
		return remediate.Commit{}, err
	}
	parents := make([]string, len(c.Parents))
	for i, p := range c.Parents {
		parents[i] = p.GetSHA()
	}
	return remediate.Commit{Message: c.GetMessage(), Tree: c.GetTree().GetSHA(), Parents: parents}, nil
}

// Tree implements remediate.Objects.
func (o *objects) Tree(ctx context.Context, hash string) ([]remediate.Entry, error) {
	o.mu.Lock()
	entries, known := o.trees[hash]
	o.mu.Unlock()
	if known {
		return entries, nil
	}
	r := o.repo
	tree, _, err := r.c.api.Git.GetTree(ctx, r.owner, r.name, hash, false)
	if err != nil {
		return nil, r.explain("reading tree "+hash, contentsRead, err)
	}
	if tree.GetTruncated() {
		return nil, fmt.Errorf("a directory of %s has more files than GitHub's API lists: use a personal access token, which pushes with git", r)
	}
	for _, e := range tree.Entries {
		mode := strings.TrimPrefix(e.GetMode(), "0")
		if mode == "100664" { // the API cannot write it
			mode = remediate.ModeFile
		}
		entries = append(entries, remediate.Entry{Name: e.GetPath(), Mode: mode, Hash: e.GetSHA()})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.trees) >= maxTrees {
		clear(o.trees)
	}
	o.trees[hash] = entries
	return entries, nil
}

// Blob implements remediate.Objects.
func (o *objects) Blob(ctx context.Context, hash string) ([]byte, error) {
	r := o.repo
	blob, _, err := r.c.api.Git.GetBlob(ctx, r.owner, r.name, hash)
	if err != nil {
		return nil, r.explain("reading blob "+hash, contentsRead, err)
	}
	if blob.GetEncoding() != "base64" {
		return []byte(blob.GetContent()), nil
	}
	content, err := base64.StdEncoding.DecodeString(blob.GetContent()) // which skips line breaks
	if err != nil {
		return nil, errors.New("reading blob " + hash + ": its base64 is broken")
	}
	return content, nil
}
