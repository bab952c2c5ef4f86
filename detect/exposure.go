package detect

import (
	"maps"
	"path"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// exposures are what of a set decides how far a break-in reaches.
type exposures struct {
	ordered  bool
	services map[string][]*manifest.Resource // by namespace
	routes   map[string][]*manifest.Resource // Ingress, and the routes of Gateway API
	rights   map[string][]*manifest.Resource // role bindings, by name of a service account
	accounts map[[2]string]map[string]any
}

func newExposures(ordered bool, accounts map[[2]string]map[string]any) exposures {
	return exposures{ordered, map[string][]*manifest.Resource{}, map[string][]*manifest.Resource{}, map[string][]*manifest.Resource{}, accounts}
}

// routeKinds lead requests from outside to services, by API group and kind.
var routeKinds = map[string]bool{
	"networking.k8s.io/Ingress":           true,
	"extensions/Ingress":                  true,
	"gateway.networking.k8s.io/HTTPRoute": true,
	"gateway.networking.k8s.io/GRPCRoute": true,
	"gateway.networking.k8s.io/TLSRoute":  true,
	"gateway.networking.k8s.io/TCPRoute":  true,
}

func isService(r *manifest.Resource) bool { return r.Kind == "Service" && r.APIVersion == "v1" }

func isRoute(r *manifest.Resource) bool { return routeKinds[r.Group()+"/"+r.Kind] }

// place adds a resource, or takes it away.
func (e *exposures) place(r *manifest.Resource, in bool) {
	switch {
	case r.Partial:
	case isService(r):
		e.services[r.Namespace] = arranged(e.services[r.Namespace], r, in, e.ordered)
	case isBinding(r):
		var names []string
		for _, s := range subjectsOf(r) {
			if s.account != "" && !slices.Contains(names, s.account) {
				names = append(names, s.account)
				e.rights[s.account] = arranged(e.rights[s.account], r, in, e.ordered)
			}
		}
	case isRoute(r):
		e.routes[r.Namespace] = arranged(e.routes[r.Namespace], r, in, e.ordered)
	}
}

// beside goes over those of a list that may be near a resource.
func beside(r *manifest.Resource, by map[string][]*manifest.Resource) func(yield func(*manifest.Resource) bool) {
	return func(yield func(*manifest.Resource) bool) {
		lists := [][]*manifest.Resource{by[r.Namespace], by[""]}
		if r.Namespace == "" {
			lists = slices.Collect(maps.Values(by))
		}
		for _, list := range lists {
			for _, s := range list {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// of says in words how a pod is reached from outside, and what somebody who
// breaks into a container of it reaches; container may be nil.
func (e *exposures) of(r *manifest.Resource, container map[string]any) []string {
	_, template, ok := r.PodTemplate()
	if !ok {
		return []string{}
	}
	out := e.reached(r, template)
	if field(container, "securityContext", "privileged") == true {
		out = append(out, "the container is privileged")
	}
	for _, ns := range [][2]string{{"hostNetwork", "network"}, {"hostPID", "processes"}, {"hostIPC", "memory"}} {
		if field(template, "spec", ns[0]) == true {
			out = append(out, "the pod shares the "+ns[1]+" of its node")
		}
	}
	account := serviceAccountOf(template)
	mounts := field(template, "spec", "automountServiceAccountToken")
	if mounts == nil {
		mounts = e.accounts[[2]string{r.Namespace, account}]["automountServiceAccountToken"]
	}
	for _, binding := range e.rights[account] {
		if mounts != false && gives(binding, r, account) {
			return append(out, binding.ID()+" gives its service account rights")
		}
	}
	return out
}

// serviceAccountOf is the service account that the pods of a template run as.
func serviceAccountOf(template map[string]any) string {
	account := "default"
	for _, name := range []string{"serviceAccount", "serviceAccountName"} { // the old field and the new
		if s, _ := field(template, "spec", name).(string); s != "" {
			account = s
		}
	}
	return account
}

// reached lists the services and routes that lead to a pod from outside.
func (e *exposures) reached(r *manifest.Resource, template map[string]any) []string {
	out := []string{}
	written, _ := field(template, "metadata", "labels").(map[string]any)
	set := labels.Set{}
	for k, v := range written {
		set[k], _ = v.(string)
	}
	for s := range beside(r, e.services) {
		selector, _ := field(s.Value, "spec", "selector").(map[string]any)
		if !near(s, r) || !selected(selector, set) {
			continue
		}
		if t, _ := field(s.Value, "spec", "type").(string); t == "LoadBalancer" || t == "NodePort" {
			out = append(out, s.ID()+" ("+t+") leads to it")
		}
		for route := range beside(s, e.routes) {
			if near(route, s) && leads(route.Value["spec"], s.Name) {
				out = append(out, route.ID()+" leads to it")
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// gives tells whether a role binding names the service account of a pod. What
// it gives to whole groups tells nothing of this pod.
func gives(binding, r *manifest.Resource, account string) bool {
	subjects, _ := binding.Value["subjects"].([]any)
	return slices.ContainsFunc(subjects, func(s any) bool {
		if field(s, "kind") != "ServiceAccount" || field(s, "name") != account {
			return false
		}
		namespace, _ := field(s, "namespace").(string)
		if namespace != "" && r.Namespace != "" {
			return namespace == r.Namespace
		}
		return path.Dir(binding.File.Path) == path.Dir(r.File.Path)
	})
}

func selected(selector map[string]any, set labels.Set) bool {
	for k, v := range selector {
		if have, ok := set[k]; !ok || have != v {
			return false
		}
	}
	return len(selector) > 0
}

// near tells whether two resources belong together: to one namespace or, where
// a file leaves that open, to one directory.
func near(a, b *manifest.Resource) bool {
	if a.Namespace != "" && b.Namespace != "" {
		return a.Namespace == b.Namespace
	}
	return path.Dir(a.File.Path) == path.Dir(b.File.Path)
}

// leads tells whether an Ingress or a route sends requests to a service.
func leads(v any, service string) bool {
	switch v := v.(type) {
	case map[string]any:
		if v["serviceName"] == service || field(v, "service", "name") == service {
			return true
		}
		backends, _ := v["backendRefs"].([]any)
		for _, b := range backends {
			if kind := field(b, "kind"); field(b, "name") == service && (kind == nil || kind == "Service") {
				return true
			}
		}
		for _, e := range v {
			if leads(e, service) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return leads(e, service) })
	}
	return false
}

// field is the value that keys lead to, nil where there is none.
func field(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}
