package fleet

import (
	"encoding/json"
	"fmt"
)

// managed is who wrote which field of an object, as an API server keeps it:
// of most objects about a third.
func managed(o m) l {
	meta, _ := o["metadata"].(m)
	at := meta["creationTimestamp"]
	spec := m{}
	owned := m{}
	for _, key := range []string{"labels", "annotations", "ownerReferences"} {
		if v, ok := meta[key]; ok {
			owned["f:"+key] = fields(v)
		}
	}
	if len(owned) > 0 {
		spec["f:metadata"] = owned
	}
	for key, v := range o {
		switch key {
		case "apiVersion", "kind", "metadata", "status":
		default:
			spec["f:"+key] = fields(v)
		}
	}
	entry := func(manager, subresource string, f m) m {
		e := m{"manager": manager, "operation": "Update", "apiVersion": o["apiVersion"], "time": at, "fieldsType": "FieldsV1", "fieldsV1": f}
		if subresource != "" {
			e["subresource"] = subresource
		}
		return e
	}
	out := l{entry(Manager(o), "", spec)}
	if status, ok := o["status"]; ok {
		out = append(out, entry(StatusManager(o), "status", m{"f:status": fields(status)}))
	}
	return out
}

// Manager is who writes an object: a controller, or a person.
func Manager(o map[string]any) string {
	if meta, _ := o["metadata"].(m); meta["ownerReferences"] != nil {
		return "kube-controller-manager"
	}
	return "kubectl-client-side-apply"
}

// StatusManager is who writes its status.
func StatusManager(o map[string]any) string {
	if o["kind"] == "Pod" || o["kind"] == "Node" {
		return "kubelet"
	}
	return "kube-controller-manager"
}

func fields(v any) m {
	out := m{}
	switch v := v.(type) {
	case m:
		if len(v) > 0 {
			out["."] = m{}
		}
		for key, e := range v {
			out["f:"+key] = fields(e)
		}
	case l:
		for _, e := range v {
			item, ok := e.(m)
			if !ok {
				return m{} // a list of values is owned whole
			}
			for _, by := range []string{"name", "type", "uid", "ip", "mountPath", "containerPort"} {
				if is, ok := item[by]; ok {
					value, _ := json.Marshal(is)
					out[fmt.Sprintf("k:{%q:%s}", by, value)] = fields(e)
					break
				}
			}
		}
	}
	return out
}
