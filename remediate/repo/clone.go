package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Options of Clone.
type Options struct {
	Access
	Branch string // empty: the remote's default branch
	Pinned string // instead of a branch: a tag, or the full hash of a commit
	Depth  int    // commits of history; 0: all
	Dir    string // absent or empty: a bare repository is made in it; "": in memory
}

// Clone fetches one branch of a remote repository; nothing is checked out.
// Only https is spoken, and http with this machine; see checkURL.
func Clone(ctx context.Context, url string, o Options) (*Repository, error) {
	remote, err := newRemote(url, o.Access)
	if err != nil {
		return nil, fmt.Errorf("cloning: %w", err)
	}
	a, err := remote.list(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return nil, fmt.Errorf("cloning %s: %w", url, ErrEmpty)
	}
	if err != nil {
		return nil, err
	}
	head, hash, err := a.wanted(o)
	if err != nil {
		return nil, fmt.Errorf("cloning %s: %w", url, err)
	}

	store, err := newStorage(o.Dir)
	if err != nil {
		return nil, err
	}
	g, err := git.Init(store, nil)
	if err != nil {
		return nil, fmt.Errorf("making a repository for the clone: %w", err)
	}
	if _, err := g.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{url}}); err != nil {
		return nil, fmt.Errorf("making a repository for the clone: %w", err)
	}
	if err := remote.fetch(ctx, store, plumbing.NewHash(hash), nil, o.Depth); err != nil {
		return nil, err
	}
	refs := []*plumbing.Reference{plumbing.NewHashReference(head, plumbing.NewHash(hash))}
	if head.IsBranch() {
		refs = append(refs, plumbing.NewSymbolicReference(plumbing.HEAD, head))
	}
	for _, ref := range refs {
		if err := store.SetReference(ref); err != nil {
			return nil, fmt.Errorf("making a repository for the clone: %w", err)
		}
	}
	return &Repository{name: url, git: g, store: store}, nil
}

// wanted is the reference to be made in a clone, and the hash that it names.
func (a advertised) wanted(o Options) (plumbing.ReferenceName, string, error) {
	switch branch := cmp.Or(o.Branch, a.head()); {
	case plumbing.IsHash(o.Pinned):
		return plumbing.NewTagReferenceName(o.Pinned), o.Pinned, nil
	case o.Pinned != "":
		name := plumbing.NewTagReferenceName(o.Pinned)
		if hash := a.References[name.String()]; !hash.IsZero() {
			return name, hash.String(), nil
		}
		if a.branch(o.Pinned) != "" {
			return "", "", fmt.Errorf("%s is a branch, which moves: name a tag or the full hash of a commit", o.Pinned)
		}
		return "", "", fmt.Errorf("it has no tag %q", o.Pinned)
	case branch == "":
		return "", "", errors.New("it has no default branch: name one with --base")
	default:
		if hash := a.branch(branch); hash != "" {
			return plumbing.NewBranchReferenceName(branch), hash, nil
		}
		return "", "", fmt.Errorf("it has no branch %q", branch)
	}
}

func newStorage(dir string) (storage.Storer, error) {
	if dir == "" {
		return memory.NewStorage(), nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("making a repository for the clone: %w", err)
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("making a repository for the clone: %s is not empty: name another directory", dir)
	}
	return onDisk(osfs.New(dir)), nil
}
