package policies_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	coordinationv1 "k8s.io/api/coordination/v1"
	coordinationv1beta1 "k8s.io/api/coordination/v1beta1"
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1beta1 "k8s.io/api/networking/v1beta1"
	nodev1 "k8s.io/api/node/v1"
	nodev1beta1 "k8s.io/api/node/v1beta1"
	policyv1 "k8s.io/api/policy/v1"
	policyv1beta1 "k8s.io/api/policy/v1beta1"
	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1alpha1 "k8s.io/api/rbac/v1alpha1"
	rbacv1beta1 "k8s.io/api/rbac/v1beta1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	schedulingv1beta1 "k8s.io/api/scheduling/v1beta1"
	storagev1 "k8s.io/api/storage/v1"
	storagev1beta1 "k8s.io/api/storage/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// served has the Go types of the old and the new versions of the API.
func served(t testing.TB) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		batchv1.AddToScheme, batchv1beta1.AddToScheme,
		coordinationv1.AddToScheme, coordinationv1beta1.AddToScheme, networkingv1.AddToScheme, networkingv1beta1.AddToScheme,
		nodev1.AddToScheme, nodev1beta1.AddToScheme, policyv1.AddToScheme, policyv1beta1.AddToScheme,
		rbacv1.AddToScheme, rbacv1alpha1.AddToScheme, rbacv1beta1.AddToScheme,
		schedulingv1.AddToScheme, schedulingv1beta1.AddToScheme,
		storagev1.AddToScheme, storagev1beta1.AddToScheme,
	} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// sameFields tells whether a kind has the same fields in two versions of the API.
func sameFields(s *runtime.Scheme, old, now, kind string) bool {
	types := s.AllKnownTypes()
	a, ok := types[schema.FromAPIVersionAndKind(old, kind)]
	b, too := types[schema.FromAPIVersionAndKind(now, kind)]
	return ok && too && slices.Equal(fields(a, "", 0), fields(b, "", 0))
}

// fields lists the fields of a type as they are written, with what they hold.
func fields(t reflect.Type, at string, depth int) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 || depth > 12 {
		return []string{at + " " + t.Kind().String()}
	}
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "status" && depth == 0 || name == "" && !strings.Contains(options, "inline") {
			continue
		}
		out = append(out, fields(f.Type, at+"."+name, depth+1)...)
	}
	slices.Sort(out)
	return out
}

// TestRenamedVersions: of the versions that api-removed renames, each kind has
// the same fields before and after. What is gone is no more in the module of the
// API: there the migration guide of Kubernetes says it.
func TestRenamedVersions(t *testing.T) {
	t.Parallel()
	gone := []string{"batch/v2alpha1 CronJob", "scheduling.k8s.io/v1alpha1 PriorityClass", "apiregistration.k8s.io/v1beta1 APIService", "autoscaling/v2beta2 HorizontalPodAutoscaler"}
	s := served(t)
	compared := 0
	for _, p := range load(t) {
		if p.Name != "api-removed" {
			continue
		}
		for _, entry := range p.Parameters["versions"].Default.([]any) {
			w := strings.Fields(entry.(string))
			if len(w) != 5 || w[4] != "same" && w[4] != "other" {
				t.Errorf("not five words: %q", entry)
				continue
			}
			if w[4] == "other" || slices.Contains(gone, w[0]+" "+w[1]) {
				continue
			}
			compared++
			if !sameFields(s, w[0], w[3], w[1]) {
				t.Errorf("%s of %s and %s have other fields", w[1], w[0], w[3])
			}
		}
	}
	if compared < 15 {
		t.Errorf("only %d versions were compared", compared)
	}
}
