package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/decls"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// selects tells whether a label selector, with matchLabels and
// matchExpressions, selects something by its labels (metav1.LabelSelector).
// The empty selector selects everything.
func selects() cel.EnvOption {
	match := func(selector, set ref.Val) ref.Val {
		s, err := stringMap(selector)
		if err != nil {
			return types.WrapErr(err)
		}
		l, err := stringMap(set)
		if err != nil {
			return types.WrapErr(err)
		}
		parsed, err := parseSelector(s)
		if err != nil {
			return types.WrapErr(err)
		}
		is := labels.Set{}
		for k, v := range l {
			is[k], _ = v.(string)
		}
		return types.Bool(parsed.Matches(is))
	}
	return cel.Function("selects", cel.Overload("selects_selector_labels", []*cel.Type{cel.DynType, cel.DynType}, cel.BoolType,
		cel.BinaryBinding(match)))
}

// stringMap is a CEL map as a resource has it.
func stringMap(v ref.Val) (map[string]any, error) {
	if m, ok := v.Value().(map[string]any); ok {
		return m, nil
	}
	n, err := native(v)
	if err != nil {
		return nil, err
	}
	m, ok := n.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a %s is not a map", v.Type().TypeName())
	}
	return m, nil
}

func parseSelector(selector map[string]any) (labels.Selector, error) {
	plain, only := selector["matchLabels"].(map[string]any)
	if only && len(selector) == 1 { // nearly all are like this, and asked very often
		set := make(labels.Set, len(plain))
		for k, v := range plain {
			set[k], _ = v.(string)
		}
		return labels.SelectorFromSet(set), nil
	}
	var s metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(selector, &s); err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(&s)
}

// podTemplate gives the pod template of an object, if it makes pods.
func podTemplate(s *schema) cel.EnvOption {
	template := func(object ref.Val) ref.Val {
		o, err := stringMap(object)
		if err != nil {
			return types.WrapErr(err)
		}
		apiVersion, _ := o["apiVersion"].(string)
		kind, _ := o["kind"].(string)
		_, pod, ok := manifest.PodTemplateOf(apiVersion, kind, o)
		if !ok {
			return types.OptionalNone
		}
		return types.OptionalOf(types.DefaultTypeAdapter.NativeToValue(pod))
	}
	return cel.Function("podTemplate", cel.Overload("pod_template_object", []*cel.Type{cel.DynType},
		cel.OptionalType(s.celType(kindTypes[manifest.PodKind])), cel.UnaryBinding(template)))
}

// selecting gives those resources of a list whose own selector selects
// something with these labels: the map of a Service, the label selector of
// others. An empty selector selects nothing here.
func selecting() cel.EnvOption {
	return filter("selecting", func(labelsOf ref.Val) (subset, error) {
		set, err := labelSet(labelsOf)
		if err != nil {
			return subset{}, err
		}
		holds := func(o map[string]any) (bool, error) {
			spec, _ := o["spec"].(map[string]any)
			selector, _ := spec["selector"].(map[string]any)
			if len(selector) == 0 {
				return false, nil
			}
			if kind, _ := o["kind"].(string); plain(kind) {
				return covers(set, selector), nil
			}
			parsed, err := parseSelector(selector)
			return err == nil && parsed.Matches(set), err
		}
		keys := []string{choosy}
		for k, v := range set {
			keys = append(keys, label(k, v))
		}
		return subset{holds, func(r *Resources) []*entry { return r.findAny(bySelector, keys) }}, nil
	})
}

// plain tells kinds whose selector is a map of labels.
func plain(kind string) bool { return kind == "Service" || kind == "ReplicationController" }

// selected gives those resources of a list whose pods a label selector selects.
func selected() cel.EnvOption {
	return filter("selected", func(selector ref.Val) (subset, error) {
		s, err := stringMap(selector)
		if err != nil {
			return subset{}, err
		}
		parsed, err := parseSelector(s)
		if err != nil {
			return subset{}, err
		}
		holds := func(o map[string]any) (bool, error) {
			apiVersion, _ := o["apiVersion"].(string)
			kind, _ := o["kind"].(string)
			_, pod, ok := manifest.PodTemplateOf(apiVersion, kind, o)
			if !ok {
				return false, nil
			}
			metadata, _ := pod["metadata"].(map[string]any)
			own, _ := metadata["labels"].(map[string]any)
			return parsed.Matches(written(own)), nil
		}
		exact, _ := s["matchLabels"].(map[string]any)
		if len(exact) == 0 {
			return subset{holds: holds}, nil
		}
		return subset{holds, func(r *Resources) []*entry {
			var rarest []*entry
			first := true
			for _, k := range slices.Sorted(maps.Keys(exact)) {
				if these := r.find(byPodLabel, label(k, written(exact).Get(k))); first || len(these) < len(rarest) {
					rarest, first = these, false
				}
				if len(rarest) == 0 {
					break
				}
			}
			return rarest
		}}, nil
	})
}

// named gives those resources of a list that have a name, or one of a list of names.
func named() cel.EnvOption {
	return filter("named", func(wanted ref.Val) (subset, error) {
		names := oneOrMore(wanted)
		holds := func(o map[string]any) (bool, error) {
			metadata, _ := o["metadata"].(map[string]any)
			is, ok := metadata["name"].(string)
			return ok && slices.Contains(names, is), nil
		}
		return subset{holds, func(r *Resources) []*entry { return r.findAny(byName, names) }}, nil
	})
}

var byName = byField("metadata.name")

// holding gives those resources of a list that hold a text, or one of a list
// of texts, at a path of keys. Lists on the way count by each of their items;
// what is absent counts as empty.
func holding() cel.EnvOption {
	resources := cel.ListType(cel.DynType)
	return cel.Function("holding", unguarded, cel.Overload("holding_list_string_dyn", []*cel.Type{resources, cel.StringType, cel.DynType}, resources,
		cel.FunctionBinding(func(args ...ref.Val) ref.Val {
			path, ok := args[1].(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(args[1])
			}
			by, wanted := byField(string(path)), oneOrMore(args[2])
			return filtered(args[0], subset{
				func(o map[string]any) (bool, error) {
					return slices.ContainsFunc(by.keys(o), func(s string) bool { return slices.Contains(wanted, s) }), nil
				},
				func(r *Resources) []*entry { return r.findAny(by, wanted) },
			})
		})))
}

// oneOrMore are the texts of a list, or the only one.
func oneOrMore(v ref.Val) []string {
	list, ok := v.(traits.Lister)
	if !ok {
		s, _ := v.Value().(string)
		return []string{s}
	}
	out := []string{}
	for i := list.Iterator(); i.HasNext() == types.True; {
		s, _ := i.Next().Value().(string)
		out = append(out, s)
	}
	return out
}

// unguarded functions are called whatever their arguments are, which they look
// at themselves: a guard would walk a list of resources to see what is in it, and
// a judgment would seem to depend on all of them.
var unguarded = decls.DisableTypeGuards(true)

// subset says which resources of a list a filter gives.
type subset struct {
	holds func(map[string]any) (bool, error)
	among func(*Resources) []*entry // those for which it may hold, in order; nil: any
}

// filter is a function that gives a part of a list of resources. A loop in an
// expression would cost a hundred times as much.
func filter(name string, by func(ref.Val) (subset, error)) cel.EnvOption {
	resources := cel.ListType(cel.DynType)
	return cel.Function(name, unguarded, cel.Overload(name+"_list_dyn", []*cel.Type{resources, cel.DynType}, resources,
		cel.BinaryBinding(func(list, what ref.Val) ref.Val {
			p, err := by(what)
			if err != nil {
				return types.WrapErr(err)
			}
			return filtered(list, p)
		})))
}

func filtered(list ref.Val, p subset) ref.Val {
	out := []ref.Val{}
	if known, ok := list.(*Resources); ok && p.among != nil {
		for _, e := range p.among(known) {
			ok, err := p.holds(e.value)
			if err != nil {
				return types.WrapErr(err)
			}
			if ok {
				out = append(out, types.DefaultTypeAdapter.NativeToValue(e.value))
			}
		}
		return types.DefaultTypeAdapter.NativeToValue(out)
	}
	l, ok := list.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(list)
	}
	for i := l.Iterator(); i.HasNext() == types.True; {
		v := i.Next()
		o, err := stringMap(v)
		if err != nil {
			return types.WrapErr(err)
		}
		ok, err := p.holds(o)
		if err != nil {
			return types.WrapErr(err)
		}
		if ok {
			out = append(out, v)
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(out)
}

// written are labels as a manifest holds them.
type written map[string]any

// Has tells whether there is such a label.
func (w written) Has(label string) bool { _, ok := w[label]; return ok }

// Get is the value of a label.
func (w written) Get(label string) string { s, _ := w[label].(string); return s }

// Lookup is the value of a label, and whether it is there.
func (w written) Lookup(label string) (string, bool) { return w.Get(label), w.Has(label) }

func labelSet(v ref.Val) (labels.Set, error) {
	m, err := stringMap(v)
	set := make(labels.Set, len(m))
	for k, v := range m {
		set[k], _ = v.(string)
	}
	return set, err
}

// covers tells whether labels have everything that a map of a selector asks for.
func covers(set labels.Set, selector map[string]any) bool {
	for k, v := range selector {
		if is, ok := set[k]; !ok || is != v {
			return false
		}
	}
	return true
}
