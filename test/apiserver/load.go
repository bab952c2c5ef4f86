package apiserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// Load applies every object of a tree's YAML and JSON files, as 'kubectl apply
// --server-side' would, namespaces first, and says how many there were. A
// namespace that nothing makes is made. Kinds that the server does not have,
// and what it refuses as invalid, are left out: a repository also holds
// patches, values and templates.
func Load(ctx context.Context, config *rest.Config, tree fs.FS) (int, error) {
	objects, err := objectsOf(tree)
	if err != nil {
		return 0, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return 0, fmt.Errorf("making a client: %w", err)
	}
	asking, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return 0, fmt.Errorf("making a client: %w", err)
	}
	groups, err := restmapper.GetAPIGroupResources(asking)
	if err != nil {
		return 0, fmt.Errorf("asking the server what it has: %w", err)
	}
	l := loader{client, restmapper.NewDiscoveryRESTMapper(groups)}
	loaded := 0
	for _, o := range objects {
		ok, err := l.apply(ctx, o)
		if err != nil {
			return loaded, fmt.Errorf("%s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err)
		}
		if ok {
			loaded++
		}
	}
	return loaded, nil
}

type loader struct {
	objects dynamic.Interface
	kinds   meta.RESTMapper
}

func (l loader) apply(ctx context.Context, o *unstructured.Unstructured) (bool, error) {
	kind := o.GroupVersionKind()
	m, err := l.kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	namespace := ""
	if m.Scope.Name() == meta.RESTScopeNameNamespace {
		if namespace = o.GetNamespace(); namespace == "" {
			namespace = metav1.NamespaceDefault
			o.SetNamespace(namespace)
		}
		if err := l.namespace(ctx, namespace); err != nil {
			return false, err
		}
	}
	_, err = l.objects.Resource(m.Resource).Namespace(namespace).Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
	if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
		return false, nil
	}
	return err == nil, err
}

func (l loader) namespace(ctx context.Context, name string) error {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion("v1")
	o.SetKind("Namespace")
	o.SetName(name)
	_, err := l.objects.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Create(ctx, o, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// objectsOf reads the objects of a tree's YAML and JSON files, in the order they can be applied in.
func objectsOf(tree fs.FS) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)) {
			return err
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(src), 4096)
		for {
			o := &unstructured.Unstructured{}
			err := documents.Decode(&o.Object)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return nil // a template: nothing that could be applied
			}
			if o.IsList() {
				err := o.EachListItem(func(item runtime.Object) error {
					out = append(out, item.(*unstructured.Unstructured))
					return nil
				})
				if err != nil {
					return err
				}
				continue
			}
			if o.GetAPIVersion() != "" && o.GetKind() != "" && o.GetName() != "" {
				out = append(out, o)
			}
		}
	})
	first := []string{"Namespace", "CustomResourceDefinition"}
	slices.SortStableFunc(out, func(a, b *unstructured.Unstructured) int {
		order := func(o *unstructured.Unstructured) int {
			if i := slices.Index(first, o.GetKind()); i >= 0 {
				return i
			}
			return len(first)
		}
		return order(a) - order(b)
	})
	return out, err
}
