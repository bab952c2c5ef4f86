package remediate

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Tip is what a branch points at.
type Tip struct {
	Hash   string // empty: there is no such branch
	Ours   bool   // a single commit made by oakum and untouched since; see ReadTip
	Digest string // of the proposal it was made for, when Ours
	Base   string // the commit that it stands on, when Ours
}

// Objects reads git objects by their hash, wherever they are.
type Objects interface {
	Commit(ctx context.Context, hash string) (Commit, error)
	Tree(ctx context.Context, hash string) ([]Entry, error)
	Blob(ctx context.Context, hash string) ([]byte, error)
}

// Commit is what a git commit says.
type Commit struct {
	Message string
	Tree    string
	Parents []string
}

// Entry is one name in a git tree.
type Entry struct {
	Name string
	Mode string // octal as git writes it: 100644, 100755, 120000 (symlink), 160000 (submodule), 40000
	Hash string
}

// Plain says whether the entry is a file with content of its own; 100664 is how
// git wrote group-writable files long ago.
func (e Entry) Plain() bool {
	return e.Mode == ModeFile || e.Mode == ModeExecutable || e.Mode == "100664"
}

// The modes of entries that oakum reads and writes.
const (
	ModeFile       = "100644"
	ModeExecutable = "100755"
	ModeDir        = "40000"
)

// ReadTip reads the commit that a branch points at and says whether it is
// oakum's and as oakum left it: its trailers name its only parent and the
// digest of the files it changed. A commit that someone amended, or put below
// or on top of oakum's, fails one of the two.
func ReadTip(ctx context.Context, o Objects, hash string) (Tip, error) {
	tip := Tip{Hash: hash}
	c, err := o.Commit(ctx, hash)
	if err != nil {
		return Tip{}, err
	}
	plan, base := trailer(c.Message, planTrailer), trailer(c.Message, baseTrailer)
	if plan == "" || len(c.Parents) != 1 || c.Parents[0] != base {
		return tip, nil
	}
	parent, err := o.Commit(ctx, base)
	if err != nil {
		return Tip{}, err
	}
	d := difference{objects: o, files: map[string][]byte{}}
	switch err := d.walk(ctx, "", parent.Tree, c.Tree); {
	case errors.Is(err, errNotOurs):
		return tip, nil
	case err != nil:
		return Tip{}, err
	}
	if digest(d.files) == plan {
		tip.Ours, tip.Digest, tip.Base = true, plan, base
	}
	return tip, nil
}

// errNotOurs ends a walk at the first thing that oakum does not do.
var errNotOurs = errors.New("not a change that oakum makes")

// maxTrees bounds how much of a commit is read to compare it: no proposal
// touches more directories.
const maxTrees = 5000

// difference collects what a commit wrote. Anything but the content of plain
// files (a deletion, a new mode, a symlink) is not oakum's doing.
type difference struct {
	objects Objects
	files   map[string][]byte
	trees   int
}

func (d *difference) walk(ctx context.Context, dir, before, after string) error {
	if before == after {
		return nil
	}
	if d.trees++; d.trees > maxTrees {
		return errNotOurs
	}
	old := map[string]Entry{}
	if before != "" {
		entries, err := d.objects.Tree(ctx, before)
		if err != nil {
			return err
		}
		for _, e := range entries {
			old[e.Name] = e
		}
	}
	entries, err := d.objects.Tree(ctx, after)
	if err != nil {
		return err
	}
	for _, e := range entries {
		was, existed := old[e.Name]
		delete(old, e.Name)
		if existed && was == e {
			continue
		}
		path := dir + e.Name
		switch {
		case existed && was.Mode != e.Mode:
			return errNotOurs
		case e.Mode == ModeDir:
			if err := d.walk(ctx, path+"/", was.Hash, e.Hash); err != nil {
				return err
			}
		case e.Mode == ModeFile || existed && e.Plain():
			if d.files[path], err = d.objects.Blob(ctx, e.Hash); err != nil {
				return err
			}
		default:
			return errNotOurs
		}
	}
	if len(old) > 0 {
		return errNotOurs
	}
	return nil
}

// trailer finds a trailer in the last paragraph of a commit message.
func trailer(message, key string) string {
	message = strings.TrimSpace(message)
	for line := range strings.Lines(message[strings.LastIndex(message, "\n\n")+1:]) {
		if value, ok := strings.CutPrefix(line, key+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Place finds what a path is in a tree, reading one tree per directory. The
// zero Entry: nothing there, and every directory on the way can be made.
func Place(ctx context.Context, o Objects, tree, path string) (Entry, error) {
	dir, rest, nested := strings.Cut(path, "/")
	entries, err := o.Tree(ctx, tree)
	if err != nil {
		return Entry{}, err
	}
	for _, e := range entries {
		switch {
		case e.Name != dir:
			continue
		case nested && e.Mode == ModeDir:
			return Place(ctx, o, e.Hash, rest)
		case nested || !e.Plain():
			return Entry{}, fmt.Errorf("%q is not a plain file in the repository (mode %s): nothing is written through it", e.Name, e.Mode)
		}
		return e, nil
	}
	return Entry{}, nil
}
