package admission

import (
	"reflect"

	"github.com/oakum-dev/oakum/detect/manifest"
	apicel "k8s.io/apiserver/pkg/cel"
)

// address identifies a mapping or a list; 0 is anything else, and what is empty.
func address(v any) uintptr {
	switch v := v.(type) {
	case map[string]any:
		return reflect.ValueOf(v).Pointer()
	case []any:
		if len(v) > 0 {
			return reflect.ValueOf(v).Pointer()
		}
	}
	return 0
}

func valueAt(object any, keys []any) any {
	for _, k := range keys {
		switch v := object.(type) {
		case map[string]any:
			name, _ := k.(string)
			object = v[name]
		case []any:
			i, ok := k.(int)
			if !ok || i < 0 || i >= len(v) {
				return nil
			}
			object = v[i]
		default:
			return nil
		}
	}
	return object
}

// pathOf writes keys as a path, items of lists by what tells them apart.
func pathOf(object any, keys []any) manifest.Path {
	var p manifest.Path
	for i, k := range keys {
		switch k := k.(type) {
		case string:
			p = p.Key(k)
		case int:
			list, _ := valueAt(object, keys[:i]).([]any)
			if k < 0 || k >= len(list) || len(p) == 0 {
				return p
			}
			p = append(p.Key(), manifest.ItemStep(p[len(p)-1].Key, list, k))
		}
	}
	return p
}

// unescape is a field's name as it is written in manifests.
func unescape(field string) string {
	if name, ok := apicel.Unescape(field); ok {
		return name
	}
	return field
}
