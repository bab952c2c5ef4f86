package admission

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// merge applies a configuration to an object the way server-side apply does,
// without owners. Like the API server it refuses a configuration that holds
// anything atomic: of that, what it does not name would be lost.
func merge(converter managedfields.TypeConverter, object, configuration *unstructured.Unstructured) (map[string]any, error) {
	wanted, err := converter.ObjectToTyped(configuration)
	if err != nil {
		return nil, fmt.Errorf("reading the Object: %w", err)
	}
	if whole := atomics(nil, wanted.Schema(), wanted.TypeRef(), wanted.AsValue()); len(whole) > 0 {
		return nil, fmt.Errorf("the Object sets %s, which can only be replaced as a whole: use JSONPatch", strings.Join(whole, ", "))
	}
	is, err := converter.ObjectToTyped(object, typed.AllowDuplicates)
	if err != nil {
		return nil, fmt.Errorf("reading the object: %w", err)
	}
	merged, err := is.Merge(wanted)
	if err != nil {
		return nil, fmt.Errorf("merging the Object: %w", err)
	}
	out, ok := merged.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("merging the Object gave no object")
	}
	return out, nil
}

// atomics lists the lists and mappings in a value that are replaced as a whole.
func atomics(path fieldpath.Path, s *schema.Schema, t schema.TypeRef, v value.Value) []string {
	a, ok := s.Resolve(t)
	if !ok {
		return nil
	}
	var out []string
	switch {
	case v.IsMap() && a.Map != nil:
		if a.Map.ElementRelationship == schema.Atomic {
			out = append(out, path.String())
		}
		v.AsMap().Iterate(func(key string, field value.Value) bool {
			if f, ok := a.Map.FindField(key); ok {
				out = append(out, atomics(append(path, fieldpath.PathElement{FieldName: &key}), s, f.Type, field)...)
			}
			return true
		})
	case v.IsList() && a.List != nil:
		if a.List.ElementRelationship == schema.Atomic {
			out = append(out, path.String())
		}
		for i := range v.AsList().Length() {
			out = append(out, atomics(append(path, fieldpath.PathElement{Index: &i}), s, a.List.ElementType, v.AsList().At(i))...)
		}
	}
	return out
}
