package repo

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/oakum-dev/oakum/remediate"
)

// TestFSBoundsABomb: ten directories of ten directories of ... thirty levels
// deep, from thirty-one objects.
func TestFSBoundsABomb(t *testing.T) {
	t.Parallel()
	o := objects{new(sync.Mutex), memory.NewStorage()}
	inner, err := o.write(plumbing.TreeObject, nil)
	for range 30 {
		var entries []remediate.Entry
		for i := range 10 {
			entries = append(entries, remediate.Entry{Name: string(rune('a' + i)), Mode: remediate.ModeDir, Hash: inner})
		}
		if err == nil {
			inner, err = (&builder{objects: o}).encode(entries)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	bomb := &tree{objects: o, root: inner, dirs: map[string][]file{}, left: 10_000}
	listed := 0
	err = fs.WalkDir(bomb, ".", func(_ string, _ fs.DirEntry, err error) error { listed++; return err })
	if !errors.Is(err, errTooMany) || listed > 10_000 {
		t.Errorf("%d names, %v", listed, err)
	}
}

// FuzzTree reads a tree that anybody may have written: no panic, no name that
// leads anywhere else, and what is written back is what was read.
func FuzzTree(f *testing.F) {
	hash := strings.Repeat("\x11", 20)
	f.Add([]byte("100644 a.yaml\x00" + hash))
	f.Add([]byte("100644 a\x00" + hash + "40000 b\x00" + hash + "120000 c\x00" + hash + "160000 d\x00" + hash))
	f.Add([]byte("100644 ../x\x00" + hash + "100644 .git\x00" + hash + "0 \x00" + hash))
	f.Add([]byte("100644 a\x00" + hash + "100644 a\x00" + hash))
	f.Add([]byte("40000"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o := objects{new(sync.Mutex), memory.NewStorage()}
		tree, err := o.write(plumbing.TreeObject, raw)
		if err != nil {
			t.Fatal(err)
		}
		c := object.Commit{TreeHash: plumbing.NewHash(tree), Committer: object.Signature{When: time.Unix(0, 0)}}
		encoded := new(plumbing.MemoryObject)
		if err := c.Encode(encoded); err != nil {
			t.Fatal(err)
		}
		commit, err := o.store.SetEncodedObject(encoded)
		if err != nil {
			t.Fatal(err)
		}
		r := &Repository{store: o.store.(*memory.Storage)}
		shown, err := r.FS(commit.String())
		if err != nil {
			t.Fatal(err)
		}
		entries, err := fs.ReadDir(shown, ".")
		if err != nil {
			return
		}
		for _, e := range entries {
			if !remediate.SafePath(e.Name()) || strings.Contains(e.Name(), "/") || e.Type()&^fs.ModeDir != 0 {
				t.Errorf("%q (%v) is shown", e.Name(), e.Type())
			}
		}
		list, err := o.Tree(context.Background(), tree)
		if err != nil {
			t.Fatal(err)
		}
		again, err := (&builder{objects: o}).encode(list)
		if err != nil {
			t.Fatal(err)
		}
		read, err := o.Tree(context.Background(), again)
		if err != nil || len(read) != len(list) {
			t.Errorf("%d entries became %d, %v", len(list), len(read), err)
		}
	})
}
