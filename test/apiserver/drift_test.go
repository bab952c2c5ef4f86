package apiserver

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/drift"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/admission"
	"github.com/oakum-dev/oakum/detect/trace"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
)

// sides are the ways to apply.
var sides = []struct {
	name   string
	server bool
}{{"server-side", true}, {"client-side", false}}

// TestNoDriftInCorpus: whatever of the real manifests the server accepts is no
// drift once it is applied: not with the server's defaults, not when an
// autoscaler scales it, not with a sidecar that somebody's webhook injects.
func TestNoDriftInCorpus(t *testing.T) {
	dir := cmp.Or(os.Getenv("OAKUM_CORPUS"), "../../../shared/corpus")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus: set OAKUM_CORPUS")
	}
	everything := func(string, string) bool { return true }
	set, err := manifest.Read(os.DirFS(dir), manifest.Options{Wants: everything})
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range sides {
		t.Run(side.name, func(t *testing.T) {
			server := Start(t)
			c := newCorpus(t, server.Config, side.server)
			// Definitions come first, and stay: others are made of them.
			for _, definitions := range []bool{true, false} {
				for _, f := range set.Files {
					c.file(t, f, definitions)
				}
				if err := c.learn(); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%d objects of %d files compared, %d of them scaled and %d with a sidecar; %d were refused", c.compared, c.files, c.scaled, c.injected, c.refused)
			if c.compared < 500 || c.scaled < 50 || c.injected < 50 {
				t.Error("that is too few to say anything")
			}
		})
	}
}

type corpusRun struct {
	*kubectl
	definitions                                   []*manifest.File // that live
	complete                                      func(map[string]any) map[string]any
	files, compared, refused, scaled, injected, n int
}

func newCorpus(t *testing.T, config *rest.Config, onServer bool) *corpusRun {
	t.Helper()
	k, err := newKubectl(config, onServer)
	if err != nil {
		t.Fatal(err)
	}
	return &corpusRun{kubectl: k, complete: admission.Defaults()}
}

// file applies the objects of a file and compares them with it.
func (c *corpusRun) file(t *testing.T, f *manifest.File, definitions bool) {
	t.Helper()
	ctx := t.Context()
	accepted := &manifest.File{Path: f.Path, Form: f.Form, Source: f.Source, Text: f.Text}
	live := &manifest.Set{}
	for _, d := range c.definitions {
		if !slices.ContainsFunc(f.Resources, func(r *manifest.Resource) bool { return r.Kind == d.Resources[0].Kind && r.Name == d.Resources[0].Name }) {
			live.Files = append(live.Files, d) // or else another file had it before
		}
	}
	var applied []*unstructured.Unstructured
	for _, r := range f.Resources {
		if !r.Decoded() || r.Partial || r.Name == "" || f.Form != manifest.Plain || definitions != (r.Kind == "CustomResourceDefinition") {
			continue
		}
		o := &unstructured.Unstructured{Object: copied(r.Value)}
		if !c.server {
			_ = c.apply(ctx, older(o)) // a state before this one, so that there is something to merge
		}
		if err := c.apply(ctx, o); err != nil {
			if c.refused++; testing.Verbose() && os.Getenv("OAKUM_REFUSED") != "" {
				t.Logf("%s: %s: %v", f.Path, r.ID(), err)
			}
			_ = c.remove(ctx, o)
			continue
		}
		c.around(ctx, t, o)
		resource, err := c.resource(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		is, err := resource.Get(ctx, o.GetName(), metav1.GetOptions{})
		if err != nil {
			t.Fatal(f.Path, r.ID(), err)
		}
		name := fmt.Sprintf("live/%s/%s", o.GetNamespace(), o.GetName())
		live.Files = append(live.Files, manifest.FromObject(name, is.Object).File)
		if c.hasScale(o) {
			live.Files = append(live.Files, manifest.FromObject(name+"-hpa", autoscaler(o)).File)
		}
		accepted.Resources = append(accepted.Resources, r)
		applied = append(applied, o)
	}
	if len(applied) > 0 {
		c.files++
		c.check(t, accepted, live, len(applied))
	}
	if definitions {
		c.definitions = live.Files
	}
	for _, o := range applied {
		switch o.GetKind() {
		case "CustomResourceDefinition", "Namespace":
		default:
			if err := c.remove(ctx, o); err != nil {
				t.Fatal(f.Path, o.GetName(), err)
			}
		}
	}
}

func (c *corpusRun) check(t *testing.T, accepted *manifest.File, live *manifest.Set, n int) {
	t.Helper()
	tree := trace.NewTree(&manifest.Set{Files: []*manifest.File{accepted}}, nil)
	got := drift.Compare(drift.Options{
		Live: live, Trees: []drift.Tree{{Tracer: trace.New(live, tree), Tree: tree}}, Complete: c.complete,
		Kind: func(group, kind string) (namespaced, read bool) {
			m, err := c.kinds.RESTMapping((&unstructured.Unstructured{Object: map[string]any{"apiVersion": group + "/v1", "kind": kind}}).GroupVersionKind().GroupKind())
			return err == nil && m.Scope.Name() == "namespace", err == nil
		},
	})
	c.compared += got.Compared
	if got.Compared < n {
		// A file that has an object twice decides it nowhere.
		t.Logf("%s: %d of %d objects compared", accepted.Path, got.Compared, n)
	}
	for _, d := range got.Drifts {
		for _, x := range d.Differences {
			t.Errorf("%s: %s: %s is %s in Git and %s in the cluster, by %s %s", accepted.Path, d.ID(), x.Path, short(x.Git), short(x.Live), x.Owner.Manager, x.Owner.Operation)
		}
	}
}

// around does to an object what others do to it in a cluster.
func (c *corpusRun) around(ctx context.Context, t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	if !c.hasScale(o) {
		return
	}
	if err := c.scale(ctx, o, 7); err == nil {
		c.scaled++
	}
	err := c.edit(ctx, o, "sidecar-injector", func(live *unstructured.Unstructured) {
		containers, _, _ := unstructured.NestedSlice(live.Object, "spec", "template", "spec", "containers")
		containers = append(containers, map[string]any{"name": "injected-proxy", "image": "proxy:1", "securityContext": map[string]any{"runAsUser": int64(1337)}})
		_ = unstructured.SetNestedSlice(live.Object, containers, "spec", "template", "spec", "containers")
		_ = unstructured.SetNestedField(live.Object, "injected", "spec", "template", "metadata", "annotations", "example.com/status")
	})
	if err == nil {
		c.injected++
	}
}

func (c *corpusRun) hasScale(o *unstructured.Unstructured) bool {
	switch o.GetKind() {
	case "Deployment", "StatefulSet", "ReplicaSet":
		return o.GroupVersionKind().Group == "apps"
	}
	return false
}

func autoscaler(o *unstructured.Unstructured) map[string]any {
	return map[string]any{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": map[string]any{"name": o.GetName() + "-planted", "namespace": o.GetNamespace()},
		"spec": map[string]any{"maxReplicas": int64(10), "scaleTargetRef": map[string]any{"apiVersion": o.GetAPIVersion(), "kind": o.GetKind(), "name": o.GetName()}},
	}
}

// older is a state of an object that was applied before.
func older(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := o.DeepCopy()
	labels := out.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels["example.com/older"] = "yes"
	out.SetLabels(labels)
	containers, ok, _ := unstructured.NestedSlice(out.Object, "spec", "template", "spec", "containers")
	if ok && len(containers) > 0 {
		if first, ok := containers[0].(map[string]any); ok {
			first["image"] = "older:1"
			first["env"] = []any{map[string]any{"name": "OLDER", "value": "1"}}
			_ = unstructured.SetNestedSlice(out.Object, containers, "spec", "template", "spec", "containers")
		}
	}
	return out
}

func copied(v map[string]any) map[string]any {
	src, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	o := &unstructured.Unstructured{}
	_ = json.Unmarshal(src, &o.Object)
	if o.Object["status"] != nil {
		delete(o.Object, "status")
	}
	unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
	return (&unstructured.Unstructured{Object: integers(o.Object).(map[string]any)}).Object
}

// integers gives numbers without a fraction the type that clients have for them.
func integers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = integers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = integers(e)
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return v
}

func short(v any) string {
	src, _ := json.Marshal(v)
	return string(src[:min(len(src), 200)])
}

// TestPlantedDrift: the demo as it is applied is no drift; each change that a
// person makes to it is found, at its field, with who made it and whether it
// weakens what Git says.
func TestPlantedDrift(t *testing.T) {
	server := Start(t)
	for _, side := range sides {
		t.Run(side.name, func(t *testing.T) {
			tree := demo(t)
			k, err := newKubectl(server.Config, side.server)
			if err != nil {
				t.Fatal(err)
			}
			p := project(t, tree)
			applyAll(t, k, p)
			for _, d := range compared(t, server.Config, p).Drifts {
				t.Errorf("%s drifts before anybody changed it: %v", d.ID(), d.Differences)
			}
			began := time.Now().Add(-time.Second)
			for _, c := range planted {
				if err := c.plant(t.Context(), k); err != nil {
					t.Fatal(c.object, err)
				}
			}
			got := map[string]drift.Difference{}
			result := compared(t, server.Config, p)
			for _, d := range result.Drifts {
				for _, x := range d.Differences {
					got[d.ID()+" "+x.Path.String()] = x
				}
			}
			for _, c := range planted {
				x, ok := got[c.object+" "+c.field]
				delete(got, c.object+" "+c.field)
				switch {
				case !ok:
					t.Errorf("%s %s was not found", c.object, c.field)
				case x.Effect != c.effect:
					t.Errorf("%s %s: it is said to be %s, want %s (%d findings)", c.object, c.field, x.Effect, c.effect, len(x.Weakens)+len(x.Strengths))
				case x.Owner.Manager != c.by || c.by != "" && x.Owner.Time.Before(began):
					t.Errorf("%s %s: by %+v, want %s", c.object, c.field, x.Owner, c.by)
				}
			}
			for what, x := range got {
				t.Errorf("%s was not planted: %s, live %s, by %s", what, short(x.Git), short(x.Live), x.Owner.Manager)
			}
			for _, c := range planted {
				_ = k.remove(t.Context(), c.target())
			}
		})
	}
}

// change is something that a person does to the demo.
type change struct {
	object string // Kind namespace/name
	field  string // where it shows
	by     string
	effect drift.Effect
	edit   func(map[string]any) // nil: it is deleted
}

func (c change) target() *unstructured.Unstructured {
	kind, name, _ := strings.Cut(c.object, " ")
	namespace, name, _ := strings.Cut(name, "/")
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(map[string]string{"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "Role": "rbac.authorization.k8s.io/v1", "NetworkPolicy": "networking.k8s.io/v1", "Service": "v1"}[kind])
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func (c change) plant(ctx context.Context, k *kubectl) error {
	if c.edit == nil {
		return k.remove(ctx, c.target())
	}
	return k.edit(ctx, c.target(), c.by, func(o *unstructured.Unstructured) { c.edit(o.Object) })
}

// container is a container of a workload.
func container(o map[string]any, name string) map[string]any {
	spec := o["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	for _, c := range spec["containers"].([]any) {
		if c := c.(map[string]any); c["name"] == name {
			return c
		}
	}
	panic("no container " + name)
}

func security(o map[string]any, name string) map[string]any {
	c := container(o, name)
	s, ok := c["securityContext"].(map[string]any)
	if !ok {
		s = map[string]any{}
		c["securityContext"] = s
	}
	return s
}

var planted = []change{
	{"Deployment shop/cart", "spec.template.spec.containers[name=cart].image", "kubectl-edit", drift.Weakens, func(o map[string]any) {
		container(o, "cart")["image"] = "shop/cart:latest"
	}},
	{"Deployment shop/cart", "spec.template.spec.containers[name=cart].securityContext.privileged", "kubectl-edit", drift.Weakens, func(o map[string]any) {
		security(o, "cart")["privileged"] = true
		delete(security(o, "cart"), "allowPrivilegeEscalation")
	}},
	{"Deployment shop/cart", "spec.template.spec.containers[name=cart].securityContext.allowPrivilegeEscalation", "", drift.Weakens, func(map[string]any) {}},
	{"Deployment shop/web", "spec.template.spec.containers[name=metrics].securityContext.privileged", "Lens", drift.Weakens, func(o map[string]any) {
		security(o, "metrics")["privileged"] = true
	}},
	{"Deployment shop/stock", "spec.template.spec.containers[name=miner]", "kubectl-edit", drift.Weakens, func(o map[string]any) {
		spec := o["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
		spec["containers"] = append(spec["containers"].([]any), map[string]any{"name": "miner", "image": "evil/miner:latest"})
	}},
	{"NetworkPolicy shop/default-deny", "", "", drift.Weakens, nil},
	{"Role shop/release", "rules", "kubectl-edit", drift.Weakens, func(o map[string]any) {
		o["rules"] = append(o["rules"].([]any), map[string]any{"apiGroups": []any{"*"}, "resources": []any{"*"}, "verbs": []any{"*"}})
	}},
	{"Deployment shop/web", "spec.replicas", "kubectl-scale", drift.Neither, func(o map[string]any) {
		o["spec"].(map[string]any)["replicas"] = int64(9)
	}},
	{"Deployment prod/catalog", `metadata.labels["example.com/debug"]`, "kubectl-label", drift.Neither, func(o map[string]any) {
		metadata := o["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		if labels == nil {
			labels = map[string]any{}
			metadata["labels"] = labels
		}
		labels["example.com/debug"] = "yes"
	}},
	{"StatefulSet shop/cart-redis", "metadata.labels.tier", "kubectl-edit", drift.Neither, func(o map[string]any) {
		o["metadata"].(map[string]any)["labels"] = map[string]any{"tier": "cache"}
	}},
	{"Deployment prod/catalog", "spec.template.spec.containers[name=catalog].env[name=LOG_LEVEL].value", "kubectl-edit", drift.Neither, func(o map[string]any) {
		container(o, "catalog")["env"].([]any)[0].(map[string]any)["value"] = "debug"
	}},
	{"Deployment staging/catalog", "spec.template.spec.containers[name=catalog].env[name=TRACE]", "kubectl-edit", drift.Neither, func(o map[string]any) {
		c := container(o, "catalog")
		env, _ := c["env"].([]any)
		c["env"] = append(env, map[string]any{"name": "TRACE", "value": "1"})
	}},
	{"Deployment shop/stock", "spec.template.spec.containers[name=stock].securityContext.readOnlyRootFilesystem", "kubectl-patch", drift.Strengthens, func(o map[string]any) {
		security(o, "stock")["readOnlyRootFilesystem"] = true
	}},
	{"DaemonSet platform/agent", "spec.template.spec.hostPID", "", drift.Strengthens, func(o map[string]any) {
		delete(o["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any), "hostPID")
	}},
}

const networkPolicies = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{ports: [{port: 8080}]}]
`

// demo is the demo's repository, with network policies.
func demo(t *testing.T) fs.FS {
	t.Helper()
	tree := fstest.MapFS{"platform/network.yaml": {Data: []byte(networkPolicies)}}
	root := os.DirFS("../../testdata/shop/repo")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == "" {
			return err
		}
		src, err := fs.ReadFile(root, name)
		tree[name] = &fstest.MapFile{Data: src}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func project(t *testing.T, tree fs.FS) *remediate.Project {
	t.Helper()
	all, err := (&policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names(), Known: true}).LoadFS(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	p, err := remediate.ReadProject(tree, remediate.Settings{Policies: all, Selected: all, Wants: func(string, string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// applyAll applies what the tree has, each object once, as kustomize renders it.
func applyAll(t *testing.T, k *kubectl, p *remediate.Project) {
	t.Helper()
	var all []trace.Desired
	tree, err := p.Decides(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for d := range tree.All() {
		if d.Dir == "base" || d.Dir == "" && (strings.HasPrefix(d.Resource.File.Path, "base/") || d.Resource.File.Form != manifest.Plain) {
			continue
		}
		all = append(all, d)
	}
	slices.SortStableFunc(all, func(a, b trace.Desired) int {
		first := func(d trace.Desired) int {
			if d.Kind == "Namespace" {
				return 0
			}
			return 1
		}
		return first(a) - first(b)
	})
	for _, d := range all {
		o := &unstructured.Unstructured{Object: copied(d.Value)}
		if err := k.apply(t.Context(), o); err != nil {
			t.Logf("%s is not in the cluster: %v", d.Name, err)
		}
	}
}

// compared reads the cluster and compares it with the project.
func compared(t *testing.T, config *rest.Config, p *remediate.Project) *drift.Result {
	t.Helper()
	join(t, config, p)
	result, err := p.Drift(t.Context(), remediate.DriftOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// join reads the cluster for the project.
func join(t *testing.T, config *rest.Config, p *remediate.Project) {
	t.Helper()
	has := map[string]bool{}
	for r := range p.Set.Resources {
		has[r.Kind] = true
	}
	judged := p.Settings.LiveWants()
	inventory, err := cluster.Read(t.Context(), config, cluster.Options{
		Cluster: "test", Wants: func(apiVersion, kind string) bool { return has[kind] || judged(apiVersion, kind) }, Owners: true, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Judge()
	if err := p.Join(t.Context(), inventory, ""); err != nil {
		t.Fatal(err)
	}
}

// TestServerDryRun: with deploy/dry-run.yaml its identity can ask the API
// server what it would make of what Git says, and change nothing.
func TestServerDryRun(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	if _, err := Load(ctx, server.Config, os.DirFS("../../deploy")); err != nil {
		t.Fatal(err)
	}
	k, err := newKubectl(server.Config, true)
	if err != nil {
		t.Fatal(err)
	}
	p := project(t, demo(t))
	applyAll(t, k, p)
	token, err := kubernetes.NewForConfigOrDie(server.Config).CoreV1().ServiceAccounts("oakum").CreateToken(ctx, "oakum-dry-run", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(server.Config)
	config.BearerToken = token.Status.Token
	theirs, err := newKubectl(config, true)
	if err != nil {
		t.Fatal(err)
	}
	service := change{object: "Service shop/web"}.target()
	role := change{object: "Role shop/release"}.target()
	write := func(o *unstructured.Unstructured) error {
		r, err := k.resource(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		before, err := r.Get(ctx, o.GetName(), metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// The namespace exists: theirs could not make it.
		m, err := theirs.kinds.RESTMapping(o.GroupVersionKind().GroupKind())
		if err != nil {
			t.Fatal(err)
		}
		_, err = theirs.objects.Resource(m.Resource).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"labels":{"written":"yes"}}}`), metav1.PatchOptions{})
		if err != nil {
			after, errAfter := r.Get(ctx, o.GetName(), metav1.GetOptions{})
			if errAfter != nil || after.GetResourceVersion() != before.GetResourceVersion() {
				t.Errorf("%s was denied, and has changed: %v", o.GetName(), errAfter)
			}
		}
		return err
	}
	// The API server learns of a policy by a watch.
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return write(service) != nil, nil
	})
	if err != nil {
		t.Fatal("a real write is not denied:", err)
	}
	for _, o := range []*unstructured.Unstructured{service, role} {
		if err := write(o); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "this identity is for dry runs alone") {
			t.Errorf("a real write to %s: %v", o.GetKind(), err)
		}
	}
	if err := k.edit(ctx, service, "kubectl", func(o *unstructured.Unstructured) { o.SetLabels(nil) }); err != nil {
		t.Fatal(err)
	}
	dry, err := cluster.NewDryRun(config, "test")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	options := remediate.DriftOptions{Apply: func(d trace.Desired, live *manifest.Resource) (map[string]any, error) {
		asked++
		return dry.Apply(ctx, d.Value, live)
	}}
	join(t, config, p)
	result, err := p.Drift(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range result.Drifts {
		t.Errorf("%s drifts before anybody changed it: %v", d.ID(), d.Differences)
	}
	for _, s := range result.Skipped {
		t.Errorf("%s was left out: %s", s.Object.ID(), s.Reason)
	}
	if asked < 20 {
		t.Errorf("the server was asked about %d objects", asked)
	}
	for _, c := range planted {
		if err := c.plant(ctx, k); err != nil {
			t.Fatal(c.object, err)
		}
	}
	join(t, config, p)
	if result, err = p.Drift(ctx, options); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, d := range result.Drifts {
		for _, x := range d.Differences {
			found[d.ID()+" "+x.Path.String()] = true
		}
	}
	for _, c := range planted {
		if !found[c.object+" "+c.field] {
			t.Errorf("%s %s was not found", c.object, c.field)
		}
	}
}
