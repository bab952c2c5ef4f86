package trace

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/render"
)

// Tree is what a repository decides: its resources, as written and as they are
// rendered.
type Tree struct {
	Repository string // its address; empty: not known

	byName map[object][]candidate // without a namespace
	all    []candidate
	files  map[string][]*manifest.Resource // by path
}

// candidate is a resource that may decide an object.
type candidate struct {
	namespace string
	dir       string             // of the kustomization that renders it so; empty: as written
	resource  *manifest.Resource // nil: a kustomization generates it
	value     map[string]any
	by        string // the Kustomization of Flux that renders it: namespace/name; empty: nobody in particular
}

// NewTree takes the resources of a tree, and what each of its kustomizations,
// by directory, renders.
func NewTree(set *manifest.Set, rendered map[string][]render.Object) *Tree {
	t := &Tree{byName: map[object][]candidate{}, files: map[string][]*manifest.Resource{}}
	for r := range set.Resources {
		if r.Partial {
			continue
		}
		t.add(r.Group(), r.Kind, r.Name, candidate{namespace: r.Namespace, resource: r, value: r.Value})
		t.files[r.File.Path] = append(t.files[r.File.Path], r)
	}
	for dir, objects := range rendered {
		t.render("", dir, objects)
	}
	return t
}

// Flux adds what a Kustomization of Flux, namespace/name, renders a directory to.
func (t *Tree) Flux(by, dir string, objects []render.Object) { t.render(by, dir, objects) }

func (t *Tree) render(by, dir string, objects []render.Object) {
	for _, o := range objects {
		group := manifest.GroupOf(o.APIVersion)
		t.add(group, o.Kind, o.Name, candidate{o.Namespace, dir, written(t.files[o.Origin], group, o), o.Value, by})
	}
}

func (t *Tree) add(group, kind, name string, c candidate) {
	id := object{group: group, kind: kind, name: name}
	t.byName[id] = append(t.byName[id], c)
	t.all = append(t.all, c)
}

// written is the resource of its file that was rendered as an object: the one
// of its name, or the one whose name got a prefix or a suffix.
func written(file []*manifest.Resource, group string, o render.Object) *manifest.Resource {
	var best *manifest.Resource
	for _, r := range file {
		if r.Group() == group && r.Kind == o.Kind && strings.Contains(o.Name, r.Name) && (best == nil || len(r.Name) > len(best.Name)) {
			best = r
		}
	}
	return best
}

// in tells whether a candidate is what a directory of the tree has.
func (c candidate) in(dir string) bool {
	return c.dir != "" && c.dir == dir || dir == "" || c.resource != nil && strings.HasPrefix(c.resource.File.Path, dir+"/")
}

// find looks for the resource that decides an object, and fills in which it is
// and how sure that is. Listed tells that a controller lists the object.
func (t *Tree) find(s *Source, id object, listed bool) {
	namespace := id.namespace
	id.namespace = ""
	all := t.byName[id]
	ways := []struct {
		confidence Confidence
		is         func(candidate) bool
	}{
		{Inventory, func(c candidate) bool {
			return listed && c.in(s.Path) && (c.namespace == namespace || c.namespace == "")
		}},
		{Mark, func(c candidate) bool {
			return s.Path != "" && c.in(s.Path) && (c.namespace == namespace || c.namespace == "")
		}},
		{Identity, func(c candidate) bool { return c.namespace == namespace || namespace == "" }}, // an object of the whole cluster has none, whatever a file says
		{Name, func(c candidate) bool { return c.namespace == "" }},
	}
	for _, way := range ways {
		var found []*manifest.Resource
		for _, c := range all {
			if c.resource != nil && way.is(c) && !slices.Contains(found, c.resource) {
				found = append(found, c.resource)
			}
		}
		switch {
		case len(found) == 1:
			s.Resource, s.Confidence = found[0], way.confidence
			return
		case len(found) > 1:
			s.Among = found
			return
		}
	}
}
