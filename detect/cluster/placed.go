package cluster

import (
	"slices"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Runs tells the names of the nodes that the pods of a workload run on, sorted.
func (i *Inventory) Runs() func(*manifest.Resource) []string {
	byUID := map[string]map[string]any{}
	for _, o := range i.Objects {
		byUID[metadataOf(o, "uid")] = o
	}
	nodes := map[string][]string{} // by the uid of what makes the pods
	for _, o := range i.Objects {
		if node := text(field(o, "spec", "nodeName")); o["kind"] == "Pod" && node != "" {
			maker := metadataOf(topmost(o, byUID), "uid")
			nodes[maker] = append(nodes[maker], node)
		}
	}
	for maker, names := range nodes {
		slices.Sort(names)
		nodes[maker] = slices.Compact(names)
	}
	return func(r *manifest.Resource) []string { return nodes[metadataOf(r.Value, "uid")] }
}
