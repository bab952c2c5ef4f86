package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/oakum-dev/oakum/detect/policy"
)

// The API groups of Kyverno. What of its policies is plain CEL is judged as
// the API server would; everything else takes Kyverno itself.
const (
	kyvernoPolicies = "policies.kyverno.io"
	kyvernoClassic  = "kyverno.io"
)

const needsKyverno = "needs Kyverno: "

// kyverno makes policies of Kyverno's documents.
func (l *loader) kyverno() ([]*policy.Policy, error) {
	var out []*policy.Policy
	var errs []error
	for _, d := range l.docs {
		if d.Group() != kyvernoPolicies && d.Group() != kyvernoClassic {
			continue
		}
		d.Read = true
		var p *policy.Policy
		var err error
		switch {
		case d.Group() == kyvernoPolicies && d.Kind == "ValidatingPolicy":
			p, err = l.validatingPolicy(d)
		case d.Group() == kyvernoClassic && (d.Kind == "ClusterPolicy" || d.Kind == "Policy"):
			p, err = l.clusterPolicy(d)
		default:
			p, err = l.unjudged(d, "it is a "+d.Kind)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, p)
	}
	return out, errors.Join(errs...)
}

func (l *loader) unjudged(d *policy.Document, why string) (*policy.Policy, error) {
	p := l.describeKyverno(d, nil)
	p.Unjudged = needsKyverno + why
	return policy.Foreign(p, nil)
}

// describeKyverno goes by the severity that the author names, or else by what
// is done with a breach.
func (l *loader) describeKyverno(d *policy.Document, actions []admissionv1.ValidationAction) policy.Policy {
	p := l.describe(d)
	p.Language = "Kyverno " + d.Kind
	annotations := stringMap(nested(d.Value, "metadata", "annotations"))
	if p.Severity = policy.Severity(annotations["policies.kyverno.io/severity"]); !slices.Contains(policy.Severities, p.Severity) {
		in := force{from: []*policy.Document{d}, actions: [][]admissionv1.ValidationAction{actions}}
		p.Severity = in.severity()
	}
	return p
}

// validatingPolicy makes a policy of a ValidatingPolicy, which has the shape
// of a ValidatingAdmissionPolicy and brings its binding along.
func (l *loader) validatingPolicy(d *policy.Document) (*policy.Policy, error) {
	var spec struct {
		admissionv1.ValidatingAdmissionPolicySpec
		Actions    []admissionv1.ValidationAction `json:"validationActions"`
		Evaluation struct {
			Mode string `json:"mode"`
		} `json:"evaluation"`
		Autogen struct {
			PodControllers *struct {
				Controllers []string `json:"controllers"`
			} `json:"podControllers"`
		} `json:"autogen"`
	}
	if err := loosely(d, nested(d.Value, "spec"), &spec); err != nil {
		return nil, err
	}
	if spec.Evaluation.Mode == "JSON" {
		return l.unjudged(d, "it judges other things than Kubernetes objects")
	}
	s, err := l.validations(d, spec.ValidatingAdmissionPolicySpec, force{})
	if err != nil {
		return l.unjudged(d, reason(err))
	}
	s.own = spec.Autogen.PodControllers != nil && len(spec.Autogen.PodControllers.Controllers) == 0
	if len(spec.Actions) == 0 {
		spec.Actions = []admissionv1.ValidationAction{admissionv1.Deny}
	}
	return l.finish(l.describeKyverno(d, spec.Actions), s.match, &validating{sets: []*validations{s}})
}

// kyvernoRule is a rule of a ClusterPolicy, as far as it is judged here.
type kyvernoRule struct {
	Name          string                       `json:"name"`
	Match         kyvernoFilters               `json:"match"`
	Exclude       kyvernoFilters               `json:"exclude"`
	Preconditions []admissionv1.MatchCondition `json:"celPreconditions"`
	Validate      struct {
		Message string `json:"message"`
		Action  string `json:"failureAction"`
		CEL     *struct {
			Expressions []admissionv1.Validation `json:"expressions"`
			Variables   []admissionv1.Variable   `json:"variables"`
			ParamKind   *admissionv1.ParamKind   `json:"paramKind"`
			ParamRef    *admissionv1.ParamRef    `json:"paramRef"`
		} `json:"cel"`
	} `json:"validate"`
}

// clusterPolicy makes a policy of those rules of a ClusterPolicy that validate
// by CEL; the others are named as not judged.
func (l *loader) clusterPolicy(d *policy.Document) (*policy.Policy, error) {
	var spec struct {
		Action  string                         `json:"validationFailureAction"`
		Failure *admissionv1.FailurePolicyType `json:"failurePolicy"`
		Rules   []kyvernoRule                  `json:"rules"`
	}
	if err := loosely(d, nested(d.Value, "spec"), &spec); err != nil {
		return nil, err
	}
	var sets []*validations
	var left []string
	var actions []admissionv1.ValidationAction
	for i, r := range spec.Rules {
		if r.Validate.CEL == nil {
			left = append(left, fmt.Sprintf("rule %s is not in CEL", r.Name))
			continue
		}
		s, err := l.kyvernoValidations(d, i, r, spec.Failure)
		if err != nil {
			left = append(left, fmt.Sprintf("rule %s: %s", r.Name, reason(err)))
			continue
		}
		sets = append(sets, s)
		action := admissionv1.Audit
		if strings.EqualFold(r.Validate.Action, "Enforce") || r.Validate.Action == "" && strings.EqualFold(spec.Action, "Enforce") {
			action = admissionv1.Deny
		}
		actions = append(actions, action)
	}
	if len(sets) == 0 {
		return l.unjudged(d, strings.Join(left, "; "))
	}
	p := l.describeKyverno(d, actions)
	if len(left) > 0 {
		p.Unjudged = needsKyverno + strings.Join(left, "; ")
	}
	return policy.Foreign(p, &validating{sets: sets})
}

func (l *loader) kyvernoValidations(d *policy.Document, i int, r kyvernoRule, failure *admissionv1.FailurePolicyType) (*validations, error) {
	match, err := newKyvernoMatch(r.Match, r.Exclude)
	if err != nil {
		return nil, err
	}
	if d.Kind == "Policy" {
		match.namespace = d.Namespace()
	}
	c := r.Validate.CEL
	var in force
	if c.ParamKind != nil && c.ParamRef != nil {
		in.add(d, c.ParamRef, nil, nil)
	}
	b := builder{loader: l, document: d}
	s := &validations{rules: b.rules(c.ParamKind, match, r.Preconditions, c.Variables, failure, in)}
	at := []string{"spec", "rules", strconv.Itoa(i), "validate", "cel", "expressions"}
	for j, v := range c.Expressions {
		at := append(slices.Clone(at), strconv.Itoa(j))
		out := validation{message: v.Message, expression: b.expression(v.Expression, at, "expression", boolean...)}
		if out.message == "" {
			out.message = r.Validate.Message
		}
		if v.MessageExpression != "" {
			out.computed = b.expression(v.MessageExpression, at, "messageExpression", cel.StringType)
		}
		s.list = append(s.list, out)
	}
	if b.err != nil {
		return nil, b.err
	}
	annotations := stringMap(nested(d.Value, "metadata", "annotations"))
	s.own = annotations["pod-policies.kyverno.io/autogen-controllers"] == "none" || !match.onlyPods()
	s.changes = strings.Contains(fmt.Sprint(c.Expressions), "oldObject")
	return s, nil
}

// loosely reads a part of a document; fields that are not named are of Kyverno's own.
func loosely(d *policy.Document, part, into any) error {
	b, err := json.Marshal(part)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return d.Errorf([]string{"spec"}, "reading %s %s: %v", d.Kind, d.Name(), err)
	}
	return nil
}

// reason is an error without the place, which the policy's own file names.
func reason(err error) string {
	var e *policy.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	}
	return err.Error()
}
