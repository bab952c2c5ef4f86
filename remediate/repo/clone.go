package repo

import (
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
	branch := o.Branch
	if branch == "" {
		if branch = a.head(); branch == "" {
			return nil, fmt.Errorf("cloning %s: it has no default branch: name one with --base", url)
		}
	}
	hash := a.branch(branch)
	if hash == "" {
		return nil, fmt.Errorf("cloning %s: it has no branch %q", url, branch)
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
	name := plumbing.NewBranchReferenceName(branch)
	for _, ref := range []*plumbing.Reference{
		plumbing.NewHashReference(name, plumbing.NewHash(hash)),
		plumbing.NewSymbolicReference(plumbing.HEAD, name),
	} {
		if err := store.SetReference(ref); err != nil {
			return nil, fmt.Errorf("making a repository for the clone: %w", err)
		}
	}
	return &Repository{name: url, git: g, store: store}, nil
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
