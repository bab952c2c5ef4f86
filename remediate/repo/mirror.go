package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/oakum-dev/oakum/remediate"
)

// Mirror is a bare copy of a remote repository on disk that holds single
// commits with their files, and no history. It is made anew when it has grown
// too large, so what it held before may have to be fetched again.
type Mirror struct {
	*Repository
	dir      string
	maxBytes int64
	last     plumbing.Hash // fetched last: what the next fetch starts from
}

// ErrTooLarge means that a repository is larger than what is kept of one.
var ErrTooLarge = errors.New("the repository is larger than what is read of one")

// packs is how many fetches a mirror may hold before it is made anew: every one
// adds a file that is looked through for each object.
const packs = 100

// OpenMirror opens the mirror in a directory, or makes one. maxBytes bounds
// what it may take on disk; 0: 1 GiB.
func OpenMirror(dir string, maxBytes int64) (*Mirror, error) {
	if maxBytes == 0 {
		maxBytes = 1 << 30
	}
	m := &Mirror{dir: dir, maxBytes: maxBytes}
	if size, files := usage(dir); size > maxBytes || files > packs {
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("clearing the copy of a repository: %w", err)
		}
	}
	if err := m.open(); err == nil {
		return m, nil
	}
	return m, m.renew() // absent, or left half made by a crash
}

func (m *Mirror) open() error {
	r, err := Open(m.dir)
	if err != nil {
		return err
	}
	r.name = filepath.Base(m.dir)
	m.Repository = r
	if head, err := r.store.Reference(fetchedRef); err == nil {
		m.last = head.Hash()
	}
	return nil
}

func (m *Mirror) renew() error {
	if err := os.RemoveAll(m.dir); err != nil {
		return fmt.Errorf("clearing the copy of a repository: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(m.dir), 0o700); err != nil {
		return fmt.Errorf("making a copy of a repository: %w", err)
	}
	store, err := newStorage(m.dir)
	if err != nil {
		return err
	}
	g, err := git.Init(store, nil)
	if err != nil {
		return fmt.Errorf("making a copy of a repository: %w", err)
	}
	m.Repository = &Repository{name: filepath.Base(m.dir), git: g, store: store}
	m.last = plumbing.ZeroHash
	return nil
}

// fetchedRef remembers what was fetched last.
const fetchedRef = plumbing.ReferenceName("refs/oakum/fetched")

// usage is how many bytes a directory takes, and how many packs are in it.
func usage(dir string) (bytes int64, packs int) {
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			bytes += info.Size()
		}
		if filepath.Ext(name) == ".pack" {
			packs++
		}
		return nil
	})
	return bytes, packs
}

// Head is where a branch of the remote is; empty if there is no such branch. It
// asks the remote.
func Head(ctx context.Context, url string, access Access, branch string) (string, error) {
	r, err := newRemote(url, access)
	if err != nil {
		return "", err
	}
	return r.tip(ctx, branch)
}

// Fetch brings a commit and its files, unless they are here. The remote has to
// have a branch, tag or pull request at it, or to hand out any commit.
func (m *Mirror) Fetch(ctx context.Context, url string, access Access, commit string) error {
	hash := plumbing.NewHash(commit)
	if !plumbing.IsHash(commit) {
		return fmt.Errorf("fetching: %q is not a full commit hash", commit)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := object.GetCommit(m.store, hash); err == nil {
		return nil
	}
	if access.MaxBytes == 0 {
		access.MaxBytes = m.maxBytes
	}
	r, err := newRemote(url, access)
	if err != nil {
		return err
	}
	haves, err := m.haves()
	if err != nil {
		return err
	}
	// A server leaves out what is here if it meets a commit that is here among
	// those that it sends: for that, one more than is asked for.
	depth := 1
	if len(haves) > 0 {
		depth = 2
	}
	err = r.fetch(ctx, m.store, hash, haves, depth)
	switch {
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case err != nil:
		return err
	}
	m.last = hash
	if err := m.store.SetReference(plumbing.NewHashReference(fetchedRef, hash)); err != nil {
		return fmt.Errorf("noting what was fetched: %w", err)
	}
	return nil
}

// maxHaves is how many commits a server is told of that are here.
const maxHaves = 32

// haves are commits that are here with all their files, the newest ones.
func (m *Mirror) haves() ([]plumbing.Hash, error) {
	if m.last.IsZero() {
		return nil, nil
	}
	known, err := m.store.Shallow()
	if err != nil {
		return nil, fmt.Errorf("looking what is here: %w", err)
	}
	haves := []plumbing.Hash{m.last}
	for _, hash := range slices.Backward(known) {
		if _, err := object.GetCommit(m.store, hash); err == nil && hash != m.last && len(haves) < maxHaves {
			haves = append(haves, hash)
		}
	}
	return haves, nil
}

// Blob reads a file of a commit; a file that is not there is fs.ErrNotExist.
func (r *Repository) Blob(ctx context.Context, commit, path string) ([]byte, error) {
	o := r.objects()
	c, err := o.Commit(ctx, commit)
	if err != nil {
		return nil, err
	}
	entry, err := remediate.Place(ctx, o, c.Tree, path)
	if err != nil {
		return nil, err
	}
	if entry.Hash == "" {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	return o.Blob(ctx, entry.Hash)
}

// Message is the message of a commit, and its parents.
func (r *Repository) Message(ctx context.Context, commit string) (remediate.Commit, error) {
	return r.objects().Commit(ctx, commit)
}

// Gone says whether an error means that a remote is not there, or not for us.
func Gone(err error) bool {
	return errors.Is(err, transport.ErrRepositoryNotFound) || errors.Is(err, transport.ErrAuthenticationRequired) || errors.Is(err, transport.ErrAuthorizationFailed)
}

// ReadFile reads one file of a remote at a branch, a tag, the full hash of a
// commit, or (empty) its default branch; at most max bytes.
func ReadFile(ctx context.Context, url string, access Access, ref, path string, most int64) ([]byte, error) {
	o := Options{Access: access, Depth: 1}
	switch {
	case plumbing.IsHash(ref):
		o.Pinned = ref
	default:
		o.Branch = ref
	}
	r, err := Clone(ctx, url, o)
	if err != nil && ref != "" && o.Branch != "" && !Gone(err) {
		o.Branch, o.Pinned = "", ref // a tag
		r, err = Clone(ctx, url, o)
	}
	if err != nil {
		return nil, err
	}
	_, commit, err := r.Head()
	if o.Pinned != "" {
		commit, err = r.Pinned(o.Pinned)
	}
	if err != nil {
		return nil, err
	}
	text, err := r.Blob(ctx, commit, path)
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that are read", path, len(text), most)
	}
	return text, nil
}
