package graph_test

import (
	"fmt"
	"testing"

	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
)

// fleet is a cluster of so many objects in 200 namespaces: pods of their own,
// services, accounts, roles and bindings.
func fleet(objects int) (*manifest.Set, graph.Options) {
	set := &manifest.Set{}
	add := func(apiVersion, kind, namespace, name string, rest object) {
		rest["apiVersion"], rest["kind"] = apiVersion, kind
		rest["metadata"] = object{"name": name, "namespace": namespace}
		set.Files = append(set.Files, manifest.FromObject("live:bench/"+namespace+"/"+kind+"/"+name, rest).File)
	}
	const rbac = "rbac.authorization.k8s.io/v1"
	rule := func(group, resource, verb string) object {
		return object{"rules": []any{object{"apiGroups": []any{group}, "resources": []any{resource}, "verbs": []any{verb}}}}
	}
	add(rbac, "ClusterRole", "", "operator", rule("*", "*", "*"))
	for i := range objects / 5 {
		namespace, name := fmt.Sprintf("ns-%d", i%200), fmt.Sprintf("app-%d", i)
		container := object{"name": "c", "image": "i"}
		if i%100 == 0 {
			container["securityContext"] = object{"privileged": true}
		}
		labels := object{"app": name}
		add("apps/v1", "Deployment", namespace, name, object{"spec": object{"template": object{
			"metadata": object{"labels": labels}, "spec": object{"serviceAccountName": name, "containers": []any{container}},
		}}})
		add("v1", "Service", namespace, name, object{"spec": object{"type": []string{"ClusterIP", "NodePort"}[i%2], "selector": labels, "ports": []any{object{"port": int64(80)}}}})
		add("v1", "ServiceAccount", namespace, name, object{})
		add(rbac, "Role", namespace, name, rule("", []string{"configmaps", "secrets", "pods"}[i%3], []string{"get", "create"}[i%2]))
		reference := object{"kind": "Role", "name": name}
		kind := "RoleBinding"
		if i%500 == 0 {
			kind, reference = "ClusterRoleBinding", object{"kind": "ClusterRole", "name": "operator"}
		}
		add(rbac, kind, namespace, name, object{"roleRef": reference, "subjects": []any{object{"kind": "ServiceAccount", "name": name, "namespace": namespace}}})
	}
	return set, graph.Options{Runs: func(r *manifest.Resource) []string {
		return []string{fmt.Sprintf("node-%d", len(r.Name)*7%50), "node-" + r.Namespace}
	}}
}

// BenchmarkGraph builds the graph of a cluster, ranks by it, lists the paths
// and cuts them.
func BenchmarkGraph(b *testing.B) {
	for _, objects := range []int{1_000, 10_000, 100_000} {
		set, o := fleet(objects)
		b.Run(fmt.Sprintf("objects=%d", objects), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				g := graph.New(set, o)
				g.Rank()
				if len(g.Paths(graph.ClusterAdmin)) == 0 {
					b.Fatal("no paths")
				}
				g.Cut(graph.ClusterAdmin, price)
			}
		})
	}
}
