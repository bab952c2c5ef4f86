package manifest

import (
	"cmp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Live is the form of an object as it lives in a cluster: it stands in no
// file, and its positions have no line.
const Live Form = "live"

// FromObject makes a resource of an object as it lives in a cluster. Name says
// where that is, as the path of a file would. Values are maps, slices,
// strings, bools, int64 and float64; nulls are dropped from it.
func FromObject(name string, object map[string]any, workloads ...Workload) *Resource {
	f := &File{Path: name, Form: Live, workloads: workloads}
	withoutNulls(object)
	r := &Resource{File: f, Value: object}
	r.APIVersion, _ = object["apiVersion"].(string)
	r.Kind, _ = object["kind"].(string)
	meta, _ := object["metadata"].(map[string]any)
	r.Name, _ = meta["name"].(string)
	r.Namespace, _ = meta["namespace"].(string)
	f.Resources = []*Resource{r}
	return r
}

// CompareObjects orders objects of one cluster: by kind, version, namespace and name.
func CompareObjects(a, b *Resource) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.APIVersion, b.APIVersion), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// Change is an object that became another. Old is nil for one that is new, New
// for one that is gone; else both have the same kind, namespace and name.
type Change struct{ Old, New *Resource }

func withoutNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
			} else {
				withoutNulls(e)
			}
		}
	case []any:
		for _, e := range v {
			withoutNulls(e)
		}
	}
}

// liveField follows a path through the values of an object that has no text.
func (r *Resource) liveField(path Path) Field {
	v, present := follow(r.Value, path)
	return Field{Path: path, Present: present, Node: FromValue(v)}
}

// Has tells whether a field is written.
func (r *Resource) Has(path Path) bool {
	if r.Node == nil { // without making nodes of what is there
		_, ok := follow(r.Value, path)
		return ok
	}
	return r.Field(path).Present
}

// ValueAt is the value of a field, as the API server reads it.
func (r *Resource) ValueAt(path Path) (any, bool) {
	if r.Node == nil {
		return follow(r.Value, path)
	}
	f := r.Field(path)
	if !f.Present {
		return nil, false
	}
	v, err := ToValue(f.Node)
	return v, err == nil
}

// follow is what a path leads to or, where it is absent, the deepest value on the way.
func follow(v any, path Path) (any, bool) {
	for _, s := range path {
		next, ok := step(v, s)
		if !ok {
			return v, false
		}
		v = next
	}
	return v, true
}

func step(v any, s Step) (any, bool) {
	if !s.Item {
		m, _ := v.(map[string]any)
		next, ok := m[s.Key]
		return next, ok
	}
	list, _ := v.([]any)
	for i, e := range list {
		switch {
		case s.By != "":
			m, _ := e.(map[string]any)
			if is, ok := m[s.By]; ok && scalar(is) == s.Value {
				return e, true
			}
		case s.Value != "":
			if scalar(e) == s.Value {
				return e, true
			}
		case i == s.Index:
			return e, true
		}
	}
	return nil, false
}

// scalar is how a value is written, empty for what is none.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return ""
}

// FromValue is the node that ToValue reads as v.
func FromValue(v any) *yaml.Node {
	n := &yaml.Node{}
	if err := n.Encode(v); err != nil {
		return &yaml.Node{Kind: yaml.ScalarNode} // nothing of what objects are made of
	}
	return n
}
