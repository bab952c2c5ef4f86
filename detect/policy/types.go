package policy

import (
	"reflect"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/oakum-dev/oakum/detect/vuln"
)

// kindTypes are the Go types of the kinds whose fields the type checker
// knows, so that a misspelt field is refused when the policy is loaded.
// Resources of any other kind are dynamic.
var kindTypes = map[string]reflect.Type{
	"Pod":                   reflect.TypeFor[corev1.PodTemplateSpec](),
	"Namespace":             reflect.TypeFor[corev1.Namespace](),
	"Service":               reflect.TypeFor[corev1.Service](),
	"ServiceAccount":        reflect.TypeFor[corev1.ServiceAccount](),
	"ConfigMap":             reflect.TypeFor[corev1.ConfigMap](),
	"Secret":                reflect.TypeFor[corev1.Secret](),
	"ResourceQuota":         reflect.TypeFor[corev1.ResourceQuota](),
	"LimitRange":            reflect.TypeFor[corev1.LimitRange](),
	"PersistentVolume":      reflect.TypeFor[corev1.PersistentVolume](),
	"PersistentVolumeClaim": reflect.TypeFor[corev1.PersistentVolumeClaim](),
	"Deployment":            reflect.TypeFor[appsv1.Deployment](),
	"StatefulSet":           reflect.TypeFor[appsv1.StatefulSet](),
	"DaemonSet":             reflect.TypeFor[appsv1.DaemonSet](),
	"ReplicaSet":            reflect.TypeFor[appsv1.ReplicaSet](),
	"Job":                   reflect.TypeFor[batchv1.Job](),
	"CronJob":               reflect.TypeFor[batchv1.CronJob](),
	"Ingress":               reflect.TypeFor[networkingv1.Ingress](),
	"NetworkPolicy":         reflect.TypeFor[networkingv1.NetworkPolicy](),
	"Role":                  reflect.TypeFor[rbacv1.Role](),
	"ClusterRole":           reflect.TypeFor[rbacv1.ClusterRole](),
	"RoleBinding":           reflect.TypeFor[rbacv1.RoleBinding](),
	"ClusterRoleBinding":    reflect.TypeFor[rbacv1.ClusterRoleBinding](),
	"StorageClass":          reflect.TypeFor[storagev1.StorageClass](),

	"ValidatingWebhookConfiguration":   reflect.TypeFor[admissionregistrationv1.ValidatingWebhookConfiguration](),
	"MutatingWebhookConfiguration":     reflect.TypeFor[admissionregistrationv1.MutatingWebhookConfiguration](),
	"ValidatingAdmissionPolicy":        reflect.TypeFor[admissionregistrationv1.ValidatingAdmissionPolicy](),
	"ValidatingAdmissionPolicyBinding": reflect.TypeFor[admissionregistrationv1.ValidatingAdmissionPolicyBinding](),
	"MutatingAdmissionPolicy":          reflect.TypeFor[admissionregistrationv1.MutatingAdmissionPolicy](),
	"MutatingAdmissionPolicyBinding":   reflect.TypeFor[admissionregistrationv1.MutatingAdmissionPolicyBinding](),
}

// vulnerabilityType is what scanners find.
var vulnerabilityType = reflect.TypeFor[vuln.Vulnerability]()

// dynamicTypes are written in more than one shape, or have their own reading.
var dynamicTypes = map[reflect.Type]*types.Type{
	reflect.TypeFor[resource.Quantity]():    types.DynType,
	reflect.TypeFor[intstr.IntOrString]():   types.DynType,
	reflect.TypeFor[runtime.RawExtension](): types.DynType,
	reflect.TypeFor[metav1.Time]():          types.StringType,
	reflect.TypeFor[metav1.MicroTime]():     types.StringType,
	reflect.TypeFor[metav1.Duration]():      types.StringType,
	reflect.TypeFor[metav1.FieldsV1]():      types.DynType,
	reflect.TypeFor[[]byte]():               types.StringType,
}

// schema is a CEL type provider over the Go types of the Kubernetes API. It
// declares types only: values are what the file says, as maps and lists.
type schema struct {
	types.Provider
	structs map[string]reflect.Type
}

func newSchema(base types.Provider) *schema {
	s := &schema{Provider: base, structs: map[string]reflect.Type{}}
	for _, t := range kindTypes {
		s.celType(t)
	}
	s.celType(vulnerabilityType)
	s.celType(reflect.TypeFor[kubeletConfiguration]()) // what is not known from the start would be written by several at once
	return s
}

// celType is the CEL type of values of a Go type; structs it meets on the way become known.
func (s *schema) celType(t reflect.Type) *types.Type {
	if d, ok := dynamicTypes[t]; ok {
		return d
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.celType(t.Elem())
	case reflect.Bool:
		return types.BoolType
	case reflect.String:
		return types.StringType
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return types.IntType
	case reflect.Float32, reflect.Float64:
		return types.DoubleType
	case reflect.Slice:
		return types.NewListType(s.celType(t.Elem()))
	case reflect.Map:
		return types.NewMapType(types.StringType, s.celType(t.Elem()))
	case reflect.Struct:
		name := typeName(t)
		if _, ok := s.structs[name]; !ok {
			s.structs[name] = t
			for f := range jsonFields(t) {
				s.celType(f.Type)
			}
		}
		return types.NewObjectType(name)
	}
	return types.DynType
}

func typeName(t reflect.Type) string { return t.Name() }

// jsonFields yields the fields of a struct as JSON sees them, inline ones flattened.
func jsonFields(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" && (f.Anonymous || strings.Contains(options, "inline")) && f.Type.Kind() == reflect.Struct {
				for inner := range jsonFields(f.Type) {
					if !yield(inner) {
						return
					}
				}
				continue
			}
			if name == "" || name == "-" {
				continue
			}
			f.Name = name
			if !yield(f) {
				return
			}
		}
	}
}

func (s *schema) field(t reflect.Type, name string) (reflect.Type, bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, false
	}
	for f := range jsonFields(t) {
		if f.Name == name {
			return f.Type, true
		}
	}
	return nil, false
}

func (s *schema) FindStructType(name string) (*types.Type, bool) {
	if _, ok := s.structs[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return s.Provider.FindStructType(name)
}

func (s *schema) FindStructFieldNames(name string) ([]string, bool) {
	t, ok := s.structs[name]
	if !ok {
		return s.Provider.FindStructFieldNames(name)
	}
	var names []string
	for f := range jsonFields(t) {
		names = append(names, f.Name)
	}
	return names, true
}

func (s *schema) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	t, ok := s.structs[name]
	if !ok {
		return s.Provider.FindStructFieldType(name, field)
	}
	ft, ok := s.field(t, field)
	if !ok {
		return nil, false
	}
	return &types.FieldType{Type: s.celType(ft)}, true
}

func (s *schema) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if _, ok := s.structs[name]; ok {
		return types.NewErr("cannot make a %s: write a map", name)
	}
	return s.Provider.NewValue(name, fields)
}

// withSchema makes an environment know the Kubernetes types.
func withSchema(s *schema) cel.EnvOption { return cel.CustomTypeProvider(s) }
