package fixers

import (
	"path"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Neighbours are the resources of a set by where they belong: to a namespace
// or, where they leave it open, to the others of their directory that do.
type Neighbours struct {
	of    map[string][]*manifest.Resource
	mixed map[string]bool // directories with workloads of several namespaces
}

// NewNeighbours sorts the resources of a set.
func NewNeighbours(set *manifest.Set) *Neighbours {
	n := &Neighbours{of: map[string][]*manifest.Resource{}, mixed: map[string]bool{}}
	namespace := map[string]string{} // of the first workload of a directory
	for r := range set.Resources {
		home, dir := home(r), path.Dir(r.File.Path)
		n.of[home] = append(n.of[home], r)
		if _, ok := r.MakesPods(); !ok || r.Partial {
			continue
		}
		if first, ok := namespace[dir]; ok && first != r.Namespace {
			n.mixed[dir] = true
		} else {
			namespace[dir] = r.Namespace
		}
	}
	return n
}

// home is a directory with a slash, or a namespace without.
func home(r *manifest.Resource) string {
	if r.Namespace == "" {
		return "/" + path.Dir(r.File.Path)
	}
	return r.Namespace
}

// Of lists the neighbours of a resource, itself among them, in the set's order.
func (n *Neighbours) Of(r *manifest.Resource) []*manifest.Resource { return n.of[home(r)] }
