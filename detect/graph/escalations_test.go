package graph_test

import (
	"slices"
	"testing"

	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/policies"
)

// TestEscalations: the table names what it may, each right once, and policies
// that are there.
func TestEscalations(t *testing.T) {
	t.Parallel()
	sources := []string{"rbac-police", "KubiScan", "krane", "rbac-tool", "kubescape", "kubernetes", "oakum"}
	leads := []string{"admin", "administer", "pods", "run", "tokens", "secrets", "nodes", "nothing"}
	seen := map[string]bool{}
	for _, e := range graph.Escalations() {
		if e.Name == "" || seen[e.Name] || e.Says == "" || len(e.Needs) == 0 || len(e.Sources) == 0 {
			t.Errorf("%q is twice in the table, or lacks a field", e.Name)
		}
		seen[e.Name] = true
		if !slices.Contains(leads, e.Leads) || !slices.Contains([]string{"", "accounts", "secrets"}, e.ByName) {
			t.Errorf("%s leads to %q, by name to %q", e.Name, e.Leads, e.ByName)
		}
		for _, n := range e.Needs {
			if len(n.Groups) == 0 || len(n.Resources) == 0 || len(n.Verbs) == 0 {
				t.Errorf("%s needs nothing: %+v", e.Name, n)
			}
		}
		for _, s := range e.Sources {
			if !slices.Contains(sources, s) {
				t.Errorf("%s comes from %q", e.Name, s)
			}
		}
		for _, name := range e.Policies {
			if _, err := policies.FS.Open(name + ".yaml"); err != nil {
				t.Errorf("%s: no policy is called %s", e.Name, name)
			}
		}
	}
	if len(seen) < 30 {
		t.Errorf("the table has %d rights", len(seen))
	}
}
