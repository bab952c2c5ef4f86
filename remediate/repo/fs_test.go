package repo_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/oakum-dev/oakum/remediate/repo"
)

// files is what a repository shows of the commit that HEAD is at.
func files(t testing.TB, dir string) fs.FS {
	t.Helper()
	r := open(t, dir)
	_, commit, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.FS(commit)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func list(t testing.TB, f fs.FS) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(f, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestFS(t *testing.T) {
	t.Parallel()
	content := map[string]string{
		"a.yaml": "a: 1\n", "a/b/c.yaml": "c: 1\r\n", "a-b": "", "a.b/d": "d", "run.sh": "#!/bin/sh\n", "é/ü.yaml": "ü: 1\n",
	}
	dir := workTree(t, content)
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "commit", "--quiet", "--all", "--message=mode")
	write(t, dir, map[string]string{"a.yaml": "changed, not committed\n", "untracked.yaml": "x\n"})

	f := files(t, dir)
	names := make([]string, 0, len(content))
	for name, want := range content {
		names = append(names, name)
		if got, err := fs.ReadFile(f, name); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if err := fstest.TestFS(f, names...); err != nil {
		t.Error(err)
	}
	slices.Sort(names)
	got := list(t, f)
	slices.Sort(got)
	if !slices.Equal(got, names) {
		t.Errorf("files %q, want %q", got, names)
	}
	if info, err := fs.Stat(f, "run.sh"); err != nil || info.Mode() != 0o755 || info.Size() != 10 || info.ModTime().Unix() != 1_700_000_000 {
		t.Errorf("run.sh: %v, %v", info, err)
	}
	for _, name := range []string{"../a.yaml", "/a.yaml", "a/../a.yaml", "missing", "a.yaml/x", "a/b/c.yaml/x"} {
		if _, err := fs.ReadFile(f, name); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if _, err := fs.ReadFile(f, "a"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading a directory: %v", err)
	}
}

func TestFSFromManyGoroutines(t *testing.T) {
	t.Parallel()
	content := map[string]string{}
	for i := range 200 {
		content[fmt.Sprintf("d%d/e%d/f%d.yaml", i%7, i%3, i)] = strings.Repeat("x", i)
	}
	dir := workTree(t, content)
	git(t, dir, "gc", "--quiet")
	f := files(t, dir)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for name, want := range content {
				if got, err := fs.ReadFile(f, name); string(got) != want || err != nil {
					t.Errorf("%s: %d bytes, %v", name, len(got), err)
				}
			}
		})
	}
	wait.Wait()
}

func TestClose(t *testing.T) {
	t.Parallel()
	dir := workTree(t, map[string]string{"a.yaml": "a: 1\n", "b.yaml": "b: 1\n"})
	git(t, dir, "gc", "--quiet")
	r := open(t, dir)
	_, commit, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f, err := r.FS(commit)
		if err != nil {
			t.Fatal(err)
		}
		if got := list(t, f); len(got) != 2 {
			t.Errorf("files %q", got)
		}
		if content, err := fs.ReadFile(f, "b.yaml"); string(content) != "b: 1\n" || err != nil {
			t.Errorf("%q, %v", content, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFSHidesWhatCouldEscape: links, submodules and names that a checkout
// would take for something else.
func TestFSHidesWhatCouldEscape(t *testing.T) {
	t.Parallel()
	dir := workTree(t, map[string]string{"apps/good.yaml": "good: 1\n"})
	if err := os.Symlink("../../etc/passwd", filepath.Join(dir, "apps/evil.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "etc")); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", "--all")
	git(t, dir, "update-index", "--add", "--cacheinfo", "160000,"+git(t, dir, "rev-parse", "HEAD")+",sub")
	git(t, dir, "commit", "--quiet", "--message=links")
	if got := list(t, files(t, dir)); !slices.Equal(got, []string{"apps/good.yaml"}) {
		t.Errorf("files %q", got)
	}
	if _, err := fs.ReadFile(files(t, dir), "apps/evil.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link: %v", err)
	}

	// Names that no git would write; the blob has to be valid.
	blob := git(t, dir, "rev-parse", "HEAD:apps/good.yaml")
	var entries [][2]string
	for _, name := range []string{"..", ".", ".git", ".GIT", "git~1", ".g\u200cit", "a/b", "a\\b", "ok.yaml"} {
		entries = append(entries, [2]string{"100644 " + name, blob})
	}
	commitTree(t, dir, rawTree(t, dir, entries))
	if got := list(t, files(t, dir)); !slices.Equal(got, []string{"ok.yaml"}) {
		t.Errorf("files %q", got)
	}
}

// rawTree writes a tree that git itself would refuse to make.
func rawTree(t testing.TB, dir string, entries [][2]string) string {
	t.Helper()
	var content bytes.Buffer
	for _, e := range entries {
		hash, err := hex.DecodeString(e[1])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&content, "%s\x00%s", e[0], hash)
	}
	return gitIn(t, dir, content.String(), "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
}

func commitTree(t testing.TB, dir, tree string) {
	t.Helper()
	git(t, dir, "update-ref", "refs/heads/main", git(t, dir, "commit-tree", "-m", "raw", tree))
}

func TestFSRefusesLargeFilesAndBrokenTrees(t *testing.T) {
	t.Parallel()
	dir := workTree(t, map[string]string{"a.yaml": "a: 1\n"})
	large, err := os.Create(filepath.Join(dir, "large.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(large.Truncate(repo.MaxFile+1), large.Close()); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "--quiet", "--message=large")
	f := files(t, dir)
	if _, err := fs.ReadFile(f, "large.yaml"); err == nil || !strings.Contains(err.Error(), "larger than the 64 MiB") {
		t.Errorf("large: %v", err)
	}
	if info, err := fs.Stat(f, "large.yaml"); err != nil || info.Size() != repo.MaxFile+1 {
		t.Errorf("large: %v, %v", info, err)
	}

	commitTree(t, dir, gitIn(t, dir, "100644 a\x00short", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"))
	if _, err := fs.ReadDir(files(t, dir), "."); err == nil || !strings.Contains(err.Error(), "malformed") {
		t.Errorf("broken tree: %v", err)
	}
}

// TestFSOfAPartialClone: a blob that is not there is not a file that is not
// there.
func TestFSOfAPartialClone(t *testing.T) {
	t.Parallel()
	dir := workTree(t, map[string]string{"a.yaml": "a: 1\n"})
	blob := git(t, dir, "rev-parse", "HEAD:a.yaml")
	if err := os.Remove(filepath.Join(dir, ".git/objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	_, err := fs.ReadFile(files(t, dir), "a.yaml")
	if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "clone it in full") {
		t.Errorf("error %v", err)
	}
}

func BenchmarkFSWalkAndRead(b *testing.B) {
	content := map[string]string{}
	for i := range 2000 {
		content[fmt.Sprintf("apps/team%d/app%d/deployment.yaml", i%20, i)] = strings.Repeat("key: value\n", 100+i%50)
	}
	dir := workTree(b, content)
	git(b, dir, "gc", "--quiet")
	b.ReportAllocs()
	for b.Loop() {
		f, n := files(b, dir), 0
		err := fs.WalkDir(f, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := fs.ReadFile(f, path)
			n += len(content)
			return err
		})
		if err != nil || n == 0 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(content)), "µs/file")
}
