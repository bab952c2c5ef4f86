// Package repo is the git half of remediation: it opens or clones a
// repository, shows the files of a commit without checking them out, and puts
// a proposal's commit on a branch, here or at a remote. It is the only room
// that knows go-git, and it runs no git program.
package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Repository is a git repository on disk or in memory. Its methods may be
// called concurrently.
type Repository struct {
	name  string // the path or URL, for messages
	git   *git.Repository
	store storage.Storer
	mu    sync.Mutex // over store
}

// ErrEmpty means that a repository has no commit yet.
var ErrEmpty = errors.New("the repository has no commits yet: commit your manifests first")

// Open opens the repository whose root is path: a work tree, a linked work
// tree, or a bare repository.
func Open(path string) (*Repository, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("opening repository %s: no such directory: check the path, or give a URL to clone", path)
	case err != nil:
		return nil, fmt.Errorf("opening repository: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("opening repository %s: it is a file: give the directory that holds .git", path)
	}
	g, err := git.PlainOpenWithOptions(path, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	switch {
	case errors.Is(err, git.ErrRepositoryNotExists):
		return nil, fmt.Errorf("opening repository %s: it is not the root of a git repository: give its root, or run git init", path)
	case errors.Is(err, git.ErrUnsupportedExtensionRepositoryFormatVersion), errors.Is(err, git.ErrUnknownExtension):
		return nil, fmt.Errorf("opening repository %s: it uses a git feature that is not supported here (%w): "+
			"make a plain clone, without sparse checkout and with SHA-1 objects", path, err)
	case err != nil:
		return nil, fmt.Errorf("opening repository %s: %w", path, err)
	}
	if s, ok := g.Storer.(*filesystem.Storage); ok {
		g.Storer = onDisk(s.Filesystem())
	}
	return &Repository{name: path, git: g, store: g.Storer}, nil
}

// onDisk keeps pack files open between reads, which are several times faster
// for it.
func onDisk(dotGit billy.Filesystem) storage.Storer {
	return filesystem.NewStorageWithOptions(dotGit, cache.NewObjectLRUDefault(), filesystem.Options{KeepDescriptors: true})
}

// Close closes the files that reading has opened. The repository can still be
// read afterwards.
func (r *Repository) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.store.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Head is the branch that is checked out, without refs/heads/, and its commit.
func (r *Repository) Head() (branch, commit string, err error) {
	r.mu.Lock()
	head, err := r.store.Reference(plumbing.HEAD)
	r.mu.Unlock()
	if err != nil {
		return "", "", fmt.Errorf("reading HEAD of %s: %w", r.name, err)
	}
	if head.Type() != plumbing.SymbolicReference || !head.Target().IsBranch() {
		return "", "", fmt.Errorf("HEAD of %s is detached: check out a branch, or name the one that pull requests should target with --base", r.name)
	}
	branch = head.Target().Short()
	commit, err = r.Branch(branch)
	if errors.Is(err, errNoBranch) {
		return "", "", fmt.Errorf("%s: %w", r.name, ErrEmpty)
	}
	return branch, commit, err
}

var errNoBranch = errors.New("no such branch")

// Branch is the commit of a branch: the local one or, failing that, origin's
// as it was last fetched.
func (r *Repository) Branch(name string) (commit string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ref := range []plumbing.ReferenceName{plumbing.NewBranchReferenceName(name), plumbing.NewRemoteReferenceName("origin", name)} {
		switch found, err := r.store.Reference(ref); {
		case errors.Is(err, plumbing.ErrReferenceNotFound):
		case err != nil:
			return "", fmt.Errorf("reading branch %q of %s: %w", name, r.name, err)
		case found.Type() == plumbing.HashReference:
			return found.Hash().String(), nil
		}
	}
	return "", fmt.Errorf("%w %q in %s: check its name, or fetch it", errNoBranch, name, r.name)
}

// Resolve is the commit that a name means, as git rev-parse has it: a hash or
// part of one, a branch, a tag, HEAD~1.
func (r *Repository) Resolve(name string) (commit string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	hash, err := r.git.ResolveRevision(plumbing.Revision(name))
	if err != nil {
		return "", fmt.Errorf("%s in %s: %w: check its name, or fetch it", name, r.name, err)
	}
	return hash.String(), nil
}

// Pinned is the commit that a tag or the full hash of a commit means: what does
// not move.
func (r *Repository) Pinned(name string) (commit string, err error) {
	if !plumbing.IsHash(name) {
		r.mu.Lock()
		_, err := r.store.Reference(plumbing.NewTagReferenceName(name))
		r.mu.Unlock()
		if err != nil {
			return "", fmt.Errorf("%s has no tag %q: name a tag, or the full hash of a commit; a branch moves", r.name, name)
		}
		name = plumbing.NewTagReferenceName(name).String()
	}
	return r.Resolve(name)
}

// Origin is the https form of the remote named origin, without credentials;
// empty if there is none.
func (r *Repository) Origin() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	remote, err := r.git.Remote("origin")
	if err != nil || len(remote.Config().URLs) == 0 {
		return ""
	}
	return HTTPS(remote.Config().URLs[0])
}

// Dirty lists the files of the work tree that differ from HEAD or are not in
// it. FS reads commits, so none of these changes are seen. A bare repository
// has none.
func (r *Repository) Dirty() ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, err := r.git.Worktree()
	if errors.Is(err, git.ErrIsBareRepository) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the work tree of %s: %w", r.name, err)
	}
	status, err := w.Status()
	if err != nil {
		return nil, fmt.Errorf("comparing the work tree of %s with HEAD: %w", r.name, err)
	}
	maps.DeleteFunc(status, func(_ string, s *git.FileStatus) bool {
		return s.Worktree == git.Unmodified && s.Staging == git.Unmodified
	})
	return slices.Sorted(maps.Keys(status)), nil
}

func (r *Repository) objects() objects { return objects{&r.mu, r.store} }
