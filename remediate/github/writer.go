package github

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/google/go-github/v60/github"

	"github.com/oakum-dev/oakum/remediate"
)

// writer commits through GitHub's git database: only the changed files are
// sent, modes stay, and GitHub signs what an App commits, as long as neither
// author nor committer is named.
type writer struct {
	repo    *Repo
	objects *objects
}

// Tip implements remediate.Writer.
func (w *writer) Tip(ctx context.Context, branch string) (remediate.Tip, error) {
	hash, err := w.branch(ctx, branch)
	if hash == "" || err != nil {
		return remediate.Tip{}, err
	}
	return remediate.ReadTip(ctx, w.objects, hash)
}

// branch is the hash of a branch; empty if there is none.
func (w *writer) branch(ctx context.Context, name string) (string, error) {
	r := w.repo
	ref, _, err := r.c.api.Git.GetRef(ctx, r.owner, r.name, "heads/"+name)
	err = r.explain("reading branch "+name, contentsRead, err)
	if _, gone := failed(err, http.StatusNotFound); gone {
		return "", nil
	}
	return ref.GetObject().GetSHA(), err
}

// Commit implements remediate.Writer. Everything up to the commit only adds
// objects that nothing refers to, so it may be cut off or repeated anywhere.
func (w *writer) Commit(ctx context.Context, p remediate.Proposal, replace remediate.Tip) (string, error) {
	r := w.repo
	base, err := w.objects.Commit(ctx, p.BaseCommit)
	if err != nil {
		return "", err
	}
	var entries []*github.TreeEntry
	for _, path := range slices.Sorted(maps.Keys(p.Files)) {
		entry, err := w.entry(ctx, base.Tree, path, p.Files[path])
		if err != nil {
			return "", err
		}
		entries = append(entries, entry)
	}
	tree, _, err := r.c.api.Git.CreateTree(repeatable(ctx), r.owner, r.name, base.Tree, entries)
	if err != nil {
		return "", r.explain("writing the files of branch "+p.Branch, contentsWrite, err)
	}
	if tree.GetSHA() == base.Tree {
		return "", fmt.Errorf("the files of branch %s are already as they should be at %.12s: nothing to commit", p.Branch, p.BaseCommit)
	}
	message := p.CommitMessage()
	commit, _, err := r.c.api.Git.CreateCommit(repeatable(ctx), r.owner, r.name, &github.Commit{
		Message: &message, Tree: tree, Parents: []*github.Commit{{SHA: &p.BaseCommit}},
	}, nil)
	if err != nil {
		return "", r.explain("committing to branch "+p.Branch, contentsWrite, err)
	}
	return commit.GetSHA(), w.move(ctx, p.Branch, replace.Hash, commit.GetSHA())
}

// inline is the largest content that is sent within the tree, in bytes.
const inline = 1 << 20

// entry is a file in the new tree: its text, or the blob made of it first.
func (w *writer) entry(ctx context.Context, tree, path string, content []byte) (*github.TreeEntry, error) {
	was, err := remediate.Place(ctx, w.objects, tree, path)
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	mode, kind := was.Mode, "blob"
	if mode == "" {
		mode = remediate.ModeFile
	}
	entry := &github.TreeEntry{Path: &path, Mode: &mode, Type: &kind}
	if len(content) <= inline && utf8.Valid(content) && !slices.Contains(content, 0) {
		entry.Content = github.String(string(content))
		return entry, nil
	}
	r := w.repo
	blob, _, err := r.c.api.Git.CreateBlob(repeatable(ctx), r.owner, r.name, &github.Blob{
		Content: github.String(base64.StdEncoding.EncodeToString(content)), Encoding: github.String("base64"),
	})
	if err != nil {
		return nil, r.explain("writing "+path, contentsWrite, err)
	}
	entry.SHA = blob.SHA
	return entry, nil
}

// move puts the branch from old (empty: create it) to hash. GitHub's API cannot
// compare and move in one request when the new commit does not follow the old
// one, so the branch is read right before every attempt.
func (w *writer) move(ctx context.Context, branch, old, hash string) error {
	r := w.repo
	ref := &github.Reference{Ref: github.String("refs/heads/" + branch), Object: &github.GitObject{SHA: &hash}}
	for n := 1; ; n++ {
		at, err := w.branch(ctx, branch)
		switch {
		case err != nil:
			return err
		case at == hash:
			return nil
		case at != old:
			return remediate.ErrMoved
		}
		if old == "" {
			_, _, err = r.c.api.Git.CreateRef(ctx, r.owner, r.name, ref)
		} else {
			_, _, err = r.c.api.Git.UpdateRef(ctx, r.owner, r.name, ref, true)
		}
		err = r.explain("moving branch "+branch, contentsWrite, err)
		if err == nil || n == attempts || !unsettled(err) || ctx.Err() != nil {
			return err
		}
		if err := r.c.pause(ctx, n); err != nil {
			return err
		}
	}
}

// unsettled means that the branch may have moved all the same, or that another
// one got there first: reading it tells.
func unsettled(err error) bool {
	var api *apiError
	var later *remediate.Later
	var refusal *remediate.Refusal
	if errors.As(err, &api) {
		return api.status >= 500 || api.says("already exists") || api.says("does not exist")
	}
	return !errors.As(err, &later) && !errors.As(err, &refusal)
}
