package drift

import (
	"encoding/json"
	"reflect"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

// shape is what is known of the values that a field may have: the Go type of
// a built-in kind, or the schema of a custom resource. The zero shape knows
// nothing.
type shape struct {
	types *types
	typ   reflect.Type
	crd   map[string]any
	keys  []string // of a list: the fields that tell its items apart
	set   bool     // a list of scalars without order
	kept  bool     // the API server keeps it where it is empty: it is a pointer, or an entry
	loose bool     // nothing is known but that empty scalars may be left out
}

// types knows the shapes of the kinds of a cluster.
type types struct {
	scheme *runtime.Scheme
	crds   map[schema.GroupVersionKind]map[string]any
	fields map[reflect.Type]map[string]shape
}

// newTypes takes the definitions of custom resources from the objects of a cluster.
func newTypes(definitions []map[string]any) *types {
	t := &types{scheme: runtime.NewScheme(), crds: map[schema.GroupVersionKind]map[string]any{}, fields: map[reflect.Type]map[string]shape{}}
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistrationv1.AddToScheme, appsv1.AddToScheme, autoscalingv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme,
		certificatesv1.AddToScheme, corev1.AddToScheme, flowcontrolv1.AddToScheme, networkingv1.AddToScheme, nodev1.AddToScheme,
		policyv1.AddToScheme, rbacv1.AddToScheme, schedulingv1.AddToScheme, storagev1.AddToScheme,
	} {
		utilruntime.Must(add(t.scheme))
	}
	for _, d := range definitions {
		for _, v := range list(field(d, "spec", "versions")) {
			if s, ok := field(v, "schema", "openAPIV3Schema").(map[string]any); ok {
				t.crds[schema.GroupVersionKind{Group: text(field(d, "spec", "group")), Version: text(field(v, "name")), Kind: text(field(d, "spec", "names", "kind"))}] = s
			}
		}
	}
	return t
}

// of is the shape of the objects of a kind.
func (t *types) of(apiVersion, kind string) shape {
	gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
	s := shape{types: t, crd: t.crds[gvk]}
	if typ := t.scheme.AllKnownTypes()[gvk]; typ != nil {
		s.typ = typ
	}
	switch gvk.Group {
	case "apiextensions.k8s.io", "apiregistration.k8s.io": // built in, and their types are not here
		s.loose = true
	}
	return s
}

var (
	decoder = reflect.TypeFor[json.Unmarshaler]()
	leaves  = map[reflect.Type]bool{
		reflect.TypeFor[resource.Quantity](): true, reflect.TypeFor[intstr.IntOrString](): true, reflect.TypeFor[metav1.Time](): true,
		reflect.TypeFor[metav1.MicroTime](): true, reflect.TypeFor[metav1.Duration](): true,
	}
)

// field is the shape of a field. ok is false for one that the API server drops.
func (s shape) field(key string) (f shape, ok bool) {
	unknown := shape{types: s.types, loose: s.loose, kept: !s.loose}
	if s.typ != nil {
		switch s.typ.Kind() {
		case reflect.Struct:
			if f, ok = s.types.structure(s.typ)[key]; ok {
				f.types = s.types
			}
			return f, ok
		case reflect.Map:
			return s.types.value(s.typ.Elem(), true), true
		}
		return unknown, true
	}
	if s.crd == nil {
		return unknown, true
	}
	properties, _ := s.crd["properties"].(map[string]any)
	if p, ok := properties[key].(map[string]any); ok {
		return s.types.schema(p), true
	}
	switch more := s.crd["additionalProperties"].(type) {
	case map[string]any:
		return s.types.schema(more), true
	case bool:
		return unknown, more
	}
	return unknown, s.crd["x-kubernetes-preserve-unknown-fields"] == true || s.crd["x-kubernetes-embedded-resource"] == true && (key == "metadata" || key == "apiVersion" || key == "kind")
}

// item is the shape of the items of a list.
func (s shape) item() shape {
	if s.typ != nil && s.typ.Kind() == reflect.Slice {
		return s.types.value(s.typ.Elem(), true)
	}
	if items, ok := s.crd["items"].(map[string]any); ok {
		return s.types.schema(items)
	}
	return shape{types: s.types, loose: s.loose, kept: !s.loose}
}

// structure is the fields of a struct, by their names in JSON.
func (t *types) structure(typ reflect.Type) map[string]shape {
	if known, ok := t.fields[typ]; ok {
		return known
	}
	out := map[string]shape{}
	t.fields[typ] = out
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" && strings.Contains(options, "inline") {
			for k, v := range t.structure(f.Type) {
				out[k] = v
			}
			continue
		}
		s := t.value(f.Type, f.Type.Kind() == reflect.Pointer)
		if strings.Contains(f.Tag.Get("patchStrategy"), "merge") && s.typ != nil && s.typ.Kind() == reflect.Slice {
			if key := f.Tag.Get("patchMergeKey"); key != "" {
				s.keys = []string{key}
				if also, ok := together[key]; ok {
					s.keys = append(s.keys, also)
				}
			} else {
				s.set = true
			}
		}
		out[name] = s
	}
	return out
}

// together are keys that tell items apart only with another one
// (x-kubernetes-list-map-keys of Kubernetes' OpenAPI).
var together = map[string]string{"containerPort": "protocol", "port": "protocol", "topologyKey": "whenUnsatisfiable"}

// value is the shape of a Go type.
func (t *types) value(typ reflect.Type, kept bool) shape {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	s := shape{types: t, typ: typ, kept: kept}
	if !leaves[typ] && (typ.Kind() == reflect.Interface || typ.Implements(decoder) || reflect.PointerTo(typ).Implements(decoder)) {
		s.typ = nil // it decodes itself
	}
	return s
}

// schema is the shape of a schema of OpenAPI.
func (t *types) schema(p map[string]any) shape {
	s := shape{types: t, crd: p, kept: true}
	switch p["x-kubernetes-list-type"] {
	case "map":
		for _, k := range list(p["x-kubernetes-list-map-keys"]) {
			s.keys = append(s.keys, text(k))
		}
	case "set":
		s.set = true
	}
	return s
}
