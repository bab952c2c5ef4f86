package drift

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/trace"
)

func parse(src []byte) map[string]any {
	var o map[string]any
	if asJSON, err := yaml.YAMLToJSON(src); err == nil {
		_ = utiljson.Unmarshal(asJSON, &o) // what is no mapping stays nil
	}
	return o
}

// FuzzCompare: whatever two objects are, comparing them ends, and an object to
// which the differences are reverted is as Git says.
func FuzzCompare(f *testing.F) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var git, live []byte
		for _, file := range a.Files {
			for _, document := range strings.Split(string(file.Data), "---\n") {
				switch {
				case strings.HasPrefix(file.Name, "git/"):
					git = []byte(document)
				case file.Name == "live.yaml":
					live = []byte(document)
				}
				f.Add(git, live)
			}
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		git, live := parse(a), parse(b)
		if git == nil || live == nil {
			return
		}
		for _, o := range []map[string]any{git, live} {
			o["apiVersion"], o["kind"] = "apps/v1", "Deployment"
			meta, ok := o["metadata"].(map[string]any)
			if !ok {
				meta = map[string]any{}
				o["metadata"] = meta
			}
			meta["name"], meta["namespace"] = "a", "b"
		}
		set := &manifest.Set{Files: []*manifest.File{manifest.FromObject("git", git).File}}
		compared := func(live map[string]any) Result {
			cluster := &manifest.Set{Files: []*manifest.File{manifest.FromObject("live", live).File}}
			tree := trace.NewTree(set, nil)
			return Compare(Options{
				Live: cluster, Trees: []Tree{{Tracer: trace.New(cluster, tree), Tree: tree}},
				Kind: func(string, string) (bool, bool) { return true, true },
			})
		}
		result := compared(live)
		for _, d := range result.Drifts {
			v := clone(d.Live.Value)
			for _, x := range d.Differences {
				if latest(owners(live), live, x.Path) != x.Owner && x.Live != nil && x.Git != nil {
					t.Errorf("%s is by %v", x.Path, x.Owner)
				}
				v = with(v, x.Path, clone(x.Git))
			}
			for _, again := range compared(v.(map[string]any)).Drifts {
				for _, x := range again.Differences {
					if x.Git != nil {
						t.Errorf("%s is %v in Git and %v in the cluster, although it was reverted", x.Path, x.Git, x.Live)
					}
				}
			}
		}
	})
}

// TestRules: how rules of Argo CD are read; what is not understood leaves out
// more, and says so.
func TestRules(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		".spec.replicas":                               "spec/replicas",
		`.metadata.labels["a.b/c"]`:                    "metadata/labels/a.b/c",
		`."spec".template`:                             "spec/template",
		".spec.containers[0].image":                    "spec/containers/0/image",
		".spec.containers[].image":                     "spec/containers/*/image",
		".spec.containers[]?.env":                      "spec/containers/*/env",
		`.spec.c[] | select(.name == "x") | .image`:    "spec/c/name=x/image",
		`.spec.c[]|select(.name=="x").image`:           "spec/c/name=x/image",
		`.spec.c[] | select(.name == "x" or .a).image`: "spec/c/* ?",
		`.spec.a | keys`:                               "spec/a ?",
		`del(.spec)`:                                   " ?",
		``:                                             "",
		`.`:                                            " ?",
		`.spec..a`:                                     "spec ?",
	} {
		var i ignored
		i.jq(expression)
		got := ""
		for _, p := range i.pointers {
			got += strings.Join(p, "/")
		}
		if len(i.notes) > 0 {
			got += " ?"
		}
		if got != want {
			t.Errorf("%s is read as %q, want %q", expression, got, want)
		}
	}
}

// BenchmarkCompare compares 10,000 deployments, of which one in a hundred drifted.
func BenchmarkCompare(b *testing.B) {
	const n = 10_000
	live, git := &manifest.Set{}, &manifest.Set{}
	for i := range n {
		deployment := func(tag string, more string) map[string]any {
			return parse(fmt.Appendf(nil, `apiVersion: apps/v1
kind: Deployment
metadata: {name: web-%d, namespace: shop-%d, labels: {app: web}%s}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:%s", env: [{name: A, value: a}, {name: B, value: b}], ports: [{containerPort: 80}], resources: {limits: {cpu: 500m, memory: 1Gi}}}
`, i, i%200, more, tag))
		}
		tag := "1"
		if i%100 == 0 {
			tag = "2"
		}
		git.Files = append(git.Files, manifest.FromObject(fmt.Sprintf("git-%d", i), deployment("1", "")).File)
		live.Files = append(live.Files, manifest.FromObject(fmt.Sprintf("live-%d", i), deployment(tag, `, managedFields: [{manager: kubectl, operation: Apply, time: "2026-01-01T00:00:00Z", fieldsV1: {"f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}, "f:env": {}}}}}}}}]`)).File)
	}
	tree := trace.NewTree(git, nil)
	tracer := trace.New(live, tree)
	b.ResetTimer()
	for b.Loop() {
		result := Compare(Options{Live: live, Trees: []Tree{{Tracer: tracer, Tree: tree}}, Kind: func(string, string) (bool, bool) { return true, true }})
		if len(result.Drifts) != n/100 {
			b.Fatal(len(result.Drifts))
		}
	}
}
