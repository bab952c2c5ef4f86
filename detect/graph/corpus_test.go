package graph_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

// TestCorpus: every real repository has a graph whose paths begin at a
// workload, go on where they stopped, and end at their goal; kubernetes-goat,
// which is made to be broken into, leads to cluster-admin.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := corpus.Dir(t)
	repositories, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, d := range repositories {
		if !d.IsDir() {
			continue
		}
		set, err := manifest.Read(os.DirFS(filepath.Join(dir, d.Name())), manifest.Options{Wants: func(_, _ string) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		g := graph.New(set, graph.Options{})
		for _, goal := range graph.Goals {
			for _, p := range g.Paths(goal) {
				found[d.Name()]++
				for i, s := range p.Steps {
					if i > 0 && s.From != p.Steps[i-1].To || s.Says == "" {
						t.Errorf("%s: from %s: step %d goes from %q to %q: %q", d.Name(), p.From(), i, s.From, s.To, s.Says)
					}
				}
				if last := p.Steps[len(p.Steps)-1]; goal == graph.ClusterAdmin && last.To != "cluster-admin" {
					t.Errorf("%s: from %s ends at %s", d.Name(), p.From(), last.To)
				}
			}
		}
	}
	if found["kubernetes-goat"] == 0 || len(found) < 5 {
		t.Errorf("paths by repository: %v", found)
	}
}

// FuzzGraph: whatever resources say, there is a graph, and its paths end.
func FuzzGraph(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range seeds {
		src, err := fs.ReadFile(os.DirFS("."), name)
		if err != nil {
			f.Fatal(err)
		}
		_, src2, _ := strings.Cut(string(src), ".yaml --\n")
		manifests, _, _ := strings.Cut(src2, "-- paths --")
		f.Add([]byte(manifests))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, _ := manifest.Parse("a.yaml", src, manifest.Plain, nil)
		if file == nil {
			return
		}
		g := graph.New(&manifest.Set{Files: []*manifest.File{file}}, graph.Options{})
		g.Rank()
		for _, goal := range graph.Goals {
			g.Paths(goal)
		}
		g.Cut(graph.ClusterAdmin, price)
	})
}
