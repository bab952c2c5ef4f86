package cluster

import "maps"

// trim drops what nobody asks for of an object before it is kept: of 10,000
// pods, most of the memory.
func trim(k kind, o map[string]any, owners bool) map[string]any {
	o["apiVersion"], o["kind"] = k.apiVersion(), k.name // the items of a list may not say it
	meta, _ := o["metadata"].(map[string]any)
	if !owners {
		delete(meta, "managedFields")
	}
	switch {
	case k.secret():
		secret(o, meta)
	case k.Group == "" && k.name == "Pod":
		if owner, ok := controller(o); ok && owner["kind"] != "Node" {
			return pod(o, meta)
		}
	case k.moment():
		return map[string]any{
			"apiVersion": o["apiVersion"], "kind": o["kind"], "metadata": pick(meta, "name", "namespace", "uid"), "containers": o["containers"],
		}
	}
	return o
}

// lastApplied holds the whole object as kubectl applied it.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// secret keeps what tells of a Secret that it is there, and nothing it holds.
func secret(o, meta map[string]any) {
	delete(o, "data")
	delete(o, "stringData")
	delete(meta, "managedFields") // which keys it has is nobody's business
	if annotations, ok := meta["annotations"].(map[string]any); ok {
		annotations = maps.Clone(annotations) // it may be others' as well
		delete(annotations, lastApplied)
		meta["annotations"] = annotations
	}
}

// pod keeps of a pod that another object makes what its containers tell: the
// rest stands in the template.
func pod(o, meta map[string]any) map[string]any {
	spec, _ := o["spec"].(map[string]any)
	status, _ := o["status"].(map[string]any)
	kept := pick(status, "phase")
	for _, list := range []string{"containerStatuses", "initContainerStatuses"} {
		if statuses, ok := status[list].([]any); ok {
			kept[list] = containers(statuses)
		}
	}
	return map[string]any{
		"apiVersion": o["apiVersion"], "kind": o["kind"],
		"metadata": pick(meta, "name", "namespace", "uid", "resourceVersion", "creationTimestamp", "labels", "annotations", "ownerReferences"),
		"spec":     pick(spec, "serviceAccountName", "nodeName", "hostNetwork", "hostPID", "hostIPC", "hostUsers", "os", "securityContext", "containers", "initContainers", "ephemeralContainers", "volumes"),
		"status":   kept,
	}
}

// containers keeps of the statuses of containers what runs, and how well.
func containers(statuses []any) []any {
	out := make([]any, 0, len(statuses))
	for _, s := range items(statuses) {
		out = append(out, pick(s, "name", "image", "imageID", "ready", "restartCount", "user"))
	}
	return out
}

func pick(m map[string]any, keys ...string) map[string]any {
	out := map[string]any{}
	for _, k := range keys {
		if v, ok := m[k]; ok {
			out[k] = v
		}
	}
	return out
}

// slim drops of what the workloads of the inventory make, pods aside, all but
// whose it is: the workload is judged in its place.
func (i *Inventory) slim() {
	makers := i.makers(nil)
	for n, o := range i.Objects {
		owner, ok := controller(o)
		if ok && o["kind"] != "Pod" && makers[text(owner["uid"])] {
			i.Objects[n] = pick(o, "apiVersion", "kind", "metadata")
		}
	}
}
