package admission

import (
	"maps"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// request is the creation of one object, as the API server would be asked for
// it: a resource as written, or the pod that a workload will make.
type request struct {
	written   *manifest.Resource
	at        manifest.Path // of the object in the resource: the pod template, or nothing
	made      bool          // the object is a pod that the resource will make
	kind      schema.GroupVersionKind
	resource  schema.GroupVersionResource
	name      string
	namespace string // empty for what stands in none, and where no file says
	scope     scopeOf
	labels    map[string]string
	value     map[string]any // as written, completed to a whole object
	context   policy.Context
}

// scopeOf is where objects of a kind stand.
type scopeOf int

const (
	inNamespace scopeOf = iota
	inCluster
	inEither // a kind of an extension, with nothing written that tells
)

// newRequest is the request that creates a resource.
func newRequest(r *manifest.Resource, ctx policy.Context) *request {
	q := &request{written: r, kind: kindOf(r.APIVersion, r.Kind), context: ctx, value: r.Value}
	q.resource = resourceOf(q.kind)
	meta, _ := r.Value["metadata"].(map[string]any)
	q.name, _ = meta["name"].(string)
	q.labels = stringMap(meta["labels"])
	switch id := q.kind.Group + "/" + q.kind.Kind; {
	case clusterScoped[id]:
		q.scope = inCluster
	case builtin(q.kind.Group):
		q.scope = inNamespace
	default:
		q.scope = inEither
	}
	if q.scope != inCluster {
		if q.namespace = r.Namespace; ctx.Namespace != nil {
			q.namespace = ctx.Namespace(r)
		}
		if q.namespace != "" {
			q.scope = inNamespace
			q.value = withMeta(q.value, "namespace", q.namespace)
		}
	}
	return q
}

// pod is the request for the pod that a workload makes; nil for a resource
// that makes none.
func (q *request) pod() *request {
	r := q.written
	at, template, ok := r.PodTemplate()
	if !ok || len(at) == 0 {
		return nil
	}
	meta, _ := template["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	if meta == nil {
		meta = map[string]any{}
	}
	delete(meta, "name")
	owner := q.owner()
	meta["generateName"] = r.Name + "-"
	meta["ownerReferences"] = []any{owner}
	if q.namespace != "" {
		meta["namespace"] = q.namespace
	}
	return &request{
		written: r, at: at, made: true, kind: podKind, resource: resourceOf(podKind), context: q.context,
		namespace: q.namespace, scope: inNamespace, labels: stringMap(meta["labels"]),
		value: map[string]any{"apiVersion": "v1", "kind": manifest.PodKind, "metadata": meta, "spec": template["spec"]},
	}
}

// owner refers to the object that makes the pods of a workload: often one
// that the workload makes itself.
func (q *request) owner() map[string]any {
	apiVersion, kind := q.written.APIVersion, q.written.Kind
	switch kind {
	case "Deployment", "Rollout":
		apiVersion, kind = "apps/v1", "ReplicaSet"
	case "CronJob", "AdvancedCronJob":
		apiVersion, kind = "batch/v1", "Job"
	case "DeploymentConfig":
		apiVersion, kind = "v1", "ReplicationController"
	}
	return map[string]any{
		"apiVersion": apiVersion, "kind": kind, "name": q.written.Name, "uid": "00000000-0000-0000-0000-000000000000",
		"controller": true, "blockOwnerDeletion": true,
	}
}

// attributes are the request as expressions see it.
func (q *request) attributes(kind schema.GroupVersionKind, resource schema.GroupVersionResource) map[string]any {
	gvk := func(k schema.GroupVersionKind) map[string]any {
		return map[string]any{"group": k.Group, "version": k.Version, "kind": k.Kind}
	}
	gvr := func(r schema.GroupVersionResource) map[string]any {
		return map[string]any{"group": r.Group, "version": r.Version, "resource": r.Resource}
	}
	out := map[string]any{
		"kind": gvk(kind), "resource": gvr(resource), "requestKind": gvk(q.kind), "requestResource": gvr(q.resource),
		"operation": "CREATE", "dryRun": false, "userInfo": unknown("request.userInfo"), "uid": "",
		"options": map[string]any{"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
	}
	if q.name != "" {
		out["name"] = q.name
	}
	if q.namespace != "" {
		out["namespace"] = q.namespace
	}
	switch {
	case q.isNamespace():
		out["namespace"] = q.name // as the API server has it
	case q.scope != inCluster && q.namespace == "":
		out["namespace"] = unknown("request.namespace")
	}
	return out
}

func (q *request) isNamespace() bool { return q.kind.Group == "" && q.kind.Kind == "Namespace" }

// namespaceObject is the namespace that the object stands in. known is false
// where no file has it; it is nil for what stands in none.
func (q *request) namespaceObject() (namespace *manifest.Resource, known bool) {
	switch {
	case q.scope == inCluster:
		return nil, true
	case q.namespace == "" || q.context.Objects == nil:
		return nil, false
	}
	for _, r := range q.context.Objects("", "Namespace", q.namespace) {
		return r, true
	}
	return nil, false
}

// open is an object with what no manifest tells of it left open: the API
// server puts everything that stands in a namespace into one.
func (q *request) open(object map[string]any) map[string]any {
	if q.scope == inCluster || q.namespace != "" {
		return object
	}
	return withMeta(object, "namespace", unknown("object.metadata.namespace"))
}

func withMeta(object map[string]any, key string, value any) map[string]any {
	out := maps.Clone(object)
	meta, _ := out["metadata"].(map[string]any)
	if meta = maps.Clone(meta); meta == nil {
		meta = map[string]any{}
	}
	meta[key] = value
	out["metadata"] = meta
	return out
}

func stringMap(v any) map[string]string {
	m, _ := v.(map[string]any)
	out := make(map[string]string, len(m))
	for k, v := range m {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}
