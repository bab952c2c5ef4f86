package render

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Change is one field of a rendered object that differs; nil stands for an
// absent one. An object that is new or gone differs at the empty path.
type Change struct {
	Object        Object
	Path          string
	Before, After any
}

// Compare says how two builds of one root differ.
func Compare(was, is []Object) []Change {
	var out []Change
	old := map[string]Object{}
	for i, o := range was {
		old[key(old, o, i)] = o
	}
	seen := map[string]Object{}
	for i, o := range is {
		k := key(seen, o, i)
		seen[k] = o
		b, ok := old[k]
		if !ok {
			out = append(out, Change{Object: o, After: o.Value})
			continue
		}
		for _, d := range Differences(b.Value, o.Value) {
			d.Object = o
			out = append(out, d)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(old)) {
		if _, ok := seen[k]; !ok {
			out = append(out, Change{Object: old[k], Before: old[k].Value})
		}
	}
	return out
}

// key identifies an object, in whatever version of its API it is written; the
// number keeps apart what kustomize lets through twice.
func key(taken map[string]Object, o Object, i int) string {
	group, _, named := strings.Cut(o.APIVersion, "/")
	if !named {
		group = "" // the core group
	}
	k := group + "\x00" + o.ID()
	if _, ok := taken[k]; ok {
		k += strconv.Itoa(i)
	}
	return k
}

// Differences lists the leaves in which two objects differ, by path.
func Differences(before, after map[string]any) []Change {
	var out []Change
	differences(nil, before, after, &out)
	return out
}

func differences(path manifest.Path, b, a any, out *[]Change) {
	if reflect.DeepEqual(b, a) {
		return
	}
	bm, okB := b.(map[string]any)
	am, okA := a.(map[string]any)
	if (okB || b == nil) && (okA || a == nil) && len(bm)+len(am) > 0 {
		keys := maps.Clone(bm)
		if keys == nil {
			keys = map[string]any{}
		}
		maps.Copy(keys, am)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			differences(path.Key(k), bm[k], am[k], out)
		}
		return
	}
	bl, okB := b.([]any)
	al, okA := a.([]any)
	if okB && okA {
		listDifferences(path, bl, al, out)
		return
	}
	*out = append(*out, Change{Path: path.String(), Before: b, After: a})
}

func listDifferences(path manifest.Path, b, a []any, out *[]Change) {
	name := ""
	if len(path) > 0 {
		name = path[len(path)-1].Key
	}
	index := func(items []any) (map[string]any, []string) {
		byStep, order := map[string]any{}, []string{}
		for i, item := range items {
			s := manifest.Path{manifest.ItemStep(name, items, i)}.String()
			byStep[s] = item
			order = append(order, s)
		}
		return byStep, order
	}
	was, order := index(b)
	is, more := index(a)
	if !slices.Equal(common(order, is), common(more, was)) {
		// The order of arguments and variables has a meaning of its own.
		*out = append(*out, Change{Path: path.String(), Before: b, After: a})
	}
	for _, s := range more {
		if _, ok := was[s]; !ok {
			order = append(order, s)
		}
	}
	for _, s := range order {
		step, err := manifest.ParsePath(s)
		if err != nil {
			step = manifest.Path{{Key: s}} // a name that cannot be written as a path still tells items apart
		}
		differences(path.Join(step), was[s], is[s], out)
	}
}

// common lists the steps that the other list has too, in their order.
func common(steps []string, other map[string]any) []string {
	return slices.DeleteFunc(slices.Clone(steps), func(s string) bool { _, ok := other[s]; return !ok })
}
