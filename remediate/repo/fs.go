package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oakum-dev/oakum/remediate"
)

// maxEntries bounds how many names one commit may list: a few small trees that
// hold each other can spell out more files than any disk.
const maxEntries = 500_000

var errTooMany = fmt.Errorf("the commit lists more than %d files, which is as many as are read", maxEntries)

// FS is the files of a commit, read from the object database: nothing is ever
// checked out. Symbolic links, submodules and names that could escape a
// checkout are not there. A file over MaxFile is listed but cannot be read.
func (r *Repository) FS(commit string) (fs.FS, error) {
	o := r.objects()
	c, err := o.commit(commit)
	if err != nil {
		return nil, err
	}
	return &tree{objects: o, when: c.Committer.When, dirs: map[string][]file{}, root: c.TreeHash.String(), left: maxEntries}, nil
}

type tree struct {
	objects objects
	when    time.Time
	root    string

	mu   sync.Mutex
	dirs map[string][]file // by path; a nil slice is yet to be read
	left int               // how many names may still be listed
}

// file is one name in a tree, and its own fs.DirEntry and fs.FileInfo.
type file struct {
	tree  *tree
	entry remediate.Entry
	size  int64
}

func (t *tree) Open(name string) (fs.File, error) {
	f, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	if f.IsDir() {
		list, err := t.list("open", name)
		if err != nil {
			return nil, err
		}
		return &openDir{file: f, path: name, left: list}, nil
	}
	content, err := t.content("open", name, f)
	if err != nil {
		return nil, err
	}
	f.size = int64(len(content))
	return &openFile{file: f, Reader: bytes.NewReader(content)}, nil
}

// Stat implements fs.StatFS.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	f, err := t.find("stat", name)
	if err != nil {
		return nil, err
	}
	return f.Info()
}

// Identity is the git hash of what a name holds, a file or a directory: the
// same for the same content. Empty: there is no such name.
func (t *tree) Identity(name string) string {
	f, err := t.find("identity", name)
	if err != nil {
		return ""
	}
	return f.entry.Hash
}

// ReadFile implements fs.ReadFileFS.
func (t *tree) ReadFile(name string) ([]byte, error) {
	f, err := t.find("read", name)
	if err != nil {
		return nil, err
	}
	return t.content("read", name, f)
}

// ReadDir implements fs.ReadDirFS.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := t.list("readdir", name)
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, len(list))
	for i, f := range list {
		entries[i] = f
	}
	return entries, nil
}

func (t *tree) content(op, name string, f file) ([]byte, error) {
	if f.IsDir() {
		return nil, &fs.PathError{Op: op, Path: name, Err: errors.New("is a directory")}
	}
	content, err := t.objects.Blob(context.Background(), f.entry.Hash)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return content, nil
}

func (t *tree) find(op, name string) (file, error) {
	if !fs.ValidPath(name) {
		return file{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return file{tree: t, entry: remediate.Entry{Name: ".", Mode: remediate.ModeDir, Hash: t.root}}, nil
	}
	dir, base := ".", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i], name[i+1:]
	}
	list, err := t.list(op, dir)
	if err != nil {
		return file{}, err
	}
	i, ok := slices.BinarySearchFunc(list, base, func(f file, name string) int { return strings.Compare(f.entry.Name, name) })
	if !ok {
		return file{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return list[i], nil
}

// list reads a directory once and keeps it.
func (t *tree) list(op, name string) ([]file, error) {
	t.mu.Lock()
	list := t.dirs[name]
	t.mu.Unlock()
	if list != nil {
		return list, nil
	}
	d, err := t.find(op, name)
	if err != nil {
		return nil, err
	}
	if !d.IsDir() {
		return nil, &fs.PathError{Op: op, Path: name, Err: errors.New("not a directory")}
	}
	entries, err := t.objects.Tree(context.Background(), d.entry.Hash)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	list = make([]file, 0, len(entries))
	for _, e := range entries {
		if (e.Mode == remediate.ModeDir || e.Plain()) && !strings.Contains(e.Name, "/") && remediate.SafePath(e.Name) {
			list = append(list, file{tree: t, entry: e})
		}
	}
	slices.SortStableFunc(list, func(a, b file) int { return strings.Compare(a.entry.Name, b.entry.Name) })
	list = slices.CompactFunc(list, func(a, b file) bool { return a.entry.Name == b.entry.Name })

	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left -= len(list) + 1; t.left < 0 {
		return nil, &fs.PathError{Op: op, Path: name, Err: errTooMany}
	}
	t.dirs[name] = list
	return list, nil
}

func (f file) Name() string               { return f.entry.Name }
func (f file) IsDir() bool                { return f.entry.Mode == remediate.ModeDir }
func (f file) Type() fs.FileMode          { return f.Mode().Type() }
func (f file) Size() int64                { return f.size }
func (f file) ModTime() time.Time         { return f.tree.when }
func (f file) Sys() any                   { return nil }
func (f file) Stat() (fs.FileInfo, error) { return f, nil }
func (f file) Close() error               { return nil }

func (f file) Mode() fs.FileMode {
	switch f.entry.Mode {
	case remediate.ModeDir:
		return fs.ModeDir | 0o755
	case remediate.ModeExecutable:
		return 0o755
	}
	return 0o644
}

// Info implements fs.DirEntry; only here, and in Stat, is the size looked up.
func (f file) Info() (fs.FileInfo, error) {
	if f.IsDir() {
		return f, nil
	}
	size, err := f.tree.objects.size(f.entry.Hash)
	f.size = size
	return f, err
}

type openFile struct {
	file
	*bytes.Reader
}

func (f *openFile) Size() int64 { return f.file.size }

type openDir struct {
	file
	path string
	left []file
}

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.path, Err: errors.New("is a directory")}
}

// ReadDir implements fs.ReadDirFile.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.left) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.left) {
		n = len(d.left)
	}
	entries := make([]fs.DirEntry, n)
	for i, f := range d.left[:n] {
		entries[i] = f
	}
	d.left = d.left[n:]
	return entries, nil
}
