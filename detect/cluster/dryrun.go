package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// DryRun asks an API server what it would make of objects. It changes nothing,
// but it needs the right to patch: see deploy/dry-run.yaml.
type DryRun struct {
	objects dynamic.Interface
	kinds   meta.RESTMapper
	cluster string
}

// NewDryRun connects to a cluster.
func NewDryRun(config *rest.Config, cluster string) (*DryRun, error) {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", cluster, err)
	}
	asking, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", cluster, err)
	}
	groups, err := restmapper.GetAPIGroupResources(asking)
	if err != nil {
		return nil, fmt.Errorf("asking the API server of cluster %s what it has: %w", cluster, err)
	}
	return &DryRun{objects, restmapper.NewDiscoveryRESTMapper(groups), cluster}, nil
}

// applies are the managers in whose name an object is applied.
var applies = regexp.MustCompile(`^(kustomize-controller|argocd-controller|argocd-application-controller|helm-controller|kubectl)$`)

// Apply is a live object as it would be if desired were applied to it, in the
// name of the manager that applies it already. Secrets are never asked about:
// the answer would hold their data.
func (d *DryRun) Apply(ctx context.Context, desired map[string]any, live *manifest.Resource) (map[string]any, error) {
	if live.Kind == "Secret" && live.Group() == "" {
		return nil, nil
	}
	kind := schema.FromAPIVersionAndKind(text(desired["apiVersion"]), text(desired["kind"]))
	m, err := d.kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("a dry run of %s: %w", live.ID(), err)
	}
	if kind.GroupVersion().String() != live.APIVersion {
		return nil, fmt.Errorf("a dry run of %s: Git has it as %s, and the cluster answers %s", live.ID(), kind.GroupVersion(), live.APIVersion)
	}
	// A copy by way of JSON: what is desired is shared, and has integers of every size.
	src, err := json.Marshal(desired)
	if err != nil {
		return nil, fmt.Errorf("a dry run of %s: %w", live.ID(), err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(src); err != nil {
		return nil, fmt.Errorf("a dry run of %s: %w", live.ID(), err)
	}
	unstructured.RemoveNestedField(o.Object, "status")
	unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(o.Object, "metadata", "managedFields")
	o.SetNamespace(live.Namespace)
	body, err := json.Marshal(o.Object)
	if err != nil {
		return nil, fmt.Errorf("a dry run of %s: %w", live.ID(), err)
	}
	force := true
	made, err := d.objects.Resource(m.Resource).Namespace(live.Namespace).Patch(ctx, live.Name, types.ApplyPatchType, body, metav1.PatchOptions{
		DryRun: []string{metav1.DryRunAll}, Force: &force, FieldManager: manager(live),
	})
	if err != nil {
		return nil, fmt.Errorf("a dry run of %s: %w", live.ID(), err)
	}
	return made.Object, nil
}

// manager is who applies an object on the server's side; oakum where nobody does.
func manager(live *manifest.Resource) string {
	for _, e := range items(field(live.Value, "metadata", "managedFields")) {
		if name := text(e["manager"]); e["operation"] == "Apply" && text(e["subresource"]) == "" && applies.MatchString(name) {
			return name
		}
	}
	return "oakum"
}
