package cluster_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/manifest"
)

// TestView: whatever comes and goes, the set is that of an inventory of the
// same objects, and so is what the changes add up to.
func TestView(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	objects := map[string]map[string]any{}
	kinds := []string{"Deployment", "ReplicaSet", "StatefulSet", "Pod", "Prometheus", "Node"}
	// Owners make what they own; some own themselves, or each other.
	some := func() (string, map[string]any) {
		kind, name := kinds[r.IntN(len(kinds))], fmt.Sprint("o", r.IntN(6))
		var owner map[string]any
		if r.IntN(3) > 0 {
			owner = map[string]any{"kind": kinds[r.IntN(4)], "name": "x", "uid": fmt.Sprint("u", r.IntN(8)), "controller": r.IntN(5) > 0}
		}
		o := object(kind, name, fmt.Sprint("u", r.IntN(8)), owner)
		if kind == "Node" {
			delete(o["metadata"].(map[string]any), "namespace")
			o["metadata"].(map[string]any)["labels"] = []map[string]any{{"eks.amazonaws.com/x": "y"}, {"kubernetes.azure.com/x": "y"}, {}}[r.IntN(3)]
		}
		return kind + "/" + name, o
	}
	now := func(version string) *cluster.Inventory {
		i := &cluster.Inventory{Cluster: "prod", Kubernetes: version}
		for _, name := range slices.Sorted(maps.Keys(objects)) {
			i.Objects = append(i.Objects, objects[name])
		}
		return i
	}
	view := now("v1.36.0").View()
	told := map[string]*manifest.Resource{}
	for r := range view.Set().Resources {
		told[r.File.Path] = r
	}
	hidden := 0
	for step := range 3000 {
		version := "v1.36." + fmt.Sprint(r.IntN(2))
		var changes []cluster.Change
		for range r.IntN(3) + 1 {
			name, o := some()
			c := cluster.Change{Old: objects[name], New: o}
			if r.IntN(3) == 0 {
				c.New = nil
			}
			if c.Old == nil && c.New == nil {
				continue
			}
			if objects[name] = c.New; c.New == nil {
				delete(objects, name)
			}
			changes = append(changes, c)
		}
		for _, c := range view.Apply(version, changes) {
			if c.New != nil {
				if (c.Old == nil) != (told[c.New.File.Path] == nil) {
					t.Fatalf("step %d: %s came, and was there: %t", step, c.New.File.Path, told[c.New.File.Path] != nil)
				}
				told[c.New.File.Path] = c.New
				continue
			}
			if told[c.Old.File.Path] == nil {
				t.Fatalf("step %d: %s went, and was not there", step, c.Old.File.Path)
			}
			delete(told, c.Old.File.Path)
		}
		inventory := now(version)
		want, got, added := map[string]any{}, map[string]any{}, map[string]any{}
		for r := range inventory.Set().Resources {
			want[r.File.Path] = r.Value
		}
		for r := range view.Set().Resources {
			got[r.File.Path] = r.Value
		}
		for name, r := range told {
			added[name] = r.Value
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("step %d: the view differs from the inventory:\n%s", step, d)
		}
		if d := cmp.Diff(want, added); d != "" {
			t.Fatalf("step %d: the changes differ from the inventory:\n%s", step, d)
		}
		if view.Provider() != inventory.Provider() || view.Minor() != inventory.Minor() || len(view.Inventory().Objects) != len(inventory.Objects) {
			t.Fatalf("step %d: %s 1.%d, want %s 1.%d", step, view.Provider(), view.Minor(), inventory.Provider(), inventory.Minor())
		}
		hidden += len(objects) + 1 - len(want)
	}
	if hidden == 0 {
		t.Error("nothing was ever made by a workload: it proves nothing")
	}
}
