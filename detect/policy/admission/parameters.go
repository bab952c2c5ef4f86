package admission

import (
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// parameters are where a policy's parameters are looked for: beside the policy
// first, and in the tree that is judged.
type parameters struct {
	kind    schema.GroupVersionKind
	beside  []*policy.Document
	objects *objects
}

// paramRef is how a binding chooses parameters.
type paramRef struct {
	name      string // or else by selector
	namespace string
	selector  labels.Selector
	any       bool // every one of the kind, where no binding chooses
}

func newParamRef(r *admissionv1.ParamRef) (*paramRef, error) {
	if r == nil {
		return nil, nil
	}
	out := &paramRef{name: r.Name, namespace: r.Namespace}
	switch {
	case (r.Name == "") == (r.Selector == nil):
		return nil, fmt.Errorf("paramRef needs either a name or a selector")
	case r.Selector != nil:
		var err error
		if out.selector, err = metav1.LabelSelectorAsSelector(r.Selector); err != nil {
			return nil, fmt.Errorf("paramRef.selector: %w", err)
		}
	}
	return out, nil
}

func (p *parameters) is(kind schema.GroupVersionKind) bool {
	return p.kind.Group == kind.Group && p.kind.Kind == kind.Kind
}

// of lists the parameters for a request: one that is nil where the policy or
// the binding has none. Parameters that are in no file may be in the cluster.
func (p *parameters) of(b binding, q *request) ([]any, error) {
	if p == nil || b.param == nil {
		return []any{nil}, nil
	}
	clusterWide := clusterScoped[p.kind.Group+"/"+p.kind.Kind]
	namespace := b.param.namespace
	if namespace == "" && !clusterWide && !b.param.any {
		namespace = q.namespace
	}
	var found []any
	var failed error
	consider := func(ns, name string, value map[string]any) {
		meta, _ := value["metadata"].(map[string]any)
		switch {
		case b.param.name != "" && b.param.name != name,
			b.param.selector != nil && !b.param.selector.Matches(labels.Set(stringMap(meta["labels"]))),
			ns != "" && namespace != "" && ns != namespace:
			return
		}
		v, err := p.objects.complete(p.kind, value)
		if err != nil {
			failed = fmt.Errorf("parameter %s %s: %w", p.kind.Kind, name, err)
			return
		}
		found = append(found, v)
	}
	for _, d := range p.beside {
		consider(d.Namespace(), d.Name(), d.Value)
	}
	if len(found) == 0 && q.context.Objects != nil {
		for _, r := range q.context.Objects(p.kind.Group, p.kind.Kind, b.param.name) {
			if r.File.Form == manifest.Plain {
				consider(r.Namespace, r.Name, r.Value)
			}
		}
	}
	switch {
	case failed != nil:
		return nil, failed
	case len(found) > 0:
		return found, nil
	case b.param.name != "":
		return nil, fmt.Errorf("its parameters, %s %s, are in no file: put them beside the policy", p.kind.Kind, b.param.name)
	}
	return nil, fmt.Errorf("its parameters, of kind %s, are in no file: put them beside the policy", p.kind.Kind)
}
