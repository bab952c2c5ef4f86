package graph_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
)

// world is a random small cluster.
type world struct {
	objects []map[string]any
}

type object = map[string]any

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func randomWorld(r *rand.Rand) *world {
	w := &world{}
	add := func(apiVersion, kind, namespace, name string, rest object) {
		meta := object{"name": name}
		if namespace != "" {
			meta["namespace"] = namespace
		}
		rest["apiVersion"], rest["kind"], rest["metadata"] = apiVersion, kind, meta
		w.objects = append(w.objects, rest)
	}
	namespace := func() string { return pick(r, "a", "b", "kube-system") }
	account := func() string { return pick(r, "x", "y") }
	for _, n := range []string{"a", "b"} {
		add("v1", "Namespace", "", n, object{})
		if r.IntN(2) == 0 {
			w.objects[len(w.objects)-1]["metadata"].(object)["labels"] = object{"pod-security.kubernetes.io/enforce": pick(r, "privileged", "restricted")}
		}
	}
	for i := range 1 + r.IntN(4) {
		container := object{"name": "c", "image": "i"}
		spec := object{"serviceAccountName": account(), "containers": []any{container}}
		if r.IntN(3) == 0 {
			container["securityContext"] = object{"privileged": true}
		}
		if r.IntN(4) == 0 {
			container["volumeMounts"] = []any{object{"name": "v", "mountPath": "/v"}}
			spec["volumes"] = []any{object{"name": "v", "hostPath": object{"path": pick(r, "/", "/data", "/run/docker.sock")}}}
		}
		add("v1", "Pod", namespace(), fmt.Sprint("pod", i), object{"spec": spec})
	}
	rights := [][3]string{
		{"", "pods", "create"},
		{"", "pods/exec", "create"},
		{"", "secrets", "get"},
		{"", "serviceaccounts/token", "create"},
		{"*", "*", "*"},
		{"rbac.authorization.k8s.io", "clusterroles", "bind"},
		{"rbac.authorization.k8s.io", "clusterrolebindings", "create"},
		{"rbac.authorization.k8s.io", "rolebindings", "create"},
		{"", "nodes/proxy", "get"},
		{"", "configmaps", "get"},
	}
	for i := range r.IntN(4) {
		var rules []any
		for range 1 + r.IntN(2) {
			x := rights[r.IntN(len(rights))]
			rules = append(rules, object{"apiGroups": []any{x[0]}, "resources": []any{x[1]}, "verbs": []any{x[2]}})
		}
		add("rbac.authorization.k8s.io/v1", "ClusterRole", "", fmt.Sprint("r", i), object{"rules": rules})
	}
	for i := range r.IntN(5) {
		subject := object{"kind": "ServiceAccount", "name": account(), "namespace": namespace()}
		if r.IntN(5) == 0 {
			subject = object{"kind": "Group", "name": pick(r, "system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated", "system:unauthenticated")}
		}
		kind, in := "ClusterRoleBinding", ""
		if r.IntN(2) == 0 {
			kind, in = "RoleBinding", namespace()
		}
		add("rbac.authorization.k8s.io/v1", kind, in, fmt.Sprint("b", i), object{
			"roleRef": object{"kind": "ClusterRole", "name": pick(r, "r0", "r1", "r2", "edit", "cluster-admin")}, "subjects": []any{subject},
		})
	}
	return w
}

func (w *world) set() *manifest.Set {
	set := &manifest.Set{}
	for _, o := range w.objects {
		set.Files = append(set.Files, manifest.FromObject("live:test/"+fmt.Sprint(o["kind"], o["metadata"]), o).File)
	}
	return set
}

func (w *world) graph() *graph.Graph { return graph.New(w.set(), graph.Options{}) }

// admins names the entries from which cluster-admin is reached.
func admins(g *graph.Graph) map[string]bool {
	out := map[string]bool{}
	for _, p := range g.Paths(graph.ClusterAdmin) {
		out[p.From()] = true
	}
	return out
}

// mend makes the fix of an opening in the object itself.
func mend(o graph.Opening) {
	v := o.Resource.Value
	switch o.Resource.Kind {
	case "Namespace":
		meta := v["metadata"].(object)
		labels, _ := meta["labels"].(object)
		labels = maps.Clone(labels)
		if labels == nil {
			labels = object{}
		}
		labels["pod-security.kubernetes.io/enforce"] = "restricted"
		meta["labels"] = labels
	case "ClusterRole":
		v["rules"].([]any)[o.Field[1].Index] = object{}
	case "ClusterRoleBinding", "RoleBinding":
		v["subjects"] = []any{}
	case "Pod":
		spec := v["spec"].(object)
		switch o.Field[1].Key {
		case "automountServiceAccountToken":
			spec["automountServiceAccountToken"] = false
		case "volumes":
			spec["volumes"] = []any{}
		default:
			spec["containers"].([]any)[0].(object)["securityContext"] = object{}
		}
	}
}

// TestCut makes the fixes of the cut in the objects, and looks again: only
// those paths are left that no fix closes. No fix ever adds a path, and no
// cheaper set of fixes would do.
func TestCut(t *testing.T) {
	t.Parallel()
	cuts, exact := 0, 0
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := randomWorld(r)
		g := w.graph()
		before := admins(g)
		openings, weights := map[string]graph.Opening{}, map[string]int{}
		unfixable := func(id string) bool { return (int(seed)+len(id)*7)%5 == 0 }
		prices := func(o graph.Opening) (graph.Fix, bool) {
			if len(o.Policies) == 0 || o.Resource.Kind == "ClusterRole" && o.Narrow {
				return graph.Fix{}, false
			}
			id := o.Resource.ID() + o.Field.String()
			if unfixable(id) {
				return graph.Fix{}, false
			}
			openings[id], weights[id] = o, 1+len(id)%7
			return graph.Fix{ID: id, Weight: weights[id]}, true
		}
		cut := g.Cut(graph.ClusterAdmin, prices)
		if again := w.graph().Cut(graph.ClusterAdmin, prices); !slices.Equal(again.Fixes, cut.Fixes) {
			t.Fatalf("seed %d: %q, and then %q", seed, cut.Fixes, again.Fixes)
		}
		left := map[string]bool{}
		for _, p := range cut.Open {
			left[p.From()] = true
		}
		if len(left)+cut.Closed != len(before) {
			t.Errorf("seed %d: %d open and %d closed of %d paths", seed, len(left), cut.Closed, len(before))
		}
		if best, ok := cheapest(seed, openings, weights, left); ok && len(cut.Fixes) > 0 {
			exact++
			if got := total(cut.Fixes, weights); got > best {
				t.Errorf("seed %d: the cut costs %d, and %d is enough", seed, got, best)
			}
		}
		last := before
		for _, id := range cut.Fixes {
			cuts++
			mend(openings[id])
			now := admins(w.graph())
			for from := range now {
				if !last[from] {
					t.Errorf("seed %d: %s adds a path from %s", seed, id, from)
				}
			}
			last = now
		}
		if !maps.Equal(last, left) {
			t.Errorf("seed %d: after %q there are paths from %v, want %v", seed, cut.Fixes, last, left)
		}
	}
	if cuts < 500 || exact < 300 {
		t.Errorf("%d fixes and %d searches prove nothing", cuts, exact)
	}
}

func total(ids []string, weights map[string]int) int {
	sum := 0
	for _, id := range ids {
		sum += weights[id]
	}
	return sum
}

// cheapest tries every set of fixes in fresh copies of a world; false where
// there are too many to try.
func cheapest(seed uint64, openings map[string]graph.Opening, weights map[string]int, left map[string]bool) (int, bool) {
	ids := slices.Sorted(maps.Keys(openings))
	if len(ids) == 0 || len(ids) > 5 {
		return 0, false
	}
	best := 1 << 30
	for chosen := range 1 << len(ids) {
		sum := 0
		for i, id := range ids {
			if chosen&(1<<i) != 0 {
				sum += weights[id]
			}
		}
		if sum >= best {
			continue
		}
		w := randomWorld(rand.New(rand.NewPCG(seed, 1)))
		fresh := map[string]graph.Opening{}
		w.graph().Cut(graph.ClusterAdmin, func(o graph.Opening) (graph.Fix, bool) {
			fresh[o.Resource.ID()+o.Field.String()] = o
			return graph.Fix{}, false
		})
		for i, id := range ids {
			if chosen&(1<<i) != 0 {
				mend(fresh[id])
			}
		}
		if maps.Equal(admins(w.graph()), left) {
			best = sum
		}
	}
	return best, best < 1<<30
}
