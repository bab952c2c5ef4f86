package apiserver

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/oakum-dev/oakum/testdata/fleet"
)

// fillers are clients at once: about what the server answers on a laptop.
const fillers = 16

// Fill puts the objects of a large cluster into the server, as those who make
// them would: people and controllers the objects, kubelets and controllers
// their status. It says how many there are.
func Fill(ctx context.Context, config *rest.Config, parts iter.Seq[[]map[string]any]) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := filler{config: config, clients: map[schema.GroupVersion]*rest.RESTClient{}}
	next, stop := iter.Pull(parts)
	defer stop()
	first, ok := next() // nodes, which static pods name as their owners
	if ok {
		f.nodes = map[string]string{}
		if err := f.part(ctx, first, f.nodes); err != nil {
			return 0, err
		}
	}
	var wg sync.WaitGroup
	work := make(chan []map[string]any)
	for range fillers {
		wg.Go(func() {
			for part := range work {
				if err := f.part(ctx, part, map[string]string{}); err != nil {
					cancel(err)
				}
			}
		})
	}
	for part, ok := next(); ok && ctx.Err() == nil; part, ok = next() {
		work <- part
	}
	close(work)
	wg.Wait()
	return int(f.made.Load()), context.Cause(ctx)
}

type filler struct {
	config *rest.Config
	nodes  map[string]string
	made   atomic.Int64

	mu      sync.Mutex
	clients map[schema.GroupVersion]*rest.RESTClient
}

// part makes objects in their order. Uids keeps what the server calls those
// that were made.
func (f *filler) part(ctx context.Context, objects []map[string]any, uids map[string]string) error {
	for _, o := range objects {
		if err := f.create(ctx, o, uids); err != nil {
			m, _ := o["metadata"].(map[string]any)
			return fmt.Errorf("making %s %v/%v: %w", o["kind"], m["namespace"], m["name"], err)
		}
	}
	return nil
}

func (f *filler) create(ctx context.Context, o map[string]any, uids map[string]string) error {
	gv, err := schema.ParseGroupVersion(fmt.Sprint(o["apiVersion"]))
	if err != nil {
		return err
	}
	kind := gv.WithKind(fmt.Sprint(o["kind"]))
	object, err := scheme.Scheme.New(kind)
	if err != nil {
		return err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o, object); err != nil {
		return err
	}
	m, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	uid := string(m.GetUID())
	m.SetUID("")
	m.SetResourceVersion("")
	m.SetManagedFields(nil)
	if s, ok := object.(*corev1.Service); ok && s.Spec.ClusterIP != corev1.ClusterIPNone {
		s.Spec.ClusterIP, s.Spec.ClusterIPs = "", nil // no two may have the same
	}
	owners := m.GetOwnerReferences()
	for i, owner := range owners {
		for _, known := range []map[string]string{uids, f.nodes} {
			if is, ok := known[string(owner.UID)]; ok {
				owners[i].UID = types.UID(is)
			}
		}
	}
	m.SetOwnerReferences(owners)
	client, err := f.client(gv)
	if err != nil {
		return err
	}
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	made, err := scheme.Scheme.New(kind)
	if err != nil {
		return err
	}
	err = client.Post().NamespaceIfScoped(m.GetNamespace(), m.GetNamespace() != "").Resource(resource.Resource).
		Param("fieldManager", fleet.Manager(o)).Body(object).Do(ctx).Into(made)
	if apierrors.IsAlreadyExists(err) {
		return nil // kube-system
	}
	if err != nil {
		return err
	}
	f.made.Add(1)
	got, err := meta.Accessor(made)
	if err != nil {
		return err
	}
	uids[uid] = string(got.GetUID())
	if _, ok := o["status"]; !ok || kind.Kind == "Namespace" {
		return nil
	}
	m.SetUID(got.GetUID())
	m.SetResourceVersion(got.GetResourceVersion())
	return client.Put().NamespaceIfScoped(m.GetNamespace(), m.GetNamespace() != "").Resource(resource.Resource).Name(m.GetName()).SubResource("status").
		Param("fieldManager", fleet.StatusManager(o)).Body(object).Do(ctx).Error()
}

// client speaks protobuf to one group of the server.
func (f *filler) client(gv schema.GroupVersion) (*rest.RESTClient, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.clients[gv]; ok {
		return c, nil
	}
	config := rest.CopyConfig(f.config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.GroupVersion = &gv
	config.APIPath = "/apis"
	if gv.Group == "" {
		config.APIPath = "/api"
	}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	c, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	f.clients[gv] = c
	return c, nil
}
