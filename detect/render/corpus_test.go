package render

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// corpus is the folder of real repositories; the test is skipped without it.
func corpus(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("OAKUM_CORPUS")
	if dir == "" {
		root, err := os.Getwd()
		for err == nil {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			if filepath.Dir(root) == root {
				tb.Skip("no go.mod above")
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("no corpus: %v", err)
	}
	return dir
}

// TestCorpus builds every root of every real repository that Roots finds no
// obstacle in. A failing build is logged: some are broken where they come from.
func TestCorpus(t *testing.T) {
	t.Parallel()
	repositories, err := os.ReadDir(corpus(t))
	if err != nil {
		t.Fatal(err)
	}
	var all, remote, refused, built, failed, objects int
	for _, r := range repositories {
		if !r.IsDir() {
			continue
		}
		confined, err := os.OpenRoot(filepath.Join(corpus(t), r.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for dir, root := range roots(t, confined.FS()) {
			all++
			switch {
			case errors.Is(root.Err, ErrRemote):
				remote++
				continue
			case root.Err != nil:
				refused++
				t.Logf("%s/%s: %v", r.Name(), dir, root.Err)
				continue
			}
			found, err := Build(t.Context(), confined.FS(), root)
			if err != nil {
				failed++
				t.Logf("%s/%s: %v", r.Name(), dir, err)
				continue
			}
			built++
			objects += len(found)
		}
		confined.Close()
	}
	t.Logf("%d roots: %d built to %d objects, %d need a remote base, %d refused, %d failed", all, built, objects, remote, refused, failed)
	if built < 100 || failed > built/10 {
		t.Errorf("only %d of %d roots were built and %d failed", built, all, failed)
	}
}

func BenchmarkBuild(b *testing.B) {
	shop := shop(b)
	root := roots(b, shop)["prod"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(b.Context(), shop, root); err != nil {
			b.Fatal(err)
		}
	}
}
