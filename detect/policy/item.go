package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// item is what the expressions of a policy are evaluated over: a resource,
// and one thing in it.
type item struct {
	policy    *Policy
	code      *compiled
	context   Context
	resource  *manifest.Resource
	podPath   manifest.Path
	pod       map[string]any
	component *component
	container map[string]any
	list      string    // which list the container stands in
	number    int       // its index there
	value     any       // what each leads to
	siblings  []any     // the list it is in, nil for entries of a map
	index     int       // its index there
	key       string    // its key in a map
	memo      []ref.Val // of variables
}

// items yields what the policy judges one by one in a resource.
func (p *Policy) items(c *compiled, r *manifest.Resource, ctx Context) func(yield func(item) bool) {
	sc := c.scope
	return func(yield func(item) bool) {
		base := item{policy: p, code: c, context: ctx, resource: r}
		var root any = r.Value
		if sc.pods {
			at, template, ok := r.PodTemplate()
			if !ok {
				return
			}
			base.podPath, base.pod, root = at, template, template
		}
		send := func(it item) bool {
			it.memo = make([]ref.Val, len(c.variables))
			return yield(it)
		}
		switch {
		case sc.components != nil:
			for _, c := range components(r, sc.components) {
				in := base
				if in.component = &c; !send(in) {
					return
				}
			}
		case sc.container || sc.contexts:
			base.eachContainer(sc, send)
		case len(sc.each) > 0:
			base.each(root, sc, send)
		default:
			send(base)
		}
	}
}

// eachContainer yields the containers of all lists, or what they hold.
func (it item) eachContainer(sc scope, yield func(item) bool) {
	spec, _ := it.pod["spec"].(map[string]any)
	if sc.contexts && !yield(it.securityContext(spec)) {
		return
	}
	for _, list := range manifest.ContainerLists {
		containers, _ := spec[list].([]any)
		for i := range containers {
			c, ok := containers[i].(map[string]any)
			if !ok {
				continue
			}
			in := it
			in.container, in.list, in.number = c, list, i
			switch {
			case sc.contexts:
				ok = yield(in.securityContext(c))
			case len(sc.each) > 0:
				ok = in.each(c, sc, yield)
			default:
				ok = yield(in)
			}
			if !ok {
				return
			}
		}
	}
}

// securityContext makes the item of the security context of the pod's spec or
// of a container.
func (it item) securityContext(holder map[string]any) item {
	if it.value = holder["securityContext"]; it.value == nil {
		it.value = map[string]any{}
	}
	return it
}

// each yields the items of the list or map that scope's path leads to from v.
func (it item) each(v any, sc scope, yield func(item) bool) bool {
	for _, s := range sc.each {
		m, _ := v.(map[string]any)
		v = m[s.Key]
	}
	switch v := v.(type) {
	case []any:
		it.siblings = v
		for i := range v {
			it.index, it.value = i, v[i]
			if !yield(it) {
				return false
			}
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			it.key, it.value = k, v[k]
			if !yield(it) {
				return false
			}
		}
	}
	return true
}

// path leads from the root of the resource to the item. It is asked for only
// where something is wrong, which is why no item carries it.
func (it *item) path() manifest.Path {
	sc := it.code.scope
	if it.component != nil {
		return it.component.path
	}
	p := it.podPath
	spec, _ := it.pod["spec"].(map[string]any)
	if it.container != nil {
		containers, _ := spec[it.list].([]any)
		p = append(p.Key("spec", it.list), manifest.ItemStep(it.list, containers, it.number))
	} else if sc.contexts {
		p = p.Key("spec")
	}
	switch {
	case sc.contexts:
		return p.Key("securityContext")
	case it.siblings != nil:
		return append(p.Join(sc.each), manifest.ItemStep(sc.each[len(sc.each)-1].Key, it.siblings, it.index))
	case it.key != "":
		return p.Join(sc.each).Key(it.key)
	}
	return p
}

// ResolveName makes item the activation of its expressions.
func (it *item) ResolveName(name string) (any, bool) {
	c := it.code
	if it.component != nil {
		if v, ok := it.component.resolve(name); ok {
			return v, true
		}
	}
	switch name {
	case "object":
		return it.resource.Value, true
	case "pod":
		return it.pod, it.pod != nil
	case "container":
		return it.container, true
	case "containerList":
		return it.list, true
	case "holder":
		if it.container == nil {
			return "the pod", true
		}
		return fmt.Sprintf("container %q", it.container["name"]), true
	case "key":
		return it.key, c.scope.mapping
	case "index":
		return int64(it.index), it.siblings != nil
	case c.scope.item:
		return it.value, true
	case "kubernetes":
		return int64(it.context.Kubernetes), true
	case "today":
		return it.context.Today, true
	case "live":
		return it.resource.File.Form == manifest.Live, true
	case "namespaceName":
		return it.namespace(), true
	case "serviceAccount":
		return it.serviceAccount(), true
	case "vulnerabilities":
		return it.vulnerabilities(), true
	case "exposure":
		return it.exposure(), true
	case "bindings":
		if it.context.Bindings == nil {
			return []string{}, true
		}
		return it.context.Bindings(it.namespace(), it.serviceAccountName()), true
	}
	if param, ok := strings.CutPrefix(name, "params."); ok {
		p, ok := it.policy.Parameters[param]
		return p.Default, ok
	}
	for _, r := range it.policy.Related {
		if r.Name != name {
			continue
		}
		if it.context.Related == nil {
			return []any{}, true
		}
		return it.context.Related(r, it.namespace()), true
	}
	for i, v := range c.variables {
		if v.name != name {
			continue
		}
		if it.memo[i] == nil {
			out, _, err := v.program.Eval(it)
			if err != nil {
				out = types.WrapErr(err)
			}
			it.memo[i] = out
		}
		return it.memo[i], true
	}
	return nil, false
}

// Parent completes the activation: there is nothing above it.
func (it *item) Parent() cel.Activation { return nil }

func (it *item) namespace() string {
	if it.context.Namespace != nil {
		return it.context.Namespace(it.resource)
	}
	return it.resource.Namespace
}

// serviceAccountName is whom the pod runs as; serviceAccount is the field's old name.
func (it *item) serviceAccountName() string {
	spec, _ := it.pod["spec"].(map[string]any)
	for _, field := range []string{"serviceAccountName", "serviceAccount"} {
		if name, _ := spec[field].(string); name != "" {
			return name
		}
	}
	return "default"
}

func (it *item) serviceAccount() *types.Optional {
	if it.context.ServiceAccount != nil {
		if sa, ok := it.context.ServiceAccount(it.namespace(), it.serviceAccountName()); ok {
			return types.OptionalOf(types.DefaultTypeAdapter.NativeToValue(sa))
		}
	}
	return types.OptionalNone
}
