package trace_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"sigs.k8s.io/yaml"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/render"
	"github.com/oakum-dev/oakum/detect/trace"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
spec: {template: {spec: {containers: [{name: web, image: web}]}}}
metadata:
  name: web
  namespace: shop
`

// labelled is the deployment with labels or annotations.
func labelled(field string, lines ...string) string {
	return deployment + "  " + field + ":\n    " + strings.Join(lines, "\n    ") + "\n"
}

const kustomization = `---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./clusters/prod, sourceRef: {kind: GitRepository, name: fleet}}
status: {lastAppliedRevision: main@sha1:0123, inventory: {entries: [{id: shop_web_apps_Deployment, v: v1}]}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: flux-system}
spec: {url: "ssh://git@example.com/acme/fleet"}
`

var flux = labelled("labels", "kustomize.toolkit.fluxcd.io/name: apps", "kustomize.toolkit.fluxcd.io/namespace: flux-system")

const application = `---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: argocd}
spec: {source: {repoURL: https://example.com/acme/fleet.git, path: clusters/prod}}
status: {sync: {revision: abcdef}, resources: [{group: apps, kind: Deployment, namespace: shop, name: web}]}
`

const chart = `---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: argocd}
spec: {source: {repoURL: https://charts.example.com, chart: shop}}
status: {resources: [{group: apps, kind: Deployment, namespace: shop, name: web}]}
`

const release = `---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: shop, namespace: shop, labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}}
status: {history: [{name: shop, namespace: shop}]}
`

// TestSource: who decides the first object of a cluster, by what the cluster
// has and by what the tree has.
func TestSource(t *testing.T) {
	t.Parallel()
	written := map[string]string{"clusters/prod/web.yaml": deployment}
	for name, c := range map[string]struct {
		cluster    string
		tree       map[string]string
		repository string
		want       string // who, how sure, where
	}{
		"nobody":                    {deployment, nil, "", ""},
		"same identity":             {deployment, written, "", "identity clusters/prod/web.yaml"},
		"another namespace":         {deployment, map[string]string{"a.yaml": strings.Replace(deployment, "shop", "other", 1)}, "", ""},
		"another group":             {deployment, map[string]string{"a.yaml": strings.Replace(deployment, "apps/v1", "example.org/v1", 1)}, "", ""},
		"an older version":          {deployment, map[string]string{"a.yaml": strings.Replace(deployment, "apps/v1", "apps/v1beta2", 1)}, "", "identity a.yaml"},
		"the file leaves it open":   {deployment, map[string]string{"a.yaml": strings.Replace(deployment, "  namespace: shop\n", "", 1)}, "", "name a.yaml"},
		"two files":                 {deployment, map[string]string{"a.yaml": deployment, "b.yaml": deployment}, "", "among 2"},
		"applied by hand":           {labelled("annotations", "kubectl.kubernetes.io/last-applied-configuration: '{}'"), written, "", "kubectl apply: identity clusters/prod/web.yaml"},
		"Flux lists it":             {flux + kustomization, written, "https://example.com/acme/fleet", "Flux Kustomization flux-system/apps, from ssh://git@example.com/acme/fleet at clusters/prod: inventory clusters/prod/web.yaml"},
		"Flux, two files, one path": {flux + kustomization, map[string]string{"a.yaml": deployment, "clusters/prod/web.yaml": deployment}, "", "Flux Kustomization flux-system/apps, from ssh://git@example.com/acme/fleet at clusters/prod: inventory clusters/prod/web.yaml"},
		"Flux, another repository":  {flux + kustomization, written, "https://example.com/acme/shop", "Flux Kustomization flux-system/apps, from ssh://git@example.com/acme/fleet at clusters/prod:"},
		"Flux, a copied label":      {flux + strings.Replace(kustomization, "shop_web", "shop_api", 1), written, "", "identity clusters/prod/web.yaml"},
		"Flux, nothing known":       {flux, written, "", "Flux Kustomization flux-system/apps: identity clusters/prod/web.yaml"},
		"Argo CD tracks it":         {labelled("annotations", "argocd.argoproj.io/tracking-id: shop:apps/Deployment:shop/web") + application, written, "", "Argo CD Application argocd/shop, from https://example.com/acme/fleet.git at clusters/prod: inventory clusters/prod/web.yaml"},
		"Argo CD, a copied mark":    {labelled("annotations", "argocd.argoproj.io/tracking-id: shop:apps/Deployment:shop/api") + application, written, "", "identity clusters/prod/web.yaml"},
		"Argo CD, by the label":     {labelled("labels", "app.kubernetes.io/instance: shop") + application, written, "", "Argo CD Application argocd/shop, from https://example.com/acme/fleet.git at clusters/prod: inventory clusters/prod/web.yaml"},
		"a chart's own label":       {labelled("labels", "app.kubernetes.io/instance: shop"), written, "", "identity clusters/prod/web.yaml"},
		"Argo CD, a chart":          {labelled("annotations", "argocd.argoproj.io/tracking-id: shop:apps/Deployment:shop/web") + chart, map[string]string{"apps/shop.yaml": chart}, "", "Argo CD Application argocd/shop, through Application argocd/shop: identity apps/shop.yaml"},
		"Helm":                      {labelled("labels", "app.kubernetes.io/managed-by: Helm") + "  annotations: {meta.helm.sh/release-name: shop, meta.helm.sh/release-namespace: shop}\n", nil, "", "Helm release shop/shop:"},
		"a HelmRelease": {
			labelled("labels", "helm.toolkit.fluxcd.io/name: shop", "helm.toolkit.fluxcd.io/namespace: shop") + release + strings.Replace(kustomization, "shop_web_apps_Deployment", "shop_shop_helm.toolkit.fluxcd.io_HelmRelease", 1),
			map[string]string{"clusters/prod/shop.yaml": strings.Replace(release, ", namespace: shop,", ",", 1)},
			"",
			"Flux HelmRelease shop/shop of Flux Kustomization flux-system/apps, from ssh://git@example.com/acme/fleet at clusters/prod, through HelmRelease shop/shop: inventory clusters/prod/shop.yaml",
		},
		"a custom resource makes it": {
			deployment + "  ownerReferences: [{apiVersion: example.org/v1, kind: Shop, name: main, uid: u, controller: true}]\n",
			map[string]string{"shop.yaml": "apiVersion: example.org/v1\nkind: Shop\nmetadata: {name: main, namespace: shop}\n"},
			"",
			"through Shop shop/main: identity shop.yaml",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := live(t, c.cluster)
			tree := trace.NewTree(read(t, c.tree), nil)
			tree.Repository = c.repository
			if got := says(trace.New(cluster, tree).Source(cluster.Files[0].Resources[0])); got != c.want {
				t.Errorf("decided by %q, want %q", got, c.want)
			}
		})
	}
}

// TestRendered: what a kustomization renames and puts into a namespace is
// traced to the file that it renames.
func TestRendered(t *testing.T) {
	t.Parallel()
	set := read(t, map[string]string{"base/web.yaml": strings.Replace(deployment, "  namespace: shop\n", "", 1)})
	object := render.Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "staging", Name: "staging-web", Origin: "base/web.yaml"}
	tree := trace.NewTree(set, map[string][]render.Object{"overlays/staging": {object}})
	cluster := live(t, strings.NewReplacer("name: web", "name: staging-web", "shop", "staging").Replace(deployment))
	if got, want := says(trace.New(cluster, tree).Source(cluster.Files[0].Resources[0])), "identity base/web.yaml"; got != want {
		t.Errorf("decided by %q, want %q", got, want)
	}
}

func says(s trace.Source) string {
	out := s.String()
	if out != "" {
		out += ":"
	}
	switch {
	case s.Resource != nil:
		out += " " + string(s.Confidence) + " " + s.Resource.File.Path
	case len(s.Among) > 0:
		out += " among " + string(rune('0'+len(s.Among)))
	}
	return strings.TrimSpace(out)
}

func live(t *testing.T, src string) *manifest.Set {
	t.Helper()
	set := &manifest.Set{}
	for _, document := range strings.Split(src, "---\n") {
		if document == "" {
			continue
		}
		var o map[string]any
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatal(err)
		}
		set.Files = append(set.Files, manifest.FromObject("live", o).File)
	}
	return set
}

func read(t *testing.T, files map[string]string) *manifest.Set {
	t.Helper()
	tree := fstest.MapFS{}
	for name, src := range files {
		tree[name] = &fstest.MapFile{Data: []byte(src)}
	}
	set, err := manifest.Read(tree, manifest.Options{Wants: func(string, string) bool { return true }})
	if err != nil || len(set.Errors) > 0 {
		t.Fatal(err, set.Errors)
	}
	return set
}
