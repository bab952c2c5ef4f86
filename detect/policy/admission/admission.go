// Package admission judges by the admission policies of Kubernetes itself, as
// they are: ValidatingAdmissionPolicy and MutatingAdmissionPolicy with their
// bindings and parameters, and what of Kyverno's policies means the same.
//
// A resource is judged as the API server would judge it when it is created:
// decoded, completed by the defaults, matched by the policy's constraints, and
// evaluated by the API server's own CEL environment. Whatever no manifest
// tells, who asks or what a namespace not in Git is labelled, leaves the
// verdict open unless it comes out the same either way.
package admission

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	strictjson "sigs.k8s.io/json"

	"github.com/oakum-dev/oakum/detect/policy"
)

// Those who translate to admission policies write these kinds of this version.
const (
	APIVersion        = group + "/v1"
	Validating        = validator
	ValidatingBinding = validator + bindingFor
)

const (
	group      = admissionv1.GroupName
	validator  = "ValidatingAdmissionPolicy"
	mutator    = "MutatingAdmissionPolicy"
	bindingFor = "Binding" // ends the kind that puts the other two in force

	titleKey, descriptionKey = "oakum.dev/title", "oakum.dev/description" // annotations that tell people what a policy is for
)

// Language reads the admission policies of Kubernetes, and of Kyverno.
func Language() policy.Language {
	return policy.Language{
		Kinds: []string{
			group + "/" + validator, group + "/" + validator + bindingFor, group + "/" + mutator, group + "/" + mutator + bindingFor,
			kyvernoPolicies + "/*", kyvernoClassic + "/*",
		},
		Load: func(docs []*policy.Document) ([]*policy.Policy, error) { return newLoader(docs).load() },
	}
}

// loader makes policies of documents that were loaded together.
type loader struct {
	docs    []*policy.Document
	objects *objects
}

func newLoader(docs []*policy.Document) *loader { return &loader{docs: docs, objects: newObjects()} }

// versions of the API that the kinds have, or had.
var versions = []string{"v1", "v1beta1", "v1alpha1"}

func (l *loader) load() ([]*policy.Policy, error) {
	var out []*policy.Policy
	var errs []error
	bound := map[*policy.Document]bool{}
	for _, d := range l.of(validator, mutator) {
		p, err := l.policy(d, bound)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, p)
	}
	for _, d := range l.of(validator+bindingFor, mutator+bindingFor) {
		if !bound[d] {
			errs = append(errs, d.Errorf([]string{"spec", "policyName"}, "the policy that %s %s puts in force is not loaded with it", d.Kind, d.Name()))
		}
	}
	more, err := l.kyverno()
	return append(out, more...), errors.Join(append(errs, err)...)
}

// of lists the documents of some kinds.
func (l *loader) of(kinds ...string) []*policy.Document {
	var out []*policy.Document
	for _, d := range l.docs {
		if d.Group() == group && slices.Contains(kinds, d.Kind) {
			d.Read = true
			out = append(out, d)
		}
	}
	return out
}

func (l *loader) policy(d *policy.Document, bound map[*policy.Document]bool) (*policy.Policy, error) {
	if !slices.Contains(versions, d.APIVersion[len(group)+1:]) {
		return nil, d.Errorf([]string{"apiVersion"}, "apiVersion is %q, want %s/ and one of %v", d.APIVersion, group, versions)
	}
	var bindings []*policy.Document
	for _, b := range l.of(d.Kind + bindingFor) {
		if name, _ := nested(b.Value, "spec", "policyName").(string); name == d.Name() {
			bindings = append(bindings, b)
			bound[b] = true
		}
	}
	if d.Kind == mutator {
		return l.mutating(d, bindings)
	}
	return l.validating(d, bindings)
}

// validating makes a policy of a ValidatingAdmissionPolicy.
func (l *loader) validating(d *policy.Document, bindings []*policy.Document) (*policy.Policy, error) {
	var p admissionv1.ValidatingAdmissionPolicy
	if err := decode(d, &p); err != nil {
		return nil, err
	}
	bound := make([]admissionv1.ValidatingAdmissionPolicyBinding, len(bindings))
	var in force
	for i, b := range bindings {
		if err := decode(b, &bound[i]); err != nil {
			return nil, err
		}
		in.add(b, bound[i].Spec.ParamRef, bound[i].Spec.MatchResources, bound[i].Spec.ValidationActions)
	}
	out := l.describe(d)
	out.Severity, out.Description = in.severity(), out.Description+" "+in.describe()
	if len(p.Spec.Validations) == 0 && len(p.Spec.AuditAnnotations) > 0 {
		out.Unjudged = "it only writes annotations to the audit log"
		return policy.Foreign(out, nil)
	}
	s, err := l.validations(d, p.Spec, in)
	if err != nil {
		return nil, err
	}
	return l.finish(out, s.match, &validating{sets: []*validations{s}})
}

// force is how bindings put a policy in force.
type force struct {
	from    []*policy.Document
	params  []*admissionv1.ParamRef
	match   []*admissionv1.MatchResources
	actions [][]admissionv1.ValidationAction
}

func (f *force) add(from *policy.Document, param *admissionv1.ParamRef, m *admissionv1.MatchResources, actions []admissionv1.ValidationAction) {
	f.from, f.params = append(f.from, from), append(f.params, param)
	f.match, f.actions = append(f.match, m), append(f.actions, actions)
}

// severity is high where a binding refuses what breaks the policy, and less
// where all of them only tell. A policy that none puts in force only tells too.
func (f *force) severity() policy.Severity {
	all := slices.Concat(f.actions...)
	switch {
	case slices.Contains(all, admissionv1.Deny):
		return "high"
	case slices.Contains(all, admissionv1.Warn), len(f.from) == 0:
		return "medium"
	}
	return "low"
}

func (f *force) describe() string {
	if len(f.from) == 0 {
		return "No binding of it is in the same files: it is judged everywhere, as if it were bound."
	}
	var out []string
	for i, d := range f.from {
		s := d.Name()
		if len(f.actions[i]) > 0 {
			s += fmt.Sprintf(" (%s)", joined(f.actions[i], ", "))
		}
		out = append(out, s)
	}
	return "In force by " + strings.Join(out, ", ") + "."
}

func joined[T ~string](list []T, between string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = string(s)
	}
	return strings.Join(words, between)
}

// validations compiles the validations of a policy.
func (l *loader) validations(d *policy.Document, spec admissionv1.ValidatingAdmissionPolicySpec, in force) (*validations, error) {
	if len(spec.Validations) == 0 {
		return nil, d.Errorf([]string{"spec"}, "policy %s has no validations", d.Name())
	}
	b := builder{loader: l, document: d}
	s := &validations{rules: b.rules(spec.ParamKind, b.constraints(spec.MatchConstraints), spec.MatchConditions, spec.Variables, spec.FailurePolicy, in)}
	for i, v := range spec.Validations {
		at := []string{"spec", "validations", strconv.Itoa(i)}
		out := validation{message: v.Message, expression: b.expression(v.Expression, at, "expression", boolean...)}
		if v.MessageExpression != "" {
			out.computed = b.expression(v.MessageExpression, at, "messageExpression", cel.StringType)
		}
		s.list = append(s.list, out)
	}
	if b.err != nil {
		return nil, b.err
	}
	s.changes = s.match.(*resources).updates() && strings.Contains(fmt.Sprint(nested(d.Value, "spec")), "oldObject")
	return s, nil
}

// mutating makes a policy of a MutatingAdmissionPolicy.
func (l *loader) mutating(d *policy.Document, bindings []*policy.Document) (*policy.Policy, error) {
	var p admissionv1.MutatingAdmissionPolicy
	if err := decode(d, &p); err != nil {
		return nil, err
	}
	bound := make([]admissionv1.MutatingAdmissionPolicyBinding, len(bindings))
	var in force
	for i, b := range bindings {
		if err := decode(b, &bound[i]); err != nil {
			return nil, err
		}
		in.add(b, bound[i].Spec.ParamRef, bound[i].Spec.MatchResources, nil)
	}
	if len(p.Spec.Mutations) == 0 {
		return nil, d.Errorf([]string{"spec"}, "policy %s has no mutations", d.Name())
	}
	b := builder{loader: l, document: d, patches: true}
	m := &mutating{converter: newConverter(l.objects)}
	m.rules = b.rules(p.Spec.ParamKind, b.constraints(p.Spec.MatchConstraints), p.Spec.MatchConditions, p.Spec.Variables, p.Spec.FailurePolicy, in)
	for i, mutation := range p.Spec.Mutations {
		at := []string{"spec", "mutations", strconv.Itoa(i)}
		switch {
		case mutation.PatchType == admissionv1.PatchTypeApplyConfiguration && mutation.ApplyConfiguration != nil:
			m.patches = append(m.patches, patcher{b.patch(mutation.ApplyConfiguration.Expression, applyType, append(at, "applyConfiguration")), true})
		case mutation.PatchType == admissionv1.PatchTypeJSONPatch && mutation.JSONPatch != nil:
			m.patches = append(m.patches, patcher{b.patch(mutation.JSONPatch.Expression, patchType, append(at, "jsonPatch")), false})
		default:
			return nil, d.Errorf(at, "a mutation has patchType ApplyConfiguration or JSONPatch, and the field of that name")
		}
	}
	if b.err != nil {
		return nil, b.err
	}
	out := l.describe(d)
	out.Severity, out.Mutates, out.Description = "low", true, out.Description+" "+in.describe()
	return l.finish(out, m.match, m)
}

// describe is what a document says of its policy besides the rules.
func (l *loader) describe(d *policy.Document) policy.Policy {
	annotations := stringMap(nested(d.Value, "metadata", "annotations"))
	p := policy.Policy{
		Name: d.Name(), File: d.File, Language: d.Kind, Category: "admission",
		Title:       oneLine(cmp.Or(annotations[titleKey], annotations["policies.kyverno.io/title"])),
		Description: oneLine(cmp.Or(annotations[descriptionKey], annotations["policies.kyverno.io/description"])),
	}
	if messages, _ := nested(d.Value, "spec", "validations").([]any); p.Title == "" && len(messages) == 1 {
		message, _ := nested(messages[0], "message").(string)
		p.Title = oneLine(message)
	}
	if p.Title == "" {
		p.Title = fmt.Sprintf("%s %s", d.Kind, d.Name())
	}
	if p.Description == "" {
		p.Description = "Its rules say what the API server would refuse or change."
	}
	return p
}

// finish makes the policy, unless its rules are about nothing that a manifest shows.
func (l *loader) finish(p policy.Policy, m matcher, j policy.Judge) (*policy.Policy, error) {
	if r, ok := m.(*resources); ok && !r.creates() {
		p.Unjudged, j = "it is about requests that no manifest shows: its rules leave CREATE out", nil
	}
	return policy.Foreign(p, j)
}

// decode reads a document strictly, as kubectl sends it.
func decode(d *policy.Document, into any) error {
	b, err := json.Marshal(d.Value)
	if err != nil {
		return d.Errorf(nil, "reading %s %s: %v", d.Kind, d.Name(), err)
	}
	strict, err := strictjson.UnmarshalStrict(b, into)
	if err == nil && len(strict) > 0 {
		err = strict[0]
	}
	if err != nil {
		return d.Errorf([]string{"spec"}, "reading %s %s: %v", d.Kind, d.Name(), err)
	}
	return nil
}

func nested(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}
