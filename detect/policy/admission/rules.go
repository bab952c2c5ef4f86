package admission

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	celtypes "github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/runtime/schema"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	limits "k8s.io/apiserver/pkg/apis/cel"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// rules are what validating and mutating policies have in common: which
// requests they are about, by which bindings and with which parameters.
type rules struct {
	objects    *objects
	scope      *scope
	match      matcher
	conditions []condition
	bindings   []binding
	parameters *parameters // nil where the policy takes none
	own        bool        // only the resource itself is judged, and not the pods that it makes
	ignore     bool        // failurePolicy: an error admits the object instead of refusing it
}

// condition is an expression with a name.
type condition struct {
	name       string
	expression *expression
}

// binding puts a policy in force.
type binding struct {
	name  string
	match matcher
	param *paramRef // nil: the policy gets no parameters
}

// wants tells whether the rules are about a kind, or about the pods that it
// makes, or take it for parameters.
func (p *rules) wants(apiVersion, kind string) bool {
	k := kindOf(apiVersion, kind)
	if p.match.wants(k) || p.parameters != nil && p.parameters.is(k) {
		return true
	}
	_, pods := manifest.MakesPods(apiVersion, kind)
	return pods && !p.own && p.match.wants(podKind)
}

// requests are the ones that come of a resource: its own, and that for the
// pods that it makes.
func (p *rules) requests(r *manifest.Resource, ctx policy.Context) []*request {
	q := newRequest(r, ctx)
	out := []*request{q}
	if pod := q.pod(); pod != nil && !p.own {
		out = append(out, pod)
	}
	return out
}

// invocation is one evaluation of the rules: a request with one binding and
// one of its parameters.
type invocation struct {
	request *request
	object  map[string]any
	input   *input
	doubt   string // why it is not known whether the rules are in force here
}

// refused is an error under failurePolicy Fail: the API server refuses the object.
type refused struct{ err error }

func (e *refused) Error() string { return e.err.Error() }

// invoke calls f with every invocation for a request. What keeps the rules
// from being evaluated is collected: a *refused is a verdict of the API
// server, any other error means that the verdict is not known.
func (p *rules) invoke(q *request, f func(*invocation) []error) []error {
	matched := p.match.match(q)
	if matched.no() {
		return nil
	}
	var errs []error
	for _, b := range p.bindings {
		m := matched.and(b.match.match(q))
		if m.no() {
			continue
		}
		params, err := p.parameters.of(b, q)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		object, err := p.objects.object(q)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, param := range params {
			in := p.input(q, object, param)
			doubt, ok, err := p.conditionsHold(in)
			switch {
			case err != nil && m.unknown != "":
				errs = append(errs, fmt.Errorf("%s; where it is, %w", m.unknown, err))
				continue
			case err != nil:
				errs = append(errs, p.failed(err))
				continue
			case !ok:
				continue
			}
			if m.unknown != "" {
				doubt = m.unknown
			}
			errs = append(errs, f(&invocation{request: q, object: object, input: in, doubt: doubt})...)
		}
	}
	return errs
}

// failed is what an error of an expression means: unknown stays unknown, and
// anything else goes by failurePolicy.
func (p *rules) failed(err error) error {
	var unknown *unknownError
	if errors.As(err, &unknown) || p.ignore {
		return err
	}
	return &refused{err}
}

func (p *rules) input(q *request, object map[string]any, params any) *input {
	in := &input{
		scope: p.scope, object: q.open(object), old: celtypes.NullValue, params: params, request: q.attributes(q.kind, q.resource),
		namespace: celtypes.NullValue, budget: limits.RuntimeCELCostBudget,
	}
	if params == nil {
		in.params = celtypes.NullValue
	}
	r, known := q.namespaceObject()
	if !known {
		in.namespace = unknown(plugin.NamespaceVarName)
	} else if r != nil {
		v, err := p.objects.complete(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, r.Value)
		if err != nil {
			in.namespace = unknown(plugin.NamespaceVarName)
		} else {
			in.namespace = v
		}
	}
	return in
}

// conditionsHold tells whether the match conditions hold. Where that is not
// known, doubt says why. One that is false outweighs those that fail.
func (p *rules) conditionsHold(in *input) (doubt string, ok bool, err error) {
	if len(p.conditions) == 0 {
		return "", true, nil
	}
	before := *in
	in.budget, in.namespace, in.lazy = limits.RuntimeCELCostBudgetMatchConditions, celtypes.NullValue, nil // the API server shows no namespace here
	defer func() { *in = before }()
	var left error
	for _, c := range p.conditions {
		v, e := in.eval(c.expression)
		var open *unknownError
		switch {
		case errors.As(e, &open):
			left = fmt.Errorf("match condition %s: %w", c.name, e)
		case e != nil:
			err = fmt.Errorf("match condition %s: %w", c.name, e)
		case v != celtypes.True:
			return "", false, nil
		}
	}
	switch {
	case left == nil:
		return "", true, err
	case err == nil:
		return left.Error(), true, nil
	}
	return "", false, left // the one that is not known may outweigh the one that fails
}

// notEvaluated makes one error of several reasons, each said once.
func notEvaluated(errs []error) error {
	var reasons []string
	for _, err := range errs {
		if s := err.Error(); !slices.Contains(reasons, s) {
			reasons = append(reasons, s)
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return errors.New(strings.Join(reasons, "; "))
}

// survive makes an error of a panic: much code of others runs over what
// strangers wrote.
func survive(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the policy could not be evaluated: %v", p)
	}
}

// place is where a violation stands in the resource as written, and the
// container that it is in.
func place(q *request, in manifest.Path) (manifest.Path, string) {
	if q.made && len(in) > 0 && in[0].Key != "spec" && in[0].Key != "metadata" {
		in = nil
	}
	p := q.at.Join(in)
	for i, s := range p {
		if i > 0 && s.Item && s.By == "name" && slices.Contains(manifest.ContainerLists, p[i-1].Key) {
			return p, s.Value
		}
	}
	return p, ""
}

// boolean is the type of conditions.
var boolean = []*cel.Type{cel.BoolType}
