package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

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

// Call is traffic that was seen to reach a pod from outside its namespace.
type Call struct {
	From, To string         // as people name them
	Labels   map[string]any // of the pods that are called
	Ports    []Port         // none: which ones is not known
}

// Port is one of a pod.
type Port struct {
	Protocol string
	Number   int64
}

// neighbourhood reads who was seen to call a workload
// (spdx.softwarecomposition.kubescape.io, NetworkNeighborhood).
func (r *Running) neighbourhood(o map[string]any) {
	labels, _ := field(o, "spec", "matchLabels").(map[string]any)
	if !learned(o) || len(labels) == 0 {
		return
	}
	of := object{learnedOf(o, "namespace"), learnedOf(o, "kind"), learnedOf(o, "name")}
	calls := r.calls[of] // of its other versions
	for _, list := range []string{"containers", "initContainers", "ephemeralContainers"} {
		for _, c := range items(field(o, "spec", list)) {
			for _, peer := range items(c["ingress"]) {
				from, outside := caller(peer, of.namespace)
				if !outside {
					continue
				}
				call := Call{From: from, To: of.kind + " " + of.name, Labels: labels}
				for _, p := range items(peer["ports"]) {
					if n, ok := p["port"].(int64); ok {
						call.Ports = append(call.Ports, Port{cmp.Or(text(p["protocol"]), "TCP"), n})
					}
				}
				calls = append(calls, call)
			}
		}
	}
	r.calls[of] = calls
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
		if app := cmp.Or(text(pods["app.kubernetes.io/name"]), text(pods["app"])); app != "" {
			return app + " of namespace " + space, true
		}
		return "namespace " + space, true
	}
	return cmp.Or(text(peer["ipAddress"]), text(peer["dns"]), "somebody"), true
}

// Callers are the calls that reach pods of a namespace from outside of it, but
// for those of the nodes, which no network policy stops; not ok where nothing
// runs there, or something that was not watched.
func (r *Running) Callers(namespace string) (calls []Call, ok bool) {
	workloads := slices.SortedFunc(maps.Keys(r.home[namespace]), func(a, b object) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	for _, w := range workloads {
		all, watched := r.calls[w]
		if !watched {
			return nil, false
		}
		for _, c := range all {
			if !r.nodes[c.From] {
				calls = append(calls, c)
			}
		}
	}
	return calls, len(workloads) > 0
}

// PortsNamed are the numbers that containers of the pods that labels select give a
// port of that name.
func (r *Running) PortsNamed(namespace string, selector map[string]any, name string) []int64 {
	var out []int64
	for _, pod := range r.pods[namespace] {
		labels, _ := field(pod, "metadata", "labels").(map[string]any)
		if !Selects(selector, labels) {
			continue
		}
		for _, c := range items(field(pod, "spec", "containers")) {
			out = append(out, portsNamed(c, name)...)
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
