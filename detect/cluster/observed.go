package cluster

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// profile reads what Kubescape's operator saw a workload do
// (spdx.softwarecomposition.kubescape.io, ApplicationProfile).
func (r *Running) profile(o map[string]any) {
	if !learned(o) {
		return
	}
	of := object{learnedOf(o, "namespace"), learnedOf(o, "kind"), learnedOf(o, "name")}
	for _, c := range items(field(o, "spec", "containers")) {
		r.profiles[containerOf{of, text(c["name"])}] = c
	}
}

// learned tells what Kubescape is done with from what it still learns, or came
// too late to see the start of.
func learned(o map[string]any) bool {
	said := func(key string) string { return text(field(o, "metadata", "annotations", "kubescape.io/"+key)) }
	return said("status") == "completed" && said("completion") != "partial"
}

// learnedOf is of which workload Kubescape learned something.
func learnedOf(o map[string]any, what string) string {
	return text(field(o, "metadata", "labels", "kubescape.io/workload-"+what))
}

// Profile is what a container was seen to do, nil where nobody looked.
func (r *Running) Profile(workload *manifest.Resource, container string) map[string]any {
	return r.profiles[containerOf{object{workload.Namespace, workload.Kind, workload.Name}, container}]
}

// recommendation reads what a VerticalPodAutoscaler would give containers.
func (r *Running) recommendation(o map[string]any) {
	of := object{metadataOf(o, "namespace"), text(field(o, "spec", "targetRef", "kind")), text(field(o, "spec", "targetRef", "name"))}
	r.advice[of] = o
}

// Recommended is what a VerticalPodAutoscaler recommends a container to
// request of a resource, and what it is called; empty for none.
func (r *Running) Recommended(workload *manifest.Resource, container, resource string) (value, by string) {
	o := r.advice[object{workload.Namespace, workload.Kind, workload.Name}]
	for _, c := range items(field(o, "status", "recommendation", "containerRecommendations")) {
		if text(c["containerName"]) == container {
			return text(field(c, "target", resource)), "VerticalPodAutoscaler " + metadataOf(o, "namespace") + "/" + metadataOf(o, "name")
		}
	}
	return "", ""
}

// uses notes what the containers of a pod used when somebody looked last
// (metrics.k8s.io, PodMetrics).
func (r *Running) uses(o map[string]any) {
	of := object{metadataOf(o, "namespace"), "Pod", metadataOf(o, "name")}
	for _, c := range items(o["containers"]) {
		if usage, ok := c["usage"].(map[string]any); ok {
			r.usage[containerOf{of, text(c["name"])}] = usage
		}
	}
}

// Usage is what a container used of a resource when somebody looked last; not
// ok where nobody did.
func (r *Running) Usage(c Container, name string) (used resource.Quantity, ok bool) {
	used, err := resource.ParseQuantity(text(r.usage[containerOf{object{c.Namespace, "Pod", c.Pod}, c.Name}][name]))
	return used, err == nil
}

// neighbourhood is who was seen to call the pods of a workload.
type neighbourhood struct {
	labels map[string]any // of the pods
	who    string         // the workload
	calls  []Call
}

// Call is traffic that was seen to reach a pod from outside its namespace.
type Call struct {
	From, To string         // as people name them
	Labels   map[string]any // of the pods that are called
	Ports    []int64        // none: which ones is not known
}

// neighbourhood reads who was seen to call a workload
// (spdx.softwarecomposition.kubescape.io, NetworkNeighborhood).
func (r *Running) neighbourhood(o map[string]any) {
	labels, _ := field(o, "spec", "matchLabels").(map[string]any)
	if !learned(o) || len(labels) == 0 {
		return
	}
	n := neighbourhood{labels: labels, who: learnedOf(o, "kind") + " " + learnedOf(o, "name")}
	home := learnedOf(o, "namespace")
	for _, list := range []string{"containers", "initContainers", "ephemeralContainers"} {
		for _, c := range items(field(o, "spec", list)) {
			for _, peer := range items(c["ingress"]) {
				from, outside := caller(peer, home)
				if !outside {
					continue
				}
				call := Call{From: from, To: n.who, Labels: labels}
				for _, p := range items(peer["ports"]) {
					if port, ok := p["port"].(int64); ok {
						call.Ports = append(call.Ports, port)
					}
				}
				n.calls = append(n.calls, call)
			}
		}
	}
	r.callers[home] = append(r.callers[home], n)
}

// caller names a peer, and tells whether it may be anywhere but in a namespace:
// a peer of pods alone is in that of who it calls.
func caller(peer map[string]any, home string) (name string, outside bool) {
	pods, byPod := field(peer, "podSelector", "matchLabels").(map[string]any)
	spaces, bySpace := field(peer, "namespaceSelector", "matchLabels").(map[string]any)
	switch space := text(spaces["kubernetes.io/metadata.name"]); {
	case byPod && !bySpace, space == home && len(spaces) == 1:
		return "", false
	case bySpace:
		if space == "" {
			space = fmt.Sprint(spaces)
		}
		if app := text(pods["app"]) + text(pods["app.kubernetes.io/name"]); app != "" {
			return app + " of namespace " + space, true
		}
		return "namespace " + space, true
	}
	return text(peer["ipAddress"]) + text(peer["dns"]), true
}

// Callers are the calls that reach pods of a namespace from outside of it, but
// for those of the nodes, which no network policy stops; not ok where some of
// its pods were not watched.
func (r *Running) Callers(namespace string) (calls []Call, ok bool) {
	for _, pod := range r.pods[namespace] {
		labels, _ := field(pod, "metadata", "labels").(map[string]any)
		seen := false
		for _, n := range r.callers[namespace] {
			seen = seen || Selects(n.labels, labels)
		}
		if !seen {
			return nil, false
		}
	}
	for _, n := range r.callers[namespace] {
		for _, c := range n.calls {
			if !r.nodes[c.From] {
				calls = append(calls, c)
			}
		}
	}
	return calls, len(r.callers[namespace]) > 0
}

// Port are the numbers that containers of the pods that labels select give a
// name of a port.
func (r *Running) Port(namespace string, selector map[string]any, name string) []int64 {
	var out []int64
	for _, pod := range r.pods[namespace] {
		labels, _ := field(pod, "metadata", "labels").(map[string]any)
		if !Selects(selector, labels) {
			continue
		}
		for _, c := range items(field(pod, "spec", "containers")) {
			for _, p := range items(c["ports"]) {
				if n, ok := p["containerPort"].(int64); ok && p["name"] == name {
					out = append(out, n)
				}
			}
		}
	}
	return out
}

// Selects tells whether all labels of a selector are among those of a pod.
func Selects(selector, labels map[string]any) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}
