package trace

import (
	"iter"
	"path"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Desired is an object as the tree would have it.
type Desired struct {
	APIVersion, Kind, Namespace, Name string // Namespace is empty where the tree leaves it open

	Dir      string             // of the kustomization that renders it; empty: as it is written
	By       string             // the Kustomization of Flux that renders it, namespace/name; empty: any
	Resource *manifest.Resource // where it is written; nil: a kustomization generates it
	Value    map[string]any
}

// Unit is what is applied together: what a kustomization renders, or the
// resources that are written in one directory.
type Unit struct {
	Dir      string
	Rendered bool
	By       string // the Kustomization of Flux that renders it, namespace/name; empty: any
}

// Unit is the one that an object belongs to.
func (d Desired) Unit() Unit {
	if d.Dir != "" {
		return Unit{d.Dir, true, d.By}
	}
	return Unit{path.Dir(d.Resource.File.Path), false, ""}
}

func (c candidate) desired() Desired {
	kind, _ := c.value["kind"].(string)
	apiVersion, _ := c.value["apiVersion"].(string)
	return Desired{
		APIVersion: apiVersion, Kind: kind, Namespace: c.namespace, Name: text(c.value, "metadata", "name"),
		Dir: c.dir, By: c.by, Resource: c.resource, Value: c.value,
	}
}

// All is everything that the tree would have in a cluster, in every way in
// which it may be applied.
func (t *Tree) All() iter.Seq[Desired] {
	return func(yield func(Desired) bool) {
		for _, c := range t.all {
			if !yield(c.desired()) {
				return
			}
		}
	}
}

// Desired says what decides an object, and how the tree would have it: in
// several ways where several kustomizations render it and nobody says which of
// them is applied, in none where something else makes the object.
func (t *Tracer) Desired(r *manifest.Resource) (Source, []Desired) {
	s := t.Source(r)
	if t.tree == nil || s.Owner != "" || s.Repository != "" && t.tree.Repository != "" && !sameRepository(s.Repository, t.tree.Repository) {
		return s, nil
	}
	id := objectOf(r)
	id.namespace = ""
	by := ""
	if c := s.Controller; c != nil && c.Group() == fluxKustomize {
		by = c.Namespace + "/" + c.Name
	}
	var open, exact, told, its []Desired
	for _, c := range t.tree.byName[id] {
		if c.namespace != "" && r.Namespace != "" && c.namespace != r.Namespace {
			continue
		}
		d := c.desired()
		if c.by != "" {
			if c.by == by {
				its = append(its, d)
			}
			continue
		}
		open = append(open, d)
		if c.namespace == r.Namespace || r.Namespace == "" {
			exact = append(exact, d)
		}
		if s.Path != "" && c.in(s.Path) {
			told = append(told, d)
		}
	}
	switch {
	case len(its) > 0:
		return s, its
	case len(told) > 0:
		return s, told
	case len(exact) > 0:
		return s, exact
	}
	return s, open
}
