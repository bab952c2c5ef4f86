package repo

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/oakum-dev/oakum/remediate"
)

// MaxFile is the largest file that is read from a repository, in bytes. Trees
// are held to it as well.
const MaxFile = 64 << 20

// objects reads and writes a git object database. go-git's are not safe for
// concurrent use, so every access takes the lock.
type objects struct {
	mu    *sync.Mutex
	store storer.EncodedObjectStorer
}

// Commit implements remediate.Objects.
func (o objects) Commit(_ context.Context, hash string) (remediate.Commit, error) {
	c, err := o.commit(hash)
	if err != nil {
		return remediate.Commit{}, err
	}
	parents := make([]string, len(c.ParentHashes))
	for i, p := range c.ParentHashes {
		parents[i] = p.String()
	}
	return remediate.Commit{Message: c.Message, Tree: c.TreeHash.String(), Parents: parents}, nil
}

func (o objects) commit(hash string) (*object.Commit, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c, err := object.GetCommit(o.store, plumbing.NewHash(hash))
	if err != nil {
		return nil, missing("commit", hash, err)
	}
	return c, nil
}

// Tree implements remediate.Objects. The modes are as they stand, so that a
// tree written back differs in nothing but what was changed.
func (o objects) Tree(_ context.Context, hash string) ([]remediate.Entry, error) {
	raw, err := o.read(plumbing.TreeObject, hash)
	if err != nil {
		return nil, err
	}
	var entries []remediate.Entry
	for rest := raw; len(rest) > 0; {
		mode, after, ok := bytes.Cut(rest, []byte(" "))
		name, after, ok2 := bytes.Cut(after, []byte{0})
		if !ok || !ok2 || len(name) == 0 || len(after) < 20 {
			return nil, fmt.Errorf("tree %s of the repository is malformed: run git fsck", hash)
		}
		entries = append(entries, remediate.Entry{
			Name: string(name), Mode: string(bytes.TrimLeft(mode, "0")), Hash: hex.EncodeToString(after[:20]),
		})
		rest = after[20:]
	}
	return entries, nil
}

// Blob implements remediate.Objects.
func (o objects) Blob(_ context.Context, hash string) ([]byte, error) {
	return o.read(plumbing.BlobObject, hash)
}

func (o objects) size(hash string) (int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	size, err := o.store.EncodedObjectSize(plumbing.NewHash(hash))
	if err != nil {
		return 0, missing("object", hash, err)
	}
	return size, nil
}

func (o objects) read(kind plumbing.ObjectType, hash string) ([]byte, error) {
	size, err := o.size(hash) // before any of it is in memory
	if err != nil {
		return nil, err
	}
	if size > MaxFile {
		return nil, fmt.Errorf("%s %s is larger than the %d MiB that are read", kind, hash, MaxFile>>20)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	encoded, err := o.store.EncodedObject(kind, plumbing.NewHash(hash))
	if err != nil {
		return nil, missing(kind.String(), hash, err)
	}
	r, err := encoded.Reader()
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", kind, hash, err)
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", kind, hash, err)
	}
	return content, nil
}

// write stores an object, and tells its hash.
func (o objects) write(kind plumbing.ObjectType, content []byte) (string, error) {
	m := new(plumbing.MemoryObject)
	m.SetType(kind)
	if _, err := m.Write(content); err != nil {
		return "", fmt.Errorf("writing a %s: %w", kind, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	hash, err := o.store.SetEncodedObject(m)
	if err != nil {
		return "", fmt.Errorf("writing a %s: %w", kind, err)
	}
	return hash.String(), nil
}

// pack puts objects into one pack, in an order that depends on nothing else.
func (o objects) pack(hashes []string) ([]byte, error) {
	list := make([]plumbing.Hash, len(hashes))
	for i, h := range hashes {
		list[i] = plumbing.NewHash(h)
	}
	plumbing.HashesSort(list)
	o.mu.Lock()
	defer o.mu.Unlock()
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, o.store, false).Encode(slices.Compact(list), 0); err != nil {
		return nil, fmt.Errorf("packing the commit: %w", err)
	}
	return pack.Bytes(), nil
}

// missing keeps an object that a partial clone left out from passing for a
// file that was deleted.
func missing(kind, hash string, err error) error {
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return fmt.Errorf("%s %s is not in the repository: if it is a partial or damaged clone, clone it in full", kind, hash)
	}
	return fmt.Errorf("reading %s %s: %w", kind, hash, err)
}
