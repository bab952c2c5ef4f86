package admission

import (
	"fmt"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// newScheme knows the Go types of the kinds that manifests usually hold.
func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistrationv1.AddToScheme, appsv1.AddToScheme, autoscalingv1.AddToScheme, autoscalingv2.AddToScheme,
		batchv1.AddToScheme, certificatesv1.AddToScheme, coordinationv1.AddToScheme, corev1.AddToScheme,
		discoveryv1.AddToScheme, networkingv1.AddToScheme, nodev1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme,
		schedulingv1.AddToScheme, storagev1.AddToScheme,
	} {
		utilruntime.Must(add(s))
	}
	return s
}

// objects turns resources as they are written into objects as the API server
// hands them to admission: decoded, completed by its defaults, and written
// out again. Kinds that it does not know stay as they are written.
type objects struct {
	scheme *runtime.Scheme

	mu   sync.Mutex
	kept [16]keptObject // the last ones: several policies judge the same resource in turn
	next int
}

type keptObject struct {
	written *manifest.Resource
	made    bool
	value   map[string]any
	err     error
}

func newObjects() *objects { return &objects{scheme: newScheme()} }

// knows tells whether the Go type of a kind is known.
func (t *objects) knows(kind schema.GroupVersionKind) bool { return t.scheme.Recognizes(kind) }

// object is what admission sees of a request.
func (t *objects) object(q *request) (map[string]any, error) {
	t.mu.Lock()
	for _, k := range t.kept {
		if k.written == q.written && k.made == q.made {
			t.mu.Unlock()
			return k.value, k.err
		}
	}
	t.mu.Unlock()
	v, err := t.complete(q.kind, q.value)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept[t.next] = keptObject{q.written, q.made, v, err}
	t.next = (t.next + 1) % len(t.kept)
	return v, err
}

// complete decodes a value, sets the defaults and gives it back as a map.
func (t *objects) complete(kind schema.GroupVersionKind, v map[string]any) (map[string]any, error) {
	if !t.knows(kind) {
		return v, nil
	}
	o, err := t.scheme.New(kind)
	if err != nil {
		return nil, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(v, o); err != nil {
		return nil, fmt.Errorf("the API server would not read it: %w", err)
	}
	setDefaults(o)
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, err
	}
	out["apiVersion"], out["kind"] = kind.GroupVersion().String(), kind.Kind
	return out, nil
}

// Defaults gives objects what the API server fills in, for the kinds that
// policies mostly judge: others, and what it could not read, are nil. It may
// be called from several places at once.
func Defaults() func(map[string]any) map[string]any {
	t := newObjects()
	return func(o map[string]any) map[string]any {
		apiVersion, _ := o["apiVersion"].(string)
		kind, _ := o["kind"].(string)
		gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
		if !t.knows(gvk) {
			return nil
		}
		out, err := t.complete(gvk, o)
		if err != nil {
			return nil
		}
		return out
	}
}
