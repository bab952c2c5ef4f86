package policy

import (
	"maps"
	"reflect"
	"slices"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Difference lists the edits that make after of before, two values of one
// resource: fields are set and removed, items that come behind a list's last
// are appended. A list whose items are reordered, or inserted or taken from
// among others, is set as a whole.
func Difference(before, after map[string]any) []Edit { return mapEdits(nil, nil, before, after) }

func mapEdits(edits []Edit, at manifest.Path, before, after map[string]any) []Edit {
	for _, k := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[k]; !ok {
			edits = append(edits, Edit{Op: Remove, Path: at.Key(k)})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(after)) {
		was, ok := before[k]
		if !ok {
			edits = append(edits, Edit{Op: Set, Path: at.Key(k), Value: after[k]})
			continue
		}
		edits = valueEdits(edits, at.Key(k), was, after[k])
	}
	return edits
}

func valueEdits(edits []Edit, at manifest.Path, before, after any) []Edit {
	if reflect.DeepEqual(before, after) {
		return edits
	}
	switch was := before.(type) {
	case map[string]any:
		if is, ok := after.(map[string]any); ok {
			return mapEdits(edits, at, was, is)
		}
	case []any:
		if is, ok := after.([]any); ok && aligned(at, was, is) {
			for i := range was {
				step := manifest.ItemStep(name(at), was, i)
				edits = valueEdits(edits, append(at.Key(), step), was[i], is[i])
			}
			for _, item := range is[len(was):] {
				edits = append(edits, Edit{Op: Append, Path: at, Value: item})
			}
			return edits
		}
	}
	return append(edits, Edit{Op: Set, Path: at, Value: after})
}

// aligned tells whether the items of a list are those of another that begins
// with them: they are told apart by the same keys, or are mappings in place.
func aligned(at manifest.Path, before, after []any) bool {
	if len(after) < len(before) {
		return false
	}
	for i := range before {
		was, is := manifest.ItemStep(name(at), before, i), manifest.ItemStep(name(at), after, i)
		if was != is {
			return false
		}
		_, mapping := before[i].(map[string]any)
		_, still := after[i].(map[string]any)
		if !mapping || !still {
			if !reflect.DeepEqual(before[i], after[i]) {
				return false
			}
		}
	}
	// What is appended must not be there already: an append leaves that alone.
	for _, item := range after[len(before):] {
		if slices.ContainsFunc(before, func(b any) bool { return reflect.DeepEqual(b, item) }) {
			return false
		}
	}
	return true
}

// name is the key that a path ends in.
func name(at manifest.Path) string {
	for _, s := range slices.Backward(at) {
		if !s.Item {
			return s.Key
		}
	}
	return ""
}
