package render

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/oakum-dev/oakum/testdata/corpus"
)

// TestCorpus builds every root of every real repository that Roots finds no
// obstacle in. A failing build is logged: some are broken where they come from.
func TestCorpus(t *testing.T) {
	t.Parallel()
	repositories, err := os.ReadDir(corpus.Dir(t))
	if err != nil {
		t.Fatal(err)
	}
	var all, remote, refused, built, failed, objects int
	for _, r := range repositories {
		if !r.IsDir() {
			continue
		}
		confined, err := os.OpenRoot(filepath.Join(corpus.Dir(t), r.Name()))
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
