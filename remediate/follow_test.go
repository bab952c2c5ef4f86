package remediate_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

func object(t *testing.T, src string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := yaml.Unmarshal([]byte(src), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// followed is a cluster to which Flux applies the directory apps, or another one.
type followed struct {
	t       *testing.T
	day     time.Time
	version string
	objects map[string]map[string]any
	f       *remediate.Follower
}

func (f *followed) flux(dir string, entries ...string) string {
	inventory := ""
	for _, e := range entries {
		inventory += "\n    - {id: " + e + "}"
	}
	return fmt.Sprintf(`apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./%s}
status:
  inventory:
    entries:%s
`, dir, inventory)
}

const appPod = `apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}
spec:
  containers:
  - {name: main, image: "shop/web:1", securityContext: {privileged: %v}}
`

// put makes objects be in the cluster, and drop takes one out; each says what
// that means to the findings.
func (f *followed) put(sources ...string) []string {
	f.t.Helper()
	var changes []cluster.Change
	for _, src := range sources {
		o := object(f.t, src)
		name := o["metadata"].(map[string]any)["name"].(string)
		changes = append(changes, cluster.Change{Old: f.objects[name], New: o})
		f.objects[name] = o
	}
	return f.apply(changes)
}

func (f *followed) drop(name string) []string {
	f.t.Helper()
	was := f.objects[name]
	delete(f.objects, name)
	return f.apply([]cluster.Change{{Old: was}})
}

func (f *followed) apply(changes []cluster.Change) []string {
	f.t.Helper()
	d, err := f.f.Apply(f.t.Context(), cluster.Update{Kubernetes: f.version, Changes: changes}, f.day)
	if err != nil {
		f.t.Fatal(err)
	}
	var out []string
	for mark, findings := range map[string][]*detect.Finding{"+": d.Appeared, "-": d.Gone, "~": d.Changed} {
		for _, x := range findings {
			out = append(out, fmt.Sprintf("%s %s %s %s:%d by %s", mark, x.Policy.Name, x.Resource.ID(), x.Position.File, x.Position.Line, x.Source))
		}
	}
	slices.Sort(out)
	return out
}

// TestFollow: what comes to be wrong in a cluster points to what decides it in
// the tree, also after that is another place, and is judged by the version and
// the day that it is then.
func TestFollow(t *testing.T) {
	t.Parallel()
	all := library(t)
	chosen := slices.DeleteFunc(slices.Clone(all), func(p *policy.Policy) bool {
		return p.Name != "privileged-container" && p.Name != "kubernetes-end-of-life"
	})
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec:\n  containers:\n  - {name: main, image: \"shop/web:1\"}\n"
	tree := fstest.MapFS{"apps/web.yaml": {Data: []byte(pod)}, "later/pods/web.yaml": {Data: []byte("# moved\n" + pod)}}
	f := &followed{t: t, day: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), version: "v1.34.1", objects: map[string]map[string]any{}}
	p, err := remediate.ReadProject(tree, remediate.Settings{Policies: all, Selected: chosen, Today: f.day, Kubernetes: 34})
	if err != nil {
		t.Fatal(err)
	}
	at := &cluster.Inventory{Cluster: "prod", Kubernetes: f.version, Time: f.day}
	flux := f.flux("apps", "shop_web__Pod")
	f.objects["apps"] = object(t, flux)
	at.Objects = append(at.Objects, f.objects["apps"])
	if f.f, err = p.Follow(t.Context(), at, "", false); err != nil {
		t.Fatal(err)
	}
	check := func(what string, got []string, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	const from = "by Flux Kustomization flux-system/apps"
	check("a pod comes", f.put(fmt.Sprintf(appPod, true)), "+ privileged-container Pod shop/web apps/web.yaml:6 "+from)
	check("it says the same", f.put(fmt.Sprintf(appPod, true)))
	check("it is put right", f.put(fmt.Sprintf(appPod, false)), "- privileged-container Pod shop/web apps/web.yaml:6 "+from)
	check("Flux applies another directory", f.put(f.flux("later/pods", "shop_web__Pod")))
	check("it is wrong again", f.put(fmt.Sprintf(appPod, true)), "+ privileged-container Pod shop/web later/pods/web.yaml:7 "+from)
	check("it goes", f.drop("web"), "- privileged-container Pod shop/web later/pods/web.yaml:7 "+from)
	f.day = time.Date(2027, 1, 5, 9, 0, 0, 0, time.UTC)
	check("a year passes", f.apply(nil), "+ kubernetes-end-of-life Cluster prod live:prod/Cluster:0 by ")
	f.version = "v1.37.2"
	check("the cluster is upgraded", f.apply(nil), "- kubernetes-end-of-life Cluster prod live:prod/Cluster:0 by ")
}
