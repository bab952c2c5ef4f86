package policy

import (
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// place is a field as a policy names it: relative to the item that is judged,
// "." for the item itself, or from the pod template or the resource where it
// says "pod:" or "object:".
type place struct {
	from string // "", "pod" or "object"
	path manifest.Path
}

func parsePlace(s string) (place, error) {
	var p place
	if from, rest, ok := strings.Cut(s, ":"); ok && (from == "pod" || from == "object") {
		p.from, s = from, rest
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
	}
	return it.path().Join(p.path)
}
