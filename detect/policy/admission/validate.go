package admission

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	celtypes "github.com/google/cel-go/common/types"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	limits "k8s.io/apiserver/pkg/apis/cel"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// validating judges by a ValidatingAdmissionPolicy, or by what was translated
// into one.
type validating struct {
	sets []*validations
}

// validations are the validations of one policy, or of one rule of it.
type validations struct {
	rules
	list    []validation
	changes bool // they also judge changes, and read the object as it was
}

type validation struct {
	expression *expression
	message    string
	computed   *expression // messageExpression, nil where there is none
}

// Wants tells whether the policy is about resources of a kind.
func (v *validating) Wants(apiVersion, kind string) bool {
	return slices.ContainsFunc(v.sets, func(s *validations) bool { return s.wants(apiVersion, kind) })
}

// Judge says what the API server would refuse of a resource, and of the pods
// that it makes.
func (v *validating) Judge(r *manifest.Resource, ctx policy.Context) (out []policy.Violation, err error) {
	defer survive(&err)
	var errs []error
	for _, s := range v.sets {
		for _, q := range s.requests(r, ctx) {
			if q.made && len(out) > 0 {
				break // what is wrong with the workload was said
			}
			found, failed := s.judge(q)
			for _, f := range found {
				if !slices.ContainsFunc(out, func(o policy.Violation) bool {
					return o.Message == f.Message && o.Path.String() == f.Path.String()
				}) {
					out = append(out, f)
				}
			}
			errs = append(errs, failed...)
		}
	}
	return out, notEvaluated(errs)
}

func (s *validations) judge(q *request) (out []policy.Violation, errs []error) {
	for _, err := range s.invoke(q, func(i *invocation) []error {
		found, failed := s.validate(i)
		out = append(out, found...)
		return failed
	}) {
		var r *refused
		if errors.As(err, &r) {
			out = append(out, violations(q, nil, refusal(r))...)
			continue
		}
		errs = append(errs, err)
	}
	// What one binding refuses for sure needs no other that may refuse it too.
	errs = slices.DeleteFunc(errs, func(err error) bool {
		var d *doubtful
		return errors.As(err, &d) && slices.ContainsFunc(out, func(v policy.Violation) bool { return v.Message == d.message })
	})
	return out, errs
}

// doubtful is a breach of rules of which it is not known whether they are in force.
type doubtful struct{ message, doubt string }

func (e *doubtful) Error() string {
	return fmt.Sprintf("it would be refused (%s), unless this saves it: %s", e.message, e.doubt)
}

func refusal(err error) string {
	return "the policy fails, so that the API server refuses the object: " + oneLine(err.Error())
}

// validate evaluates every validation. Errors are those that leave the verdict open.
func (s *validations) validate(i *invocation) ([]policy.Violation, []error) {
	var out []policy.Violation
	var errs []error
	for _, v := range s.list {
		found, err := s.verdict(i, v)
		switch {
		case len(found) > 0 && i.doubt != "":
			err = &doubtful{found[0].Message, i.doubt}
		case len(found) == 0 && err == nil && s.changes:
			err = i.input.asChange(v.expression)
		default:
			out = append(out, found...)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return out, errs
}

// verdict is what breaks a validation: one violation for each place.
func (s *validations) verdict(i *invocation, v validation) ([]policy.Violation, error) {
	result, err := i.input.eval(v.expression)
	if err != nil {
		err = s.failed(fmt.Errorf("%s: %w", oneLine(v.expression.source), err))
		var r *refused
		if !errors.As(err, &r) {
			return nil, err
		}
		return violations(i.request, nil, refusal(r)), nil
	}
	if result == celtypes.True {
		return nil, nil
	}
	return violations(i.request, i.input.blame(v.expression), v.text(i.input)), nil
}

// violations are those of one message, at the object itself where no place is known.
func violations(q *request, places []manifest.Path, message string) []policy.Violation {
	if len(places) == 0 {
		places = []manifest.Path{nil}
	}
	out := make([]policy.Violation, len(places))
	for i, p := range places {
		out[i].Path, out[i].Container = place(q, p)
		out[i].Message = message
	}
	return out
}

// asChange tells whether an expression that holds for a new object may fail
// for a change of it.
func (in *input) asChange(x *expression) error {
	again := *in
	again.lazy, again.old = nil, unknown(plugin.OldObjectVarName)
	_, err := again.eval(x)
	var unknown *unknownError
	if errors.As(err, &unknown) {
		return fmt.Errorf("it holds for a new object; for a change of it, %w", err)
	}
	return nil
}

// text is what the API server would answer.
func (v validation) text(in *input) string {
	if v.computed != nil {
		if out, err := in.eval(v.computed); err == nil {
			if s, ok := out.(celtypes.String); ok {
				message := strings.TrimSpace(string(s))
				if message != "" && len(message) <= limits.MaxEvaluatedMessageExpressionSizeBytes && !strings.Contains(message, "\n") {
					return message
				}
			}
		}
	}
	if message := strings.TrimSpace(v.message); message != "" {
		return oneLine(message)
	}
	return "failed expression: " + oneLine(v.expression.source)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
