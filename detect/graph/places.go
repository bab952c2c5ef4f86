package graph

import (
	"path"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// open begins the name of a namespace that files leave to whoever applies
// them; their directory follows.
const open = "\x00"

// places tells in which namespace a resource will be. What a file leaves open
// is where the rest of its directory is, if that is one namespace; else the
// directory counts as a namespace of its own.
type places map[string]string // by directory, where it is one

func newPlaces(set *manifest.Set) places {
	written, subjects := places{}, places{}
	add := func(to places, dir, namespace string) {
		if namespace == "" || namespace == system {
			return // what reaches over there does not say where it is itself
		}
		if known, ok := to[dir]; ok && known != namespace {
			namespace = ""
		}
		to[dir] = namespace
	}
	for r := range set.Resources {
		if r.File.Form == manifest.Live {
			continue
		}
		dir := path.Dir(r.File.Path)
		add(written, dir, r.Namespace)
		switch r.Kind {
		case "Namespace":
			add(written, dir, r.Name)
		case "RoleBinding", "ClusterRoleBinding":
			for _, s := range list(r.Value, "subjects") {
				add(subjects, dir, text(s, "namespace"))
			}
		}
	}
	for dir, namespace := range subjects {
		if _, ok := written[dir]; !ok {
			written[dir] = namespace
		}
	}
	return written
}

// of is the namespace of a resource that lives in one.
func (p places) of(r *manifest.Resource) string {
	if r.Namespace != "" {
		return r.Namespace
	}
	dir := path.Dir(r.File.Path)
	if namespace := p[dir]; namespace != "" {
		return namespace
	}
	return open + dir
}

// system is the namespace of the cluster's own parts.
const system = "kube-system"

// counts tells resources that say something: fragments of files do not, but
// objects that the control plane keeps do.
func counts(r *manifest.Resource) bool { return !r.Partial || r.File.Form == manifest.Live }

// field is the value that keys lead to, nil where there is none.
func field(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func text(v any, keys ...string) string {
	s, _ := field(v, keys...).(string)
	return s
}

func list(v any, keys ...string) []any {
	l, _ := field(v, keys...).([]any)
	return l
}

func texts(v any, keys ...string) []string {
	var out []string
	for _, e := range list(v, keys...) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
