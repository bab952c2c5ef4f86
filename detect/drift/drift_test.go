package drift_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/tools/txtar"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/drift"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/admission"
	"github.com/oakum-dev/oakum/detect/render"
	"github.com/oakum-dev/oakum/detect/trace"
	"github.com/oakum-dev/oakum/fixers"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden: testdata/NAME.txtar has a tree below git/, the objects of a
// cluster in live.yaml, and in drift what is said of them.
func TestGolden(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no golden files", err)
	}
	all, err := (&policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names(), Known: true}).LoadFS(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			git, kustomizations := fstest.MapFS{}, map[string][]byte{}
			var live, want []byte
			for _, f := range a.Files {
				file, inTree := strings.CutPrefix(f.Name, "git/")
				switch {
				case inTree:
					git[file] = &fstest.MapFile{Data: f.Data}
					if filepath.Base(file) == "kustomization.yaml" {
						kustomizations[file] = f.Data
					}
				case f.Name == "live.yaml":
					live = f.Data
				case f.Name == "drift":
					want = f.Data
				}
			}
			got := says(compare(t, git, kustomizations, objects(t, live), all))
			if *update {
				for i, f := range a.Files {
					if f.Name == "drift" {
						a.Files[i].Data = []byte(got)
					}
				}
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("it says\n%s\nwant\n%s\n(-update writes it)", got, want)
			}
		})
	}
}

func compare(t *testing.T, git fstest.MapFS, kustomizations map[string][]byte, live *manifest.Set, all []*policy.Policy) drift.Result {
	t.Helper()
	set, err := manifest.Read(git, manifest.Options{
		Wants: func(string, string) bool { return true },
		Forms: func(name string) manifest.Form {
			switch {
			case filepath.Base(name) == "kustomization.yaml":
				return manifest.Other
			case render.Roles(kustomizations)[name] == render.PatchRole:
				return manifest.Patch
			}
			return manifest.Plain
		},
	})
	if err != nil || len(set.Errors) > 0 {
		t.Fatal(err, set.Errors)
	}
	rendered := map[string][]render.Object{}
	for _, root := range render.Roots(git, kustomizations) {
		if rendered[root.Dir], err = render.Build(t.Context(), git, root); err != nil {
			t.Fatal(err)
		}
	}
	tree := trace.NewTree(set, rendered)
	result := drift.Compare(drift.Options{
		Live: live, Trees: []drift.Tree{{Commit: "aaaaaaaaaaaaaaaa", Tracer: trace.New(live, tree), Tree: tree}}, Complete: admission.Defaults(),
		Kind: func(_, kind string) (namespaced, read bool) {
			return !strings.HasPrefix(kind, "Cluster") && kind != "Namespace", kind != "Secret"
		},
	})
	drift.Judge(&result, live, detect.Options{Policies: all})
	return result
}

func objects(t *testing.T, src []byte) *manifest.Set {
	t.Helper()
	set := &manifest.Set{}
	for _, document := range strings.Split(string(src), "---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		asJSON, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		var o map[string]any
		if err := utiljson.Unmarshal(asJSON, &o); err != nil {
			t.Fatal(err)
		}
		r := manifest.FromObject("live", o)
		r.File.Path = "live/" + r.ID()
		set.Files = append(set.Files, r.File)
	}
	return set
}

// says writes a result as a person would compare it.
func says(r drift.Result) string {
	var b strings.Builder
	show := func(v any) string {
		if v == nil {
			return "-"
		}
		src, _ := json.Marshal(v)
		return string(src)
	}
	for _, d := range r.Drifts {
		fmt.Fprintf(&b, "%s: %s", d.ID(), d.Effect)
		if d.Desired.Dir != "" {
			b.WriteString(", rendered by " + d.Desired.Dir)
		}
		b.WriteString("\n")
		for _, x := range d.Differences {
			by := x.Owner.Manager
			if by == "" {
				by = "nobody"
			} else if !x.Owner.Time.IsZero() {
				by += " on " + x.Owner.Time.Format(time.RFC3339)
			}
			if len(x.Path) == 0 {
				fmt.Fprintf(&b, "  missing\n")
				continue
			}
			git, live := d.Shown(x)
			fmt.Fprintf(&b, "  %s: git %s, live %s, %s, by %s\n", x.Path, show(git), show(live), x.Effect, by)
		}
		for _, f := range d.Weakens {
			fmt.Fprintf(&b, "  + %s %s: %s\n", f.Policy.Name, f.Resource.ID(), f.Message)
		}
		for _, f := range d.Strengthens {
			fmt.Fprintf(&b, "  - %s %s: %s\n", f.Policy.Name, f.Resource.ID(), f.Message)
		}
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "%s left out: %s\n", s.Object.ID(), s.Reason)
	}
	fmt.Fprintf(&b, "%d compared\n", r.Compared)
	return b.String()
}
