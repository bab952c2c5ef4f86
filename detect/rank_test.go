package detect_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

const ranked = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      automountServiceAccountToken: false
      containers: [{name: web, image: web, securityContext: {privileged: true}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: operator, namespace: ops}
spec: {serviceAccountName: operator, containers: [{name: operator, image: operator}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: ops}
spec: {automountServiceAccountToken: false, containers: [{name: alone, image: alone}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: operator}
rules: [{apiGroups: [""], resources: [pods], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: operator}
subjects: [{kind: ServiceAccount, name: operator, namespace: ops}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: plain, namespace: shop}
data: {password: "hunter2hunter2"}
`

func scanned(t *testing.T) (*manifest.Set, detect.Result) {
	t.Helper()
	o := detect.Options{Policies: library(t)}
	set, err := manifest.Read(fstest.MapFS{"a.yaml": {Data: []byte(ranked)}}, manifest.Options{Wants: o.Wants})
	if err != nil || len(set.Errors) > 0 {
		t.Fatal(err, set.Errors)
	}
	return set, detect.Scan(set, o)
}

// TestRank: the same policy weighs more where more is behind it.
func TestRank(t *testing.T) {
	t.Parallel()
	set, result := scanned(t)
	detect.Rank(result, graph.New(set, graph.Options{}))
	got := map[string]string{}
	for _, f := range result.Findings {
		if f.Risk != nil {
			got[f.Policy.Name+" "+f.Resource.ID()] = fmt.Sprintf("%d: %s", f.Risk.Score, strings.Join(f.Risk.Because, "; "))
		} else if f.Resource.Kind != "ConfigMap" {
			t.Errorf("%s of %s is not ranked", f.Policy.Name, f.Resource.ID())
		}
	}
	for key, want := range map[string]string{
		"privileged-container Deployment shop/web": "91: 1 path leads to cluster-admin through it; exposed by Service shop/web (NodePort)",
		"rbac-pods-create ClusterRole operator":    "47: 2 paths lead to cluster-admin through it",
		"run-as-non-root Deployment shop/web":      "45: exposed by Service shop/web (NodePort); whoever breaks in is 6 steps from cluster-admin",
		"run-as-non-root Pod ops/operator":         "33: its service account may create pods in every namespace; whoever breaks in is 4 steps from cluster-admin",
		"run-as-non-root Pod ops/alone":            "20: nothing leads to it from outside, and no path goes through it",
	} {
		if d := cmp.Diff(want, got[key]); d != "" {
			t.Errorf("%s: want and got differ:\n%s", key, d)
		}
	}
}

// TestPrices: a cut is made of findings that are there, by how bold their
// fixes are; what an owner exempted stays.
func TestPrices(t *testing.T) {
	t.Parallel()
	set, result := scanned(t)
	g := graph.New(set, graph.Options{})
	cutBy := func(bold map[string]policy.Safety) []string {
		names := map[string]string{}
		for _, f := range result.Findings {
			names[f.Fingerprint] = f.Policy.Name
		}
		var out []string
		for _, id := range g.Cut(graph.ClusterAdmin, result.Prices(func(f *detect.Finding) policy.Safety {
			if s, ok := bold[f.Policy.Name]; ok {
				return s
			}
			return policy.Manual
		})).Fixes {
			out = append(out, names[id])
		}
		return out
	}
	if d := cmp.Diff([]string{"rbac-pods-create"}, cutBy(map[string]policy.Safety{"rbac-pods-create": policy.Review})); d != "" {
		t.Errorf("want and got differ:\n%s", d)
	}
	if d := cmp.Diff([]string{"service-account-takeover"}, cutBy(map[string]policy.Safety{"service-account-takeover": policy.Safe})); d != "" {
		t.Errorf("want and got differ:\n%s", d)
	}
	for i, f := range result.Findings { // as an exemption does
		if f.Policy.Name == "rbac-pods-create" {
			result.Findings = append(result.Findings[:i:i], result.Findings[i+1:]...)
			break
		}
	}
	if got := cutBy(map[string]policy.Safety{"rbac-pods-create": policy.Safe}); len(got) != 1 || got[0] == "rbac-pods-create" {
		t.Errorf("the cut is %q", got)
	}
}
