package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// Context is what policies know beyond the resource they look at.
type Context struct {
	Kubernetes     int                                                           // minor version of Kubernetes 1.x
	Today          string                                                        // the day, as 2026-11-23; empty: no day is known, and nothing is over
	Namespace      func(*manifest.Resource) string                               // where the resource will live; nil: as written
	ServiceAccount func(namespace, name string) (map[string]any, bool)           // as written in the same tree; nil: none is known
	Bindings       func(namespace, serviceAccount string) []string               // IDs of the role bindings in the same tree that may grant it something; nil: none is known
	Related        func(r Related, namespace string) *Resources                  // resources of the same tree, as they are written; nil: none is known
	Scanned        func(image string) *vuln.Report                               // what scanners found in it, nil for nothing known; nil: nothing is of any
	Exposure       func(r *manifest.Resource, container map[string]any) []string // how a pod, and a container of it unless that is nil, is reached and what it reaches; nil: nothing is known
	Objects        func(group, kind, name string) []*manifest.Resource           // of the same tree, as far as some policy wants them, of any name if that is empty; nil: none is known
	All            func(yield func(*manifest.Resource) bool)                     // the same of every kind
	Tree           any                                                           // is the same for every judgment over one tree
}

// Violation is one breach of a policy: where, and in what words.
type Violation struct {
	Path      manifest.Path // the exact field, from the resource's root; it may be absent
	Place     manifest.Path // the same, whatever the field holds: tells the violation from others of its policy
	Container string        // the container concerned, if it is about one
	Message   string
	Desired   map[string]any // the whole resource as the policy would have it; nil where Repair goes by the policy's fix
	Severity  Severity       // of this one; empty: the policy's

	Vulnerabilities []vuln.Vulnerability // those it is about, the worst first
	Exposure        []string             // what makes these worse; empty unless it is about some

	item item
}

// Later says whom to ask, from now on, what the violation's repair depends on.
func (v *Violation) Later(ctx Context) { v.item.context, v.item.memo = ctx, nil }

// Wants tells whether the policy judges resources of a kind.
func (p *Policy) Wants(apiVersion, kind string) bool {
	if p.Language != "" {
		return p.judge != nil && p.judge.Wants(apiVersion, kind)
	}
	return IsKind(p.Match.Kinds, apiVersion, kind) || configures(apiVersion, kind, p.Match.Components)
}

// Reads tells whether the policy judges resources of a kind, or looks at them
// to judge others.
func (p *Policy) Reads(apiVersion, kind string) bool {
	return p.Wants(apiVersion, kind) ||
		slices.ContainsFunc(p.Related, func(r Related) bool { return IsKind(r.Kinds, apiVersion, kind) })
}

// LooksUp tells whether judgments by the policy depend on resources of a kind
// without asking the context for them.
func (p *Policy) LooksUp(apiVersion, kind string) bool {
	j, ok := p.judge.(LookingUp)
	return ok && j.LooksUp(apiVersion, kind)
}

// IsKind tells whether a kind is one of those that a policy names: Kind for one
// of Kubernetes itself, group/Kind, or Pod for everything that makes pods.
func IsKind(kinds []string, apiVersion, kind string) bool {
	_, pods := manifest.MakesPods(apiVersion, kind)
	group := groupOf(apiVersion)
	return slices.ContainsFunc(kinds, func(k string) bool {
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

// Judges tells whether a policy has something to say about a resource: it is
// of its kinds or configures its components, whole, and of a version of
// Kubernetes that the policy is for.
func (p *Policy) Judges(r *manifest.Resource, ctx Context) bool {
	_, pods := r.MakesPods()
	return !r.Partial && p.JudgesKind(r.APIVersion, r.Kind, pods, ctx) &&
		(p.Match.Components == nil || len(components(r, p.Match.Components)) > 0)
}

// JudgesKind tells whether a policy may have something to say about resources
// of a kind, which has a pod template or not.
func (p *Policy) JudgesKind(apiVersion, kind string, pods bool, ctx Context) bool {
	return ctx.Kubernetes >= p.Kubernetes.Since && (p.Kubernetes.Until == 0 || ctx.Kubernetes <= p.Kubernetes.Until) &&
		(p.Wants(apiVersion, kind) || pods && slices.Contains(p.Match.Kinds, manifest.PodKind))
}

// Evaluate judges a resource. Violations come in the order of the resource.
// An error means that the policy could not be evaluated, which is not a pass.
func (p *Policy) Evaluate(r *manifest.Resource, ctx Context) ([]Violation, error) {
	if !p.Judges(r, ctx) {
		return nil, nil
	}
	if p.judge != nil {
		return p.evaluateForeign(r, ctx)
	}
	if p.Require == "" {
		return nil, nil
	}
	c, err := p.ready()
	if err != nil {
		return nil, err
	}
	var out []Violation
	for it := range p.items(c, r, ctx) {
		if c.where != nil {
			if ok, err := it.holds(c.where); err != nil {
				return out, fmt.Errorf("policy %s on %s: match.where: %w", p.Name, r.ID(), err)
			} else if !ok {
				continue
			}
		}
		ok, err := it.holds(c.require)
		if err != nil {
			return out, fmt.Errorf("policy %s on %s at %s: %w", p.Name, r.ID(), it.path(), err)
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
	c, err := p.ready()
	if err != nil {
		return Violation{}, err
	}
	it := item{policy: p, code: c, context: ctx, resource: r}
	if at, template, ok := r.PodTemplate(); ok && c.scope.pods {
		it.podPath, it.pod = at, template
	}
	it.memo = make([]ref.Val, len(c.variables))
	return it.violation()
}

func (it item) violation() (Violation, error) {
	c := it.code
	v := Violation{item: it}
	if it.container != nil {
		v.Container, _ = it.container["name"].(string)
	}
	for i, at := range c.at {
		path := at.resolve(&it)
		if i == 0 {
			v.Path, v.Place = path, at.stable(&it, path)
		}
		if it.resource.Has(path) {
			v.Path = path
			break
		}
	}
	if len(c.at) == 0 {
		v.Path = it.path()
		v.Place = v.Path
	}
	var err error
	if v.Message, err = c.message.render(&it); err != nil {
		v.Message = it.policy.Title // what the sentence names is missing, as the name of a container
	}
	if v.Severity, err = it.severity(); err != nil {
		return v, err
	}
	if v.Vulnerabilities, err = it.found(c.vulnerabilities); err == nil && len(v.Vulnerabilities) > 0 {
		v.Exposure = it.exposure()
	}
	return v, err
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
