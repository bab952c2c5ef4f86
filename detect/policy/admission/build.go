package admission

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/oakum-dev/oakum/detect/policy"
)

// builder compiles the expressions of one policy and keeps the first error.
type builder struct {
	*loader
	document *policy.Document
	patches  bool
	scope    *scope
	err      error
}

// rules compiles what validating and mutating policies have in common.
func (b *builder) rules(kind *admissionv1.ParamKind, m matcher, conditions []admissionv1.MatchCondition,
	variables []admissionv1.Variable, failure *admissionv1.FailurePolicyType, in force,
) rules {
	out := rules{objects: b.objects, match: m, ignore: failure != nil && *failure == admissionv1.Ignore}
	var err error
	if b.scope, err = newScope(kind != nil, b.patches); err != nil {
		b.fail(err, nil)
		return out
	}
	out.scope = b.scope
	b.parameters(kind, &out)
	for i, v := range variables {
		at := []string{"spec", "variables", strconv.Itoa(i), "expression"}
		if err := b.scope.variable(v.Name, v.Expression); err != nil {
			b.fail(err, at)
		}
	}
	for i, c := range conditions {
		x := b.expression(c.Expression, []string{"spec", "matchConditions", strconv.Itoa(i)}, "expression", boolean...)
		out.conditions = append(out.conditions, condition{c.Name, x})
	}
	for i, d := range in.from {
		match, err := newResources(b.objects, in.match[i])
		if err == nil {
			var param *paramRef
			if param, err = newParamRef(in.params[i]); err == nil {
				out.bindings = append(out.bindings, binding{d.Name(), match, param})
			}
		}
		if err != nil && b.err == nil {
			b.err = d.Errorf([]string{"spec"}, "%s %s: %v", d.Kind, d.Name(), err)
		}
	}
	if len(in.from) == 0 {
		everything, _ := newResources(b.objects, nil)
		one := binding{match: everything}
		if out.parameters != nil {
			one.param = &paramRef{any: true}
		}
		out.bindings = []binding{one}
	}
	return out
}

// constraints is the matcher that a policy of Kubernetes describes.
func (b *builder) constraints(m *admissionv1.MatchResources) matcher {
	match, err := newResources(b.objects, m)
	if err == nil && len(match.rules) == 0 {
		err = fmt.Errorf("policy %s needs matchConstraints with resourceRules", b.document.Name())
	}
	if err != nil {
		b.fail(err, []string{"spec", "matchConstraints"})
	}
	return match
}

// parameters takes the documents of the kind that the policy names for its parameters.
func (b *builder) parameters(kind *admissionv1.ParamKind, out *rules) {
	if kind == nil {
		return
	}
	out.parameters = &parameters{kind: kindOf(kind.APIVersion, kind.Kind), objects: b.objects}
	for _, d := range b.docs {
		if out.parameters.is(kindOf(d.APIVersion, d.Kind)) {
			d.Read = true
			out.parameters.beside = append(out.parameters.beside, d)
		}
	}
}

// expression compiles an expression of the policy's environment.
func (b *builder) expression(source string, at []string, key string, want ...*cel.Type) *expression {
	if b.err != nil {
		return nil
	}
	x, err := b.scope.compile(source, want...)
	if err != nil {
		b.fail(err, append(slices.Clone(at), key))
	}
	return x
}

// patch compiles an expression that makes a mutation.
func (b *builder) patch(source string, want []*cel.Type, at []string) *expression {
	if b.err != nil {
		return nil
	}
	x, err := compile(b.scope.patches, source, want...)
	if err != nil {
		b.fail(err, append(at, "expression"))
	}
	return x
}

func (b *builder) fail(err error, at []string) {
	if b.err != nil {
		return
	}
	var c *compileError
	if errors.As(err, &c) && c.issues != nil {
		first := c.issues.Errors()[0].Location
		b.err = b.document.ErrorInText(at, first.Line(), first.Column(), "%v", err)
		return
	}
	b.err = b.document.Errorf(at, "%v", err)
}
