package gatekeeper

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/frameworks/constraint/pkg/client/reviews"
	mutationtypes "github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Object is what is judged: a resource, and the namespace it is in, where that
// is known. Generated says that a workload makes it.
type Object struct {
	Value     map[string]any
	Namespace map[string]any
	Generated bool
}

func (o Object) namespace() (*corev1.Namespace, error) {
	if o.Namespace == nil {
		return nil, nil
	}
	src, err := json.Marshal(o.Namespace)
	if err != nil {
		return nil, err
	}
	n := &corev1.Namespace{}
	if err := json.Unmarshal(src, n); err != nil {
		return nil, fmt.Errorf("reading the namespace: %w", err)
	}
	return n, nil
}

func (o Object) source() mutationtypes.SourceType {
	if o.Generated {
		return mutationtypes.SourceTypeGenerated
	}
	return mutationtypes.SourceTypeOriginal
}

// Violation is a constraint that an object breaks.
type Violation struct {
	Kind, Name string // of the constraint
	Message    string
	Details    map[string]any
}

// SetInventory gives the templates the objects that they look up. It takes
// the place of what was there.
func (l *Library) SetInventory(ctx context.Context, objects []map[string]any) error {
	if _, err := l.client.RemoveData(ctx, target.WipeData()); err != nil {
		return fmt.Errorf("emptying the inventory: %w", err)
	}
	for _, o := range objects {
		u := &unstructured.Unstructured{Object: o}
		if u.GetName() == "" {
			continue
		}
		if _, err := l.client.AddData(ctx, u); err != nil {
			return fmt.Errorf("adding %s %s to the inventory: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return nil
}

// Review judges an object by every constraint.
func (l *Library) Review(ctx context.Context, o Object) ([]Violation, error) {
	namespace, err := o.namespace()
	if err != nil {
		return nil, err
	}
	in := target.AugmentedUnstructured{
		Object: unstructured.Unstructured{Object: o.Value}, Namespace: namespace, Operation: admissionv1.Create, Source: o.source(),
	}
	options := []reviews.ReviewOpt{reviews.EnforcementPoint(enforcementPoint)}
	if o.Namespace != nil {
		options = append(options, reviews.Namespace(o.Namespace))
	}
	responses, err := l.client.Review(ctx, in, options...)
	if err != nil {
		return nil, fmt.Errorf("evaluating constraints: %w", err)
	}
	var out []Violation
	for _, r := range responses.Results() {
		out = append(out, Violation{r.Constraint.GetKind(), r.Constraint.GetName(), r.Msg, r.Metadata})
	}
	return out, nil
}
