package repo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/memory"
	"github.com/go-git/go-git/v5/storage/transactional"

	"github.com/oakum-dev/oakum/remediate"
)

// Local is a Writer that commits to branches of this repository and sends
// nothing anywhere. The work tree and the index are left as they are.
func (r *Repository) Local() remediate.Writer { return local{r} }

type local struct{ r *Repository }

func (l local) Tip(ctx context.Context, branch string) (remediate.Tip, error) {
	ref, err := l.ref(branch)
	if ref == nil || err != nil {
		return remediate.Tip{}, err
	}
	return remediate.ReadTip(ctx, l.r.objects(), ref.Hash().String())
}

// ref is nil when there is no such branch.
func (l local) ref(branch string) (*plumbing.Reference, error) {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	ref, err := l.r.store.Reference(plumbing.NewBranchReferenceName(branch))
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading branch %q of %s: %w", branch, l.r.name, err)
	}
	return ref, nil
}

func (l local) Commit(ctx context.Context, p remediate.Proposal, replace remediate.Tip) (string, error) {
	name := plumbing.NewBranchReferenceName(p.Branch)
	l.r.mu.Lock()
	head, err := l.r.store.Reference(plumbing.HEAD)
	l.r.mu.Unlock()
	if err == nil && head.Target() == name {
		return "", fmt.Errorf("branch %s is checked out in %s: check out another one first", p.Branch, l.r.name)
	}
	hash, _, err := build(ctx, l.r.objects(), p)
	if err != nil {
		return "", err
	}
	at, err := l.ref(p.Branch)
	if err != nil {
		return "", err
	}
	if at == nil && replace.Hash != "" || at != nil && at.Hash().String() != replace.Hash {
		return "", remediate.ErrMoved
	}
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	if err := l.r.store.CheckAndSetReference(plumbing.NewHashReference(name, plumbing.NewHash(hash)), at); err != nil {
		return "", fmt.Errorf("moving branch %s of %s: %w", p.Branch, l.r.name, err)
	}
	return hash, nil
}

// Push is a Writer that pushes to the repository at url. What it fetches and
// commits stays in memory: the repository itself is only read.
func (r *Repository) Push(url string, access Access) (remediate.Writer, error) {
	remote, err := newRemote(url, access)
	if err != nil {
		return nil, fmt.Errorf("pushing: %w", err)
	}
	return &pusher{repository: r, remote: remote, store: transactional.NewStorage(r.store, memory.NewStorage())}, nil
}

type pusher struct {
	repository *Repository
	remote     *remote
	store      storage.Storer // the repository's, with what is new in front
}

func (w *pusher) objects() objects { return objects{&w.repository.mu, w.store} }

func (w *pusher) Tip(ctx context.Context, branch string) (remediate.Tip, error) {
	hash, err := w.remote.tip(ctx, branch)
	if hash == "" || err != nil {
		return remediate.Tip{}, err
	}
	if err := w.fetch(ctx, plumbing.NewHash(hash)); err != nil {
		return remediate.Tip{}, err
	}
	return remediate.ReadTip(ctx, w.objects(), hash)
}

// fetch brings the commit and its parent, unless they are here.
func (w *pusher) fetch(ctx context.Context, want plumbing.Hash) error {
	w.repository.mu.Lock()
	defer w.repository.mu.Unlock()
	if c, err := object.GetCommit(w.store, want); err == nil {
		if len(c.ParentHashes) != 1 || w.store.HasEncodedObject(c.ParentHashes[0]) == nil {
			return nil
		}
	}
	var haves []plumbing.Hash
	if head, err := storer.ResolveReference(w.store, plumbing.HEAD); err == nil {
		haves = []plumbing.Hash{head.Hash()}
	}
	return w.remote.fetch(ctx, w.store, want, haves, 2)
}

// Commit pushes until the server itself shows the branch at the new commit. As
// every attempt says what it replaces, repeating one is safe.
func (w *pusher) Commit(ctx context.Context, p remediate.Proposal, replace remediate.Tip) (string, error) {
	hash, made, err := build(ctx, w.objects(), p)
	if err != nil {
		return "", err
	}
	pack, err := w.objects().pack(made)
	if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		pushed := w.remote.push(ctx, p.Branch, replace.Hash, hash, pack)
		at, err := w.remote.tip(ctx, p.Branch)
		switch {
		case err != nil && pushed != nil:
			return "", w.remote.explain("pushing branch "+p.Branch+" to", pushed)
		case err != nil:
			return "", err
		case at == hash:
			return hash, nil
		case at != replace.Hash:
			return "", remediate.ErrMoved
		case pushed == nil:
			pushed = errors.New("the server took the push, but does not show it: try again later")
		}
		if n == attempts || !transient(pushed) {
			return "", w.remote.explain("pushing branch "+p.Branch+" to", pushed)
		}
		if err := w.remote.access.Pause(ctx, time.Duration(n*n)*time.Second); err != nil {
			return "", err
		}
	}
}
