package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	corev1 "k8s.io/api/core/v1"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// securityContexts is what each says to judge the security context of the pod
// and that of every container, written or not: several fields may stand in
// both, and the container's own wins.
const securityContexts = "securityContexts"

// scope is what the expressions of a policy can see, by the names they see it.
type scope struct {
	pods       bool          // object is a workload, pod its template
	each       manifest.Path // from pod template, or object, to the list or map that is iterated
	container  bool          // iterates over containers; each goes on inside one
	contexts   bool          // iterates over the security contexts of the pod and of its containers
	item       string        // name of the item's variable, empty when nothing is iterated
	mapping    bool          // the items are those of a map: key and value
	components []string      // object configures one of them
	base       reflect.Type  // type of pod or object, nil when dynamic
	itemType   reflect.Type  // nil when dynamic
}

// Scope tells what a policy of oakum's own goes over, for those who say the
// same in another language.
type Scope struct {
	Pods       bool          // object is a workload, pod its template
	Containers bool          // goes over the containers of all lists; Path goes on in each
	Contexts   bool          // goes over the security contexts of the pod and of its containers
	Path       manifest.Path // to the list or mapping that is gone over, empty for none
	Item       string        // the name of what it holds, empty where nothing is gone over
	Mapping    bool          // it is a mapping: key and value
}

// Scope tells what a policy of oakum's own goes over. The error is one of
// compiling it.
func (p *Policy) Scope() (Scope, error) {
	c, err := p.ready()
	if err != nil {
		return Scope{}, err
	}
	sc := c.scope
	return Scope{Pods: sc.pods, Containers: sc.container, Contexts: sc.contexts, Path: sc.each, Item: sc.item, Mapping: sc.mapping}, nil
}

// itemNames are the names of items by the list they stand in.
var itemNames = map[string]string{
	"volumes": "volume", "volumeMounts": "mount", "ports": "port", "env": "env", "envFrom": "envFrom",
	"rules": "rule", "subjects": "subject", "sysctls": "sysctl", "tls": "tls", "webhooks": "webhook", "add": "capability",
}

func newScope(m Match, s *schema) (scope, error) {
	sc := scope{components: m.Components}
	for _, name := range m.Components {
		if names := componentNames(); !slices.Contains(names, name) {
			return sc, fmt.Errorf("no component is called %q; there are %q", name, names)
		}
	}
	for i, k := range m.Kinds {
		if k == manifest.PodKind {
			sc.pods = true
		}
		t := kindTypes[k[strings.LastIndexByte(k, '/')+1:]]
		if i == 0 {
			sc.base = t
		} else if sc.base != t {
			sc.base = commonBase(sc.base, t, m.Each, s)
		}
	}
	if sc.pods && len(m.Kinds) > 1 {
		return sc, fmt.Errorf("kind Pod already means every workload: it cannot stand beside %q", m.Kinds)
	}
	if m.Each == "" {
		return sc, nil
	}
	path, err := manifest.ParsePath(m.Each)
	if err != nil {
		return sc, err
	}
	t := sc.base
	if m.Each == securityContexts && sc.pods {
		sc.contexts, sc.item, sc.itemType = true, "securityContext", reflect.TypeFor[corev1.SecurityContext]()
		return sc, nil
	}
	if path[0].Key == "containers" && sc.pods {
		sc.container, path = true, path[1:]
		t, _ = s.field(t, "spec")
		t, _ = s.field(t, "containers")
		t = t.Elem()
		sc.item, sc.itemType = "container", t
	}
	sc.each = path
	if len(path) == 0 {
		return sc, nil
	}
	for _, step := range path {
		if t == nil {
			break
		}
		next, ok := s.field(t, step.Key)
		if !ok {
			return sc, fmt.Errorf("each: %s has no field %q", typeName(deref(t)), step.Key)
		}
		t = deref(next)
	}
	last := path[len(path)-1].Key
	sc.item, sc.itemType = itemNames[last], nil
	if sc.item == "" {
		sc.item = "item"
	}
	if t != nil {
		switch t.Kind() {
		case reflect.Slice:
			sc.itemType = t.Elem()
		case reflect.Map:
			sc.mapping, sc.item = true, "value"
			sc.itemType = t.Elem()
		default:
			return sc, fmt.Errorf("each: %s is neither a list nor a map", m.Each)
		}
	}
	return sc, nil
}

// commonBase keeps a type for kinds that differ but agree on the field that is iterated.
func commonBase(a, b reflect.Type, each string, s *schema) reflect.Type {
	if a == nil || b == nil || each == "" {
		return nil
	}
	first, _, _ := strings.Cut(each, ".")
	fa, oka := s.field(a, first)
	fb, okb := s.field(b, first)
	if oka && okb && fa == fb {
		return a
	}
	return nil
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// declare gives the environment the names of the scope and of the parameters.
func (sc scope) declare(env *cel.Env, s *schema, p *Policy) (*cel.Env, error) {
	typed := func(t reflect.Type) *cel.Type {
		if t == nil {
			return cel.DynType
		}
		return s.celType(t)
	}
	options := []cel.EnvOption{
		cel.Variable("kubernetes", cel.IntType),
		cel.Variable("today", cel.StringType),
		cel.Variable("live", cel.BoolType),
		cel.Variable("namespaceName", cel.StringType),
	}
	if sc.pods {
		options = append(options, cel.Variable("object", cel.DynType), cel.Variable("pod", typed(sc.base)),
			cel.Variable("serviceAccount", cel.OptionalType(typed(kindTypes["ServiceAccount"]))),
			cel.Variable("bindings", cel.ListType(cel.StringType)), cel.Variable("exposure", cel.ListType(cel.StringType)))
	} else if len(p.Match.Kinds) > 1 {
		options = append(options, cel.Variable("object", cel.DynType))
	} else {
		options = append(options, cel.Variable("object", typed(sc.base)))
	}
	if sc.container || sc.contexts {
		t, _ := s.field(sc.base, "spec")
		t, _ = s.field(t, "containers")
		options = append(options, cel.Variable("container", s.celType(t.Elem())), cel.Variable("containerList", cel.StringType))
	}
	if sc.container {
		options = append(options, cel.Variable("vulnerabilities", cel.OptionalType(cel.ListType(typed(vulnerabilityType)))))
	}
	if sc.contexts {
		options = append(options, cel.Variable("holder", cel.StringType))
	}
	if sc.components != nil {
		options = append(options, cel.Variable("component", cel.StringType), cel.Variable("whole", cel.BoolType),
			cel.Variable("flags", cel.MapType(cel.StringType, cel.StringType)))
		if slices.Equal(sc.components, []string{"kubelet"}) {
			options = append(options, cel.Variable("kubelet", s.celType(reflect.TypeFor[kubeletConfiguration]())))
		}
	}
	if sc.mapping {
		options = append(options, cel.Variable("key", cel.StringType))
	}
	if len(sc.each) > 0 && !sc.mapping {
		options = append(options, cel.Variable("index", cel.IntType))
	}
	if sc.item != "" && sc.item != "container" {
		options = append(options, cel.Variable(sc.item, typed(sc.itemType)))
	}
	for _, r := range p.Related {
		t := cel.DynType
		if len(r.Kinds) == 1 && r.Kinds[0] != manifest.PodKind {
			t = typed(kindTypes[r.Kinds[0]])
		}
		options = append(options, cel.Variable(r.Name, cel.ListType(t)))
	}
	for name, param := range p.Parameters {
		options = append(options, cel.Variable("params."+name, typeOf(param.Default)))
	}
	return env.Extend(options...)
}

// typeOf is the CEL type of a parameter, from its default.
func typeOf(v any) *cel.Type {
	switch v := v.(type) {
	case string:
		return cel.StringType
	case bool:
		return cel.BoolType
	case int64:
		return cel.IntType
	case float64:
		return cel.DoubleType
	case []any:
		if len(v) == 0 {
			return cel.ListType(cel.StringType)
		}
		return cel.ListType(typeOf(v[0]))
	case map[string]any:
		for _, e := range v {
			return cel.MapType(cel.StringType, typeOf(e))
		}
		return cel.MapType(cel.StringType, cel.StringType)
	}
	return cel.DynType
}
