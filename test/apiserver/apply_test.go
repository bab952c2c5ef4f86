package apiserver

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// kubectl applies objects as kubectl does, on either side.
type kubectl struct {
	objects dynamic.Interface
	asking  discovery.DiscoveryInterface
	kinds   meta.RESTMapper
	loader  loader
	server  bool // apply --server-side
}

func newKubectl(config *rest.Config, server bool) (*kubectl, error) {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	asking, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	k := &kubectl{objects: objects, asking: asking, server: server}
	return k, k.learn()
}

// learn asks the server which kinds it has by now.
func (k *kubectl) learn() error {
	groups, err := restmapper.GetAPIGroupResources(k.asking)
	if err != nil {
		return err
	}
	k.kinds = restmapper.NewDiscoveryRESTMapper(groups)
	k.loader = loader{k.objects, k.kinds}
	return nil
}

// resource is where objects like this one are, in its namespace, which is made.
func (k *kubectl) resource(ctx context.Context, o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := o.GroupVersionKind()
	m, err := k.kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	if m.Scope.Name() != meta.RESTScopeNameNamespace {
		return k.objects.Resource(m.Resource), nil
	}
	if o.GetNamespace() == "" {
		o.SetNamespace(metav1.NamespaceDefault)
	}
	return k.objects.Resource(m.Resource).Namespace(o.GetNamespace()), k.loader.namespace(ctx, o.GetNamespace())
}

// apply is kubectl apply, with or without --server-side.
func (k *kubectl) apply(ctx context.Context, o *unstructured.Unstructured) error {
	r, err := k.resource(ctx, o)
	if err != nil {
		return err
	}
	if k.server {
		_, err = r.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
		return err
	}
	return threeWay(ctx, r, o)
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// threeWay does what kubectl apply does on the client's side: it makes a patch
// of what was applied last, what is to be applied, and what lives.
func threeWay(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
	modified := o.DeepCopy()
	annotations := modified.GetAnnotations()
	delete(annotations, lastApplied)
	modified.SetAnnotations(annotations)
	src, err := json.Marshal(modified.Object)
	if err != nil {
		return err
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[lastApplied] = string(src) + "\n"
	modified.SetAnnotations(annotations)
	live, err := r.Get(ctx, o.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = r.Create(ctx, modified, metav1.CreateOptions{FieldManager: "kubectl-client-side-apply"})
		return err
	}
	if err != nil {
		return err
	}
	original := []byte(live.GetAnnotations()[lastApplied])
	wanted, err := json.Marshal(modified.Object)
	if err != nil {
		return err
	}
	current, err := json.Marshal(live.Object)
	if err != nil {
		return err
	}
	kind := types.MergePatchType
	var patch []byte
	if typed, unknown := scheme.Scheme.New(o.GroupVersionKind()); unknown == nil {
		kind = types.StrategicMergePatchType
		lookup, err := strategicpatch.NewPatchMetaFromStruct(typed)
		if err != nil {
			return err
		}
		if patch, err = strategicpatch.CreateThreeWayMergePatch(original, wanted, current, lookup, true); err != nil {
			return fmt.Errorf("making a patch: %w", err)
		}
	} else if patch, err = jsonmergepatch.CreateThreeWayJSONMergePatch(original, wanted, current); err != nil {
		return fmt.Errorf("making a patch: %w", err)
	}
	_, err = r.Patch(ctx, o.GetName(), kind, patch, metav1.PatchOptions{FieldManager: "kubectl-client-side-apply"})
	return err
}

// edit is kubectl edit: it reads an object, changes it and writes all of it back.
func (k *kubectl) edit(ctx context.Context, o *unstructured.Unstructured, manager string, change func(*unstructured.Unstructured)) error {
	r, err := k.resource(ctx, o)
	if err != nil {
		return err
	}
	live, err := r.Get(ctx, o.GetName(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	change(live)
	_, err = r.Update(ctx, live, metav1.UpdateOptions{FieldManager: manager})
	return err
}

// scale is what an autoscaler does, through the subresource.
func (k *kubectl) scale(ctx context.Context, o *unstructured.Unstructured, replicas int64) error {
	r, err := k.resource(ctx, o)
	if err != nil {
		return err
	}
	now, err := r.Get(ctx, o.GetName(), metav1.GetOptions{}, "scale")
	if err != nil {
		return err
	}
	if err := unstructured.SetNestedField(now.Object, replicas, "spec", "replicas"); err != nil {
		return err
	}
	_, err = r.Update(ctx, now, metav1.UpdateOptions{FieldManager: "kube-controller-manager"}, "scale")
	return err
}

// remove deletes an object at once, whatever would finish it.
func (k *kubectl) remove(ctx context.Context, o *unstructured.Unstructured) error {
	r, err := k.resource(ctx, o)
	if err != nil {
		return err
	}
	now := int64(0)
	background := metav1.DeletePropagationBackground
	err = r.Delete(ctx, o.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now, PropagationPolicy: &background})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = r.Patch(ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
