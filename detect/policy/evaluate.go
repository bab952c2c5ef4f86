package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Context is what policies know beyond the resource they look at.
type Context struct {
	Kubernetes     int                                                 // minor version of Kubernetes 1.x
	Namespace      func(*manifest.Resource) string                     // where the resource will live; nil: as written
	ServiceAccount func(namespace, name string) (map[string]any, bool) // as written in the same tree; nil: none is known
	Bindings       func(namespace, serviceAccount string) []string     // IDs of the role bindings in the same tree that may grant it something; nil: none is known
}

// Violation is one breach of a policy: where, and in what words.
type Violation struct {
	Path      manifest.Path // the exact field, from the resource's root; it may be absent
	Container string        // the container concerned, if it is about one
	Message   string

	item item
}

// Wants tells whether the policy looks at resources of a kind.
func (p *Policy) Wants(apiVersion, kind string) bool {
	_, pods := manifest.MakesPods(apiVersion, kind)
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group = ""
	}
	return slices.ContainsFunc(p.Match.Kinds, func(k string) bool {
		if k == manifest.PodKind {
			return pods
		}
		if g, name, ok := strings.Cut(k, "/"); ok {
			return g == group && name == kind
		}
		return k == kind && builtin(group)
	})
}

// builtin tells the API groups of Kubernetes itself from those of extensions.
func builtin(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
}

// item is what the expressions of a policy are evaluated over: a resource, and one item of it.
type item struct {
	policy    *Policy
	context   Context
	resource  *manifest.Resource
	podPath   manifest.Path
	pod       map[string]any
	path      manifest.Path // of the item itself, from the resource's root
	container map[string]any
	list      string // which list the container stands in
	key       string
	value     any
	memo      []ref.Val // of variables
}

// Evaluate judges a resource. Violations come in the order of the resource.
// An error means that the policy could not be evaluated, which is not a pass.
func (p *Policy) Evaluate(r *manifest.Resource, ctx Context) ([]Violation, error) {
	c := p.compiled
	if c.require == nil || r.Partial || ctx.Kubernetes < p.Kubernetes.Since ||
		p.Kubernetes.Until != 0 && ctx.Kubernetes > p.Kubernetes.Until || !p.Wants(r.APIVersion, r.Kind) {
		return nil, nil
	}
	var out []Violation
	for it := range p.items(r, ctx) {
		if c.where != nil {
			if ok, err := it.holds(c.where); err != nil {
				return out, fmt.Errorf("policy %s on %s: match.where: %w", p.Name, r.ID(), err)
			} else if !ok {
				continue
			}
		}
		ok, err := it.holds(c.require)
		if err != nil {
			return out, fmt.Errorf("policy %s on %s at %s: %w", p.Name, r.ID(), it.path, err)
		}
		if !ok {
			v, err := it.violation()
			if err != nil {
				return out, err
			}
			out = append(out, v)
		}
	}
	return out, nil
}

// Violate makes the violation of an analyzer: Go code found it.
func (p *Policy) Violate(r *manifest.Resource, ctx Context) (Violation, error) {
	it := item{policy: p, context: ctx, resource: r}
	if at, template, ok := r.PodTemplate(); ok && p.compiled.scope.pods {
		it.podPath, it.pod, it.path = at, template, at
	}
	it.memo = make([]ref.Val, len(p.compiled.variables))
	return it.violation()
}

func (it item) violation() (Violation, error) {
	c := it.policy.compiled
	v := Violation{item: it, Path: it.path}
	if it.container != nil {
		v.Container, _ = it.container["name"].(string)
	}
	for i, at := range c.at {
		path := at.resolve(&it)
		written := it.resource.Field(path).Present
		if i == 0 || written {
			v.Path = path
		}
		if written {
			break
		}
	}
	var err error
	if v.Message, err = c.message.render(&it); err != nil {
		return v, fmt.Errorf("policy %s on %s: message: %w", it.policy.Name, it.resource.ID(), err)
	}
	return v, nil
}

// items yields what the policy judges one by one in a resource.
func (p *Policy) items(r *manifest.Resource, ctx Context) func(yield func(item) bool) {
	sc := p.compiled.scope
	return func(yield func(item) bool) {
		base := item{policy: p, context: ctx, resource: r}
		var root any = r.Value
		if sc.pods {
			at, template, ok := r.PodTemplate()
			if !ok {
				return
			}
			base.podPath, base.pod, base.path, root = at, template, at, template
		}
		send := func(it item) bool {
			it.memo = make([]ref.Val, len(p.compiled.variables))
			return yield(it)
		}
		if !sc.container && !sc.contexts {
			if len(sc.each) == 0 {
				send(base)
				return
			}
			base.each(root, sc, send)
			return
		}
		spec, _ := base.pod["spec"].(map[string]any)
		if sc.contexts && !send(base.securityContext(base.podPath.Key("spec"), spec)) {
			return
		}
		for _, list := range manifest.ContainerLists {
			containers, _ := spec[list].([]any)
			for i := range containers {
				c, ok := containers[i].(map[string]any)
				if !ok {
					continue
				}
				it := base
				it.container, it.list = c, list
				it.path = append(base.podPath.Key("spec", list), manifest.ItemStep(list, containers, i))
				if sc.contexts {
					it = it.securityContext(it.path, c)
				}
				if len(sc.each) == 0 {
					if !send(it) {
						return
					}
				} else if !it.each(c, sc, send) {
					return
				}
			}
		}
	}
}

// securityContext makes the item of one security context, that of holder at path.
func (it item) securityContext(path manifest.Path, holder map[string]any) item {
	it.path, it.value = path.Key("securityContext"), holder["securityContext"]
	if it.value == nil {
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
	path := it.path.Join(sc.each)
	switch v := v.(type) {
	case []any:
		name := sc.each[len(sc.each)-1].Key
		for i := range v {
			it.path = append(slices.Clip(path), manifest.ItemStep(name, v, i))
			it.value = v[i]
			if !yield(it) {
				return false
			}
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			it.path = path.Key(k)
			it.key, it.value = k, v[k]
			if !yield(it) {
				return false
			}
		}
	}
	return true
}

// ResolveName makes item the activation of its expressions.
func (it *item) ResolveName(name string) (any, bool) {
	c := it.policy.compiled
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
	case c.scope.item:
		return it.value, true
	case "kubernetes":
		return int64(it.context.Kubernetes), true
	case "namespaceName":
		return it.namespace(), true
	case "serviceAccount":
		return it.serviceAccount(), true
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

func (it *item) holds(p cel.Program) (bool, error) {
	if p == nil {
		return true, nil
	}
	out, _, err := p.Eval(it)
	if err != nil {
		return false, err
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the expression gave %s, want a bool", out.Type().TypeName())
	}
	return bool(b), nil
}

func (t text) render(it *item) (string, error) {
	var b strings.Builder
	for _, p := range t {
		if p.program == nil {
			b.WriteString(p.literal)
			continue
		}
		out, _, err := p.program.Eval(it)
		if err != nil {
			return "", err
		}
		v, err := native(out)
		if err != nil {
			return "", err
		}
		if list, ok := v.([]any); ok {
			words := make([]string, len(list))
			for i, e := range list {
				words[i] = fmt.Sprint(e)
			}
			v = strings.Join(words, ", ")
		}
		fmt.Fprint(&b, v)
	}
	return b.String(), nil
}
