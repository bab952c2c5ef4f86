package repo

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/oakum-dev/oakum/remediate"
)

// build makes the proposal's commit from the base commit's tree and the
// changed files, without a work tree. Author and date follow from the proposal
// alone, so the same proposal makes the same commit. made lists every new
// object, the commit included.
func build(ctx context.Context, o objects, p remediate.Proposal) (hash string, made []string, err error) {
	base, err := o.commit(p.BaseCommit)
	if err != nil {
		return "", nil, err
	}
	b := builder{objects: o}
	tree, err := b.tree(ctx, "", base.TreeHash.String(), p.Files)
	if err != nil {
		return "", nil, err
	}
	if tree == base.TreeHash.String() {
		return "", nil, fmt.Errorf("the files of branch %s are already as they should be at %.12s: nothing to commit", p.Branch, p.BaseCommit)
	}
	by := object.Signature{Name: "oakum", Email: "noreply@oakum.dev", When: base.Committer.When.UTC()}
	c := object.Commit{
		Author: by, Committer: by, Message: p.CommitMessage(),
		TreeHash: plumbing.NewHash(tree), ParentHashes: []plumbing.Hash{base.Hash},
	}
	encoded := new(plumbing.MemoryObject)
	if err := c.Encode(encoded); err != nil {
		return "", nil, fmt.Errorf("encoding the commit: %w", err)
	}
	r, err := encoded.Reader()
	if err != nil {
		return "", nil, fmt.Errorf("encoding the commit: %w", err)
	}
	var content bytes.Buffer
	if _, err := content.ReadFrom(r); err != nil {
		return "", nil, fmt.Errorf("encoding the commit: %w", err)
	}
	hash, err = b.add(plumbing.CommitObject, content.Bytes())
	return hash, b.made, err
}

type builder struct {
	objects objects
	made    []string
}

func (b *builder) add(kind plumbing.ObjectType, content []byte) (string, error) {
	hash, err := b.objects.write(kind, content)
	b.made = append(b.made, hash)
	return hash, err
}

// tree writes the tree at hash (empty: a new directory) with the files put in.
func (b *builder) tree(ctx context.Context, dir, hash string, files map[string][]byte) (string, error) {
	var entries []remediate.Entry
	if hash != "" {
		var err error
		if entries, err = b.objects.Tree(ctx, hash); err != nil {
			return "", err
		}
	}
	here, below := map[string][]byte{}, map[string]map[string][]byte{}
	for path, content := range files {
		if name, rest, nested := strings.Cut(path, "/"); !nested {
			here[name] = content
		} else if below[name] == nil {
			below[name] = map[string][]byte{rest: content}
		} else {
			below[name][rest] = content
		}
	}
	find := func(name string) *remediate.Entry {
		if i := slices.IndexFunc(entries, func(e remediate.Entry) bool { return e.Name == name }); i >= 0 {
			return &entries[i]
		}
		return nil
	}

	for _, name := range slices.Sorted(maps.Keys(here)) {
		blob, err := b.add(plumbing.BlobObject, here[name])
		if err != nil {
			return "", err
		}
		switch e := find(name); {
		case e == nil && below[name] == nil:
			entries = append(entries, remediate.Entry{Name: name, Mode: remediate.ModeFile, Hash: blob})
		case e == nil || !e.Plain():
			return "", fmt.Errorf("%s is not a plain file in the repository: nothing is written through it", dir+name)
		default:
			e.Hash = blob
		}
	}
	for _, name := range slices.Sorted(maps.Keys(below)) {
		e := find(name)
		if e == nil {
			entries = append(entries, remediate.Entry{Name: name, Mode: remediate.ModeDir})
			e = &entries[len(entries)-1]
		}
		if e.Mode != remediate.ModeDir {
			return "", fmt.Errorf("%s is not a directory in the repository: nothing is written below it", dir+name)
		}
		sub, err := b.tree(ctx, dir+name+"/", e.Hash, below[name])
		if err != nil {
			return "", err
		}
		e.Hash = sub
	}
	return b.encode(entries)
}

// encode writes a tree in git's order, in which a directory sorts as if its
// name ended in a slash.
func (b *builder) encode(entries []remediate.Entry) (string, error) {
	key := func(e remediate.Entry) string {
		if e.Mode == remediate.ModeDir {
			return e.Name + "/"
		}
		return e.Name
	}
	slices.SortFunc(entries, func(x, y remediate.Entry) int { return strings.Compare(key(x), key(y)) })
	var content bytes.Buffer
	for _, e := range entries {
		hash, err := hex.DecodeString(e.Hash)
		if err != nil || len(hash) != 20 {
			return "", errors.New("writing a tree: an entry without a hash")
		}
		fmt.Fprintf(&content, "%s %s\x00%s", e.Mode, e.Name, hash)
	}
	return b.add(plumbing.TreeObject, content.Bytes())
}
