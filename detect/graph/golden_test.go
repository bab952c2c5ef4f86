package graph_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden: small clusters, with exactly the paths in them and what cuts
// those to cluster-admin. Names of nodes that a workload runs on stand in its
// annotation runs; files below live/ are objects of a cluster.
func TestGolden(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			in := txtar.Parse(src)
			tree := fstest.MapFS{}
			var files []txtar.File
			for _, f := range in.Files {
				if f.Name != "paths" && f.Name != "cut" {
					files = append(files, f)
					tree[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			g := graph.New(read(t, tree), graph.Options{Runs: runs})
			in.Files = append(files, txtar.File{Name: "paths", Data: []byte(paths(g))}, txtar.File{Name: "cut", Data: []byte(cut(g))})
			if got := txtar.Format(in); *update {
				if err := os.WriteFile(name, got, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(got, src) {
				t.Errorf("%s is stale, -update rewrites it; now it is\n%s", name, got)
			}
		})
	}
}

// read reads a tree; what is below live/ becomes objects of a cluster.
func read(tb testing.TB, tree fstest.MapFS) *manifest.Set {
	tb.Helper()
	set, err := manifest.Read(tree, manifest.Options{Wants: func(_, _ string) bool { return true }})
	if err != nil || len(set.Errors) > 0 {
		tb.Fatal(err, set.Errors)
	}
	for i, f := range set.Files {
		if strings.HasPrefix(f.Path, "live/") {
			live := &manifest.File{Path: f.Path, Form: manifest.Live}
			for _, r := range f.Resources {
				live.Resources = append(live.Resources, manifest.FromObject("live:test/"+r.Kind+"/"+r.Name, r.Value))
			}
			set.Files[i] = live
		}
	}
	return set
}

func runs(r *manifest.Resource) []string {
	meta, _ := r.Value["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	names, _ := annotations["runs"].(string)
	return strings.Fields(names)
}

func paths(g *graph.Graph) string {
	var b strings.Builder
	for _, goal := range graph.Goals {
		for _, p := range g.Paths(goal) {
			fmt.Fprintf(&b, "%s: %s, cost %d\n", goal, p.From(), p.Cost)
			for _, e := range p.Exposures {
				fmt.Fprintf(&b, "  exposed by %s\n", e)
			}
			for _, s := range p.Steps {
				fmt.Fprintf(&b, "  -> %s: %s%s\n", s.To, s.Says, opens(s.Opens))
			}
		}
	}
	return b.String()
}

func opens(all []graph.Opening) string {
	var out []string
	for i, o := range all {
		if i > 0 && all[i-1].Resource == o.Resource {
			continue // another field of it
		}
		s := o.Resource.ID()
		if o.Field != nil {
			s += " " + o.Field.String()
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return ""
	}
	return " {" + strings.Join(out, ", ") + "}"
}

// price takes every opening for one that a finding tells of. Tokens are the
// cheapest to close, rights the dearest.
func price(o graph.Opening) (graph.Fix, bool) {
	if len(o.Policies) == 0 {
		return graph.Fix{}, false
	}
	weight := 10
	switch {
	case slices.Contains(o.Policies, "service-account-token-mounted"):
		weight = 1
	case strings.HasPrefix(o.Policies[0], "rbac-"):
		weight = 30
	}
	return graph.Fix{ID: o.Resource.ID() + " " + o.Field.String(), Weight: weight}, true
}

func cut(g *graph.Graph) string {
	var b strings.Builder
	c := g.Cut(graph.ClusterAdmin, price)
	for i, id := range c.Fixes {
		fmt.Fprintf(&b, "%s: %d\n", id, c.Closes[i])
	}
	fmt.Fprintf(&b, "closes %d\n", c.Closed)
	slices.SortFunc(c.Open, func(a, b graph.Path) int { return cmp.Compare(a.From(), b.From()) })
	for _, p := range c.Open {
		fmt.Fprintf(&b, "open: %s\n", p.From())
	}
	return b.String()
}
