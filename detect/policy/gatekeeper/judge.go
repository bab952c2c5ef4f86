package gatekeeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// Language reads Gatekeeper's policies from policy files.
func Language() policy.Language {
	return policy.Language{
		Kinds: []string{templateGroup + "/ConstraintTemplate", constraintGroup + "/*", mutationGroup + "/*"},
		Load:  load,
	}
}

// enforcement says how bad it is to break a constraint, by what Gatekeeper
// would do, and what a binding of the API server that does the same is to do.
func enforcement(d *policy.Document) (policy.Severity, string, error) {
	action, _ := field(d.Value, "spec", "enforcementAction").(string)
	switch action {
	case "", "deny", "scoped":
		return "high", "Deny", nil
	case "warn":
		return "medium", "Warn", nil
	case "dryrun":
		return "low", "Audit", nil
	}
	return "", "", d.Errorf([]string{"spec", "enforcementAction"}, "enforcementAction is %q, want deny, warn, dryrun or scoped", action)
}

func load(docs []*policy.Document) ([]*policy.Policy, error) {
	var own []Document
	var inCEL []*policy.Document // constraints whose template is in CEL
	byKind := map[string]*policy.Document{}
	for _, d := range docs {
		if d.Group() == templateGroup && native(d) != nil {
			kind, _ := field(d.Value, "spec", "crd", "spec", "names", "kind").(string)
			byKind[kind] = d
			d.Read = true
		}
	}
	lines := map[string]*policy.Document{}
	names := map[string]int{}
	for _, d := range docs {
		if !Is(d.APIVersion) || d.Read {
			continue
		}
		d.Read = true
		if d.Group() != templateGroup {
			names[name(d.Name())]++
		}
		if d.Group() == constraintGroup && byKind[d.Kind] != nil {
			inCEL = append(inCEL, d)
			continue
		}
		own = append(own, Document{File: d.File, Object: d.Value})
		lines[d.Kind+"/"+d.Name()] = d
	}
	l, err := New(context.Background(), own)
	if err != nil {
		return nil, err
	}
	shared := &asked{library: l}
	var out []*policy.Policy
	for _, c := range l.Constraints {
		severity, _, err := enforcement(lines[c.Kind+"/"+c.Name])
		if err != nil {
			return nil, err
		}
		made, err := policy.Foreign(policy.Policy{
			Name: unique(names, c.Name, c.Kind), File: c.File, Title: c.Title, Description: c.Description,
			Severity: severity, Category: "admission", Language: "Gatekeeper " + c.Kind,
		}, constraintJudge{shared, c})
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	for _, d := range inCEL {
		template := byKind[d.Kind]
		made, err := translate(unique(names, d.Name(), d.Kind), template, d, native(template))
		if err != nil {
			return nil, fmt.Errorf("constraint %s of %s: %w", d.Name(), d.File, err)
		}
		out = append(out, made...)
	}
	for _, m := range l.Mutators {
		made, err := policy.Foreign(policy.Policy{
			Name: unique(names, m.Name, m.Kind), File: m.File, Title: "Changed at admission by " + m.Kind + " " + m.Name,
			Description: "Gatekeeper changes the object when it is admitted, so that what runs is not what Git says.",
			Severity:    "low", Category: "admission", Language: "Gatekeeper " + m.Kind, Mutates: true,
		}, mutatorJudge{shared, m})
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	return out, nil
}

// name is the name of an object as one of a policy.
func name(s string) string { return strings.ReplaceAll(s, ".", "-") }

// unique puts the kind in front of a name that several policies have.
func unique(names map[string]int, s, kind string) string {
	if names[name(s)] > 1 {
		return strings.ToLower(kind) + "-" + name(s)
	}
	return name(s)
}

// about is what a template says of its constraints.
func about(template map[string]any, kind string) (title, description string) {
	title, _ = field(template, "metadata", "annotations", "metadata.gatekeeper.sh/title").(string)
	title = cmp.Or(title, "Constraint "+kind+" is broken")
	description, _ = field(template, "metadata", "annotations", "description").(string)
	return title, cmp.Or(description, title)
}

// asked asks the library once for a resource, whatever constraints there are.
type asked struct {
	library *Library

	mu    sync.Mutex
	known map[*manifest.Resource]*answer
	tree  any // whose inventory the library has
}

type answer struct {
	violations []found
	err        error
}

// found is a violation of the resource itself or of the pod that it makes.
type found struct {
	Violation
	pod bool
}

func (s *asked) of(r *manifest.Resource, ctx policy.Context) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill(ctx)
	if a := s.known[r]; a != nil {
		return a
	}
	a := &answer{}
	s.known[r] = a
	namespace := namespaceOf(r, ctx)
	for _, o := range objects(r, namespace) {
		violations, err := s.library.Review(context.Background(), o)
		if err != nil {
			a.err = err
			return a
		}
		for _, v := range violations {
			a.violations = append(a.violations, found{v, o.Generated})
		}
	}
	return a
}

// fill gives the library the inventory of a tree that is judged for the first time.
func (s *asked) fill(ctx policy.Context) {
	if s.known != nil && s.tree == ctx.Tree {
		return
	}
	s.tree, s.known = ctx.Tree, map[*manifest.Resource]*answer{}
	if ctx.All == nil {
		return
	}
	var inventory []map[string]any
	for r := range ctx.All {
		if s.library.Needs(r.Group(), r.Kind) && !r.Partial {
			inventory = append(inventory, r.Value)
		}
	}
	if err := s.library.SetInventory(context.Background(), inventory); err != nil {
		s.known = nil
	}
}

// objects is what is admitted of a resource: itself, and the pod that a workload makes.
func objects(r *manifest.Resource, namespace map[string]any) []Object {
	out := []Object{{Value: r.Value, Namespace: namespace}}
	if at, template, ok := r.PodTemplate(); ok && len(at) > 0 {
		metadata := map[string]any{}
		if m, ok := template["metadata"].(map[string]any); ok {
			metadata = maps.Clone(m)
		}
		metadata["name"], metadata["namespace"] = r.Name, r.Namespace
		pod := map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
		out = append(out, Object{Value: pod, Namespace: namespace, Generated: true})
	}
	return out
}

func namespaceOf(r *manifest.Resource, ctx policy.Context) map[string]any {
	if ctx.Objects == nil || r.Namespace == "" {
		return nil
	}
	for _, n := range ctx.Objects("", "Namespace", r.Namespace) {
		return n.Value
	}
	return nil
}

type constraintJudge struct {
	*asked
	constraint Constraint
}

// Wants tells whether the constraint may match resources of a kind, or the
// pods that they make, or looks them up.
func (j constraintJudge) Wants(apiVersion, kind string) bool {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group = ""
	}
	if j.constraint.Wants(group, kind) || j.library.Needs(group, kind) {
		return true
	}
	_, pods := manifest.MakesPods(apiVersion, kind)
	return pods && j.constraint.Wants("", "Pod")
}

// LooksUp tells whether templates look up resources of a kind in the inventory.
func (s *asked) LooksUp(apiVersion, kind string) bool {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group = ""
	}
	return s.library.Needs(group, kind)
}

// Judge lists how a resource breaks the constraint.
func (j constraintJudge) Judge(r *manifest.Resource, ctx policy.Context) ([]policy.Violation, error) {
	if unknown, why := j.constraint.unknown(r, namespaceOf(r, ctx)); unknown {
		return nil, errors.New(why)
	}
	a := j.of(r, ctx)
	if a.err != nil {
		return nil, a.err
	}
	var out []policy.Violation
	for _, f := range a.violations {
		if f.Kind != j.constraint.Kind || f.Name != j.constraint.Name {
			continue
		}
		v := policy.Violation{Path: manifest.Path{}.Key("metadata", "name"), Message: f.Message}
		v.Container, v.Path = container(r, f.Message, v.Path)
		if !slices.ContainsFunc(out, func(o policy.Violation) bool { return o.Message == v.Message }) {
			out = append(out, v) // once, where both the workload and its pods break it
		}
	}
	return out, nil
}

// container finds the one container that a message names.
func container(r *manifest.Resource, message string, otherwise manifest.Path) (string, manifest.Path) {
	at, template, ok := r.PodTemplate()
	if !ok {
		return "", otherwise
	}
	spec, _ := template["spec"].(map[string]any)
	words := strings.FieldsFunc(message, func(c rune) bool { return strings.ContainsRune(" \t\n,;:<>()[]{}\"'`", c) })
	var found string
	path := otherwise
	for _, list := range manifest.ContainerLists {
		containers, _ := spec[list].([]any)
		for i := range containers {
			c, _ := containers[i].(map[string]any)
			name, _ := c["name"].(string)
			if name == "" || !slices.Contains(words, name) {
				continue
			}
			if found != "" {
				return "", otherwise
			}
			found, path = name, append(at.Key("spec", list), manifest.ItemStep(list, containers, i))
		}
	}
	return found, path
}

type mutatorJudge struct {
	*asked
	mutator Mutator
}

// Wants tells whether the mutator may change objects of a kind.
func (j mutatorJudge) Wants(apiVersion, kind string) bool {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group = ""
	}
	if j.mutator.Wants(group, kind) {
		return true
	}
	_, pods := manifest.MakesPods(apiVersion, kind)
	return pods && j.mutator.Wants("", "Pod")
}

// Judge tells what the mutator would change of a resource, or of the pods it makes.
func (j mutatorJudge) Judge(r *manifest.Resource, ctx policy.Context) ([]policy.Violation, error) {
	at, _, _ := r.PodTemplate()
	for _, o := range objects(r, namespaceOf(r, ctx)) {
		after, changed, err := j.library.Mutate(context.Background(), j.mutator, o)
		if err != nil {
			return nil, err
		}
		if !changed {
			continue
		}
		if o.Generated {
			after = inTemplate(r, at, after)
		}
		return []policy.Violation{{
			Path: manifest.Path{}.Key("metadata", "name"), Desired: after,
			Message: fmt.Sprintf("%s %s changes it when it is admitted", j.mutator.Kind, j.mutator.Name),
		}}, nil
	}
	return nil, nil
}

// inTemplate puts what became of a workload's pod into its template.
func inTemplate(r *manifest.Resource, at manifest.Path, pod map[string]any) map[string]any {
	out := maps.Clone(r.Value)
	inner := out
	for i, s := range at {
		next, _ := inner[s.Key].(map[string]any)
		next = maps.Clone(next)
		inner[s.Key] = next
		if i == len(at)-1 {
			next["spec"] = pod["spec"]
			metadata, _ := pod["metadata"].(map[string]any)
			metadata = maps.Clone(metadata)
			was, _ := next["metadata"].(map[string]any)
			for _, k := range []string{"name", "namespace"} {
				delete(metadata, k)
				if v, ok := was[k]; ok {
					metadata[k] = v
				}
			}
			if len(metadata) > 0 {
				next["metadata"] = metadata
			}
		}
		inner = next
	}
	return out
}
