package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// place is a field as a policy names it: relative to the item that is judged,
// "." for the item itself, or from the pod template or the resource where it
// says "pod:" or "object:". Of a component it may be "flag:" with a name, or
// "kubelet:" with a field of the kubelet's configuration, however the resource
// writes them.
type place struct {
	from string // "", "pod", "object", "flag" or "kubelet"
	path manifest.Path
	flag string
}

// parsePlace reads a place of a policy with that scope.
func (sc scope) parsePlace(s string) (place, error) {
	var p place
	if from, rest, ok := strings.Cut(s, ":"); ok {
		switch from {
		case "flag", "kubelet":
			if sc.components == nil || from == "kubelet" && !slices.Equal(sc.components, []string{"kubelet"}) {
				return p, fmt.Errorf("%s: only a policy of components has flags, and only one of the kubelet its fields", s)
			}
			if rest == "" || rest == "." {
				return p, fmt.Errorf("%s: name the flag or the field", s)
			}
			if p.from, p.flag = from, rest; from == "flag" {
				return p, nil
			}
			s = rest
		case "pod", "object":
			p.from, s = from, rest
		}
	}
	if s == "." {
		return p, nil
	}
	var err error
	p.path, err = manifest.ParsePath(s)
	return p, err
}

// resolve is the path from the root of an item's resource.
func (p place) resolve(it *item) manifest.Path {
	switch p.from {
	case "pod":
		return it.podPath.Join(p.path)
	case "object":
		return p.path
	case "flag":
		return it.component.flags.path(p.flag)
	case "kubelet":
		_, at := it.component.kubelet.place(p.path)
		return at
	}
	return it.path().Join(p.path)
}

// stable is a path that does not change with what is written there, as the one
// that resolve gives may: a flag may be an item of a list, whose path is the item
// itself.
func (p place) stable(it *item, resolved manifest.Path) manifest.Path {
	if p.flag == "" {
		return resolved
	}
	return it.path().Key(p.from + ":" + p.flag)
}

// edits are what a resource needs for an operation at the place.
func (p place) edits(it *item, op Op, value any) ([]Edit, error) {
	switch {
	case p.from == "kubelet":
		return it.component.kubelet.edit(op, p.path, value)
	case p.from == "flag" && op == Remove:
		return it.component.flags.remove(p.flag), nil
	case p.from == "flag":
		return it.component.flags.set(p.flag, flagText(value))
	}
	return []Edit{{Op: op, Path: p.resolve(it), Value: value}}, nil
}
