package policy

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// selects tells whether a label selector, with matchLabels and
// matchExpressions, selects something by its labels (metav1.LabelSelector).
// The empty selector selects everything.
func selects() cel.EnvOption {
	match := func(selector, set ref.Val) ref.Val {
		s, err := stringMap(selector)
		if err != nil {
			return types.WrapErr(err)
		}
		l, err := stringMap(set)
		if err != nil {
			return types.WrapErr(err)
		}
		parsed, err := parseSelector(s)
		if err != nil {
			return types.WrapErr(err)
		}
		is := labels.Set{}
		for k, v := range l {
			is[k], _ = v.(string)
		}
		return types.Bool(parsed.Matches(is))
	}
	return cel.Function("selects", cel.Overload("selects_selector_labels", []*cel.Type{cel.DynType, cel.DynType}, cel.BoolType,
		cel.BinaryBinding(match)))
}

// stringMap is a CEL map as a resource has it.
func stringMap(v ref.Val) (map[string]any, error) {
	if m, ok := v.Value().(map[string]any); ok {
		return m, nil
	}
	n, err := native(v)
	if err != nil {
		return nil, err
	}
	m, ok := n.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a %s is not a map", v.Type().TypeName())
	}
	return m, nil
}

func parseSelector(selector map[string]any) (labels.Selector, error) {
	plain, only := selector["matchLabels"].(map[string]any)
	if only && len(selector) == 1 { // nearly all are like this, and asked very often
		set := make(labels.Set, len(plain))
		for k, v := range plain {
			set[k], _ = v.(string)
		}
		return labels.SelectorFromSet(set), nil
	}
	var s metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(selector, &s); err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(&s)
}

// podTemplate gives the pod template of an object, if it makes pods.
func podTemplate(s *schema) cel.EnvOption {
	template := func(object ref.Val) ref.Val {
		o, err := stringMap(object)
		if err != nil {
			return types.WrapErr(err)
		}
		apiVersion, _ := o["apiVersion"].(string)
		kind, _ := o["kind"].(string)
		_, pod, ok := manifest.PodTemplateOf(apiVersion, kind, o)
		if !ok {
			return types.OptionalNone
		}
		return types.OptionalOf(types.DefaultTypeAdapter.NativeToValue(pod))
	}
	return cel.Function("podTemplate", cel.Overload("pod_template_object", []*cel.Type{cel.DynType},
		cel.OptionalType(s.celType(kindTypes[manifest.PodKind])), cel.UnaryBinding(template)))
}
