package policy

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Resources are resources of a tree as expressions see them: a list that tells
// which of it have a name, a label or a value without being walked. It may
// change between judgments, and never during one.
type Resources struct {
	*indexed
	tell func(Question) // nil: nobody wants to know
}

// Question is what a judgment asked of a list: for those that a lookup has
// under a key, or for all that it has.
type Question struct {
	Lookup string // empty: for the whole list
	Key    string
}

// Object is a resource of a list. Those of a list that changes have an Order
// that is each one's own; of others the place in the list is the order.
type Object struct {
	Order string
	Value map[string]any
}

// indexed is the list itself, which every Resources of it shares.
type indexed struct {
	entries []*entry // in order

	mu   sync.RWMutex
	list traits.Lister     // of entries, nil until somebody asks
	by   map[string]*index // by name of the lookup, those that somebody used
}

type entry struct {
	order string
	at    int // the place in a list that does not change
	value map[string]any
}

func (e *entry) compare(other *entry) int {
	return cmp.Or(cmp.Compare(e.order, other.order), cmp.Compare(e.at, other.at))
}

// lookup says under which keys a resource is found.
type lookup struct {
	name string
	keys func(o map[string]any) []string
}

type index struct {
	lookup
	entries map[string][]*entry // in order
}

// NewResources makes the list of objects as they are written, in order.
func NewResources(objects []Object) *Resources {
	block := make([]entry, len(objects))
	l := &indexed{entries: make([]*entry, len(objects)), by: map[string]*index{}}
	for i, o := range objects {
		block[i] = entry{order: o.Order, value: o.Value}
		if o.Order == "" {
			block[i].at = i
		}
		l.entries[i] = &block[i]
	}
	return &Resources{indexed: l}
}

// Telling is the same list, which tells what is asked of it.
func (r *Resources) Telling(tell func(Question)) *Resources { return &Resources{r.indexed, tell} }

// Replace puts an object with an order of its own into the place of the one of
// that order; nil was none, or is none.
func (r *Resources) Replace(order string, was, is map[string]any) {
	e := &entry{order: order, value: is}
	r.list = nil
	r.entries = replace(r.entries, e, was != nil, is != nil)
	for _, x := range r.by {
		x.replace(e, was)
	}
}

// replace keeps a list in order when an entry goes, comes, or takes the place
// of the one with its order.
func replace(entries []*entry, e *entry, had, has bool) []*entry {
	i, found := slices.BinarySearchFunc(entries, e, (*entry).compare)
	switch {
	case had && found && has:
		entries[i] = e
	case had && found:
		return slices.Delete(entries, i, i+1)
	case has && !found:
		return slices.Insert(entries, i, e)
	}
	return entries
}

func (x *index) replace(e *entry, was map[string]any) {
	old, now := []string{}, []string{}
	if was != nil {
		old = x.keys(was)
	}
	if e.value != nil {
		now = x.keys(e.value)
	}
	for _, k := range old {
		if left := replace(x.entries[k], e, true, slices.Contains(now, k)); len(left) > 0 {
			x.entries[k] = left
		} else {
			delete(x.entries, k)
		}
	}
	for _, k := range now {
		if !slices.Contains(old, k) {
			x.entries[k] = replace(x.entries[k], e, false, true)
		}
	}
}

// Questions are those whose answers may be others once an object of the list
// is another; of an object that is nil there are none.
func (r *Resources) Questions(o map[string]any) []Question {
	if o == nil {
		return nil
	}
	out := []Question{{}}
	for name, x := range r.by {
		for _, k := range x.keys(o) {
			out = append(out, Question{name, k})
		}
	}
	return out
}

// find lists the entries that a lookup has under a key.
func (r *Resources) find(l lookup, key string) []*entry {
	if r.tell != nil {
		r.tell(Question{l.name, key})
	}
	r.mu.RLock()
	x := r.by[l.name]
	r.mu.RUnlock()
	if x == nil {
		x = r.index(l)
	}
	return x.entries[key]
}

func (r *Resources) index(l lookup) *index {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.by[l.name]; x != nil {
		return x
	}
	x := &index{l, map[string][]*entry{}}
	for _, e := range r.entries {
		for _, k := range l.keys(e.value) {
			x.entries[k] = append(x.entries[k], e)
		}
	}
	r.by[l.name] = x
	return x
}

// findAny lists the entries that a lookup has under one of several keys.
func (r *Resources) findAny(l lookup, keys []string) []*entry {
	if len(keys) == 1 {
		return r.find(l, keys[0])
	}
	var out []*entry
	for _, k := range keys {
		out = append(out, r.find(l, k)...)
	}
	slices.SortFunc(out, (*entry).compare)
	return slices.Compact(out)
}

// whole is the list for who walks it.
func (r *Resources) whole() traits.Lister {
	if r.tell != nil {
		r.tell(Question{})
	}
	r.mu.RLock()
	list := r.list
	r.mu.RUnlock()
	if list != nil {
		return list
	}
	values := make([]any, len(r.entries))
	for i, e := range r.entries {
		values[i] = e.value
	}
	list, _ = types.DefaultTypeAdapter.NativeToValue(values).(traits.Lister)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = list
	return list
}

// Add implements traits.Adder, as the methods below do for the rest of traits.Lister.
func (r *Resources) Add(other ref.Val) ref.Val { return r.whole().Add(other) }

// Contains tells whether a value is in the list.
func (r *Resources) Contains(v ref.Val) ref.Val { return r.whole().Contains(v) }

// ConvertToNative is the list as a value of Go.
func (r *Resources) ConvertToNative(t reflect.Type) (any, error) {
	return r.whole().ConvertToNative(t)
}

// ConvertToType is the list as a value of another type.
func (r *Resources) ConvertToType(t ref.Type) ref.Val { return r.whole().ConvertToType(t) }

// Equal tells whether another list has the same.
func (r *Resources) Equal(other ref.Val) ref.Val { return r.whole().Equal(other) }

// Get is one of the list.
func (r *Resources) Get(i ref.Val) ref.Val { return r.whole().Get(i) }

// Iterator goes over the list.
func (r *Resources) Iterator() traits.Iterator { return r.whole().Iterator() }

// Size is how many there are.
func (r *Resources) Size() ref.Val { return r.whole().Size() }

// Type is that of a list.
func (r *Resources) Type() ref.Type { return types.ListType }

// Value is the list as it is.
func (r *Resources) Value() any { return r.whole().Value() }

// byPodLabel finds resources by each label of the pods that they make.
var byPodLabel = lookup{"label", func(o map[string]any) []string {
	apiVersion, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	_, pod, ok := manifest.PodTemplateOf(apiVersion, kind, o)
	if !ok {
		return nil
	}
	metadata, _ := pod["metadata"].(map[string]any)
	own, _ := metadata["labels"].(map[string]any)
	out := make([]string, 0, len(own))
	for k := range own {
		out = append(out, label(k, written(own).Get(k)))
	}
	return out
}}

func label(key, value string) string { return key + "\x00" + value }

// choosy is the key of those whose selector is not a map of labels.
const choosy = ""

// bySelector finds resources by a label that their own selector asks for.
var bySelector = lookup{"selector", func(o map[string]any) []string {
	spec, _ := o["spec"].(map[string]any)
	selector, _ := spec["selector"].(map[string]any)
	if len(selector) == 0 {
		return nil
	}
	if kind, _ := o["kind"].(string); !plain(kind) {
		return []string{choosy}
	}
	k := slices.Min(slices.Collect(maps.Keys(selector)))
	return []string{label(k, written(selector).Get(k))}
}}

// byField finds resources by the text that they hold at a path of keys; lists
// on the way count by each of their items, and what is absent as the empty text.
func byField(path string) lookup {
	keys := strings.Split(path, ".")
	return lookup{"field " + path, func(o map[string]any) []string { return texts(nil, o, keys) }}
}

func texts(out []string, v any, path []string) []string {
	if list, ok := v.([]any); ok && len(list) > 0 {
		for _, e := range list {
			out = texts(out, e, path)
		}
		return out
	}
	if len(path) == 0 {
		s, ok := v.(string)
		if v != nil && !ok || slices.Contains(out, s) {
			return out
		}
		return append(out, s)
	}
	m, _ := v.(map[string]any)
	return texts(out, m[path[0]], path[1:])
}
