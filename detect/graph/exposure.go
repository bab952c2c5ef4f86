package graph

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// exposures are what leads to pods from outside, and what shuts it.
type exposures struct {
	places    places
	services  *bySelector
	policies  *bySelector                        // of Kubernetes' own kind
	routes    map[[2]string][]*manifest.Resource // by namespace and name of a service they lead to
	gateways  map[[2]string]*manifest.Resource
	entrances map[string][]*workload // by namespace: what a service takes straight from outside
}

// bySelector are resources that select pods, by one label that they ask for.
type bySelector struct {
	at    func(*manifest.Resource) any // the labels they ask for
	label map[[3]string][]*manifest.Resource
	rest  map[string][]*manifest.Resource // by namespace: those that ask for none
}

func newBySelector(keys ...string) *bySelector {
	return &bySelector{
		func(r *manifest.Resource) any { return field(r.Value, keys...) },
		map[[3]string][]*manifest.Resource{},
		map[string][]*manifest.Resource{},
	}
}

func (s *bySelector) add(namespace string, r *manifest.Resource) {
	labels, _ := s.at(r).(map[string]any)
	if len(labels) == 0 {
		s.rest[namespace] = append(s.rest[namespace], r)
		return
	}
	key := slices.Min(slices.Collect(maps.Keys(labels)))
	value, _ := labels[key].(string)
	id := [3]string{namespace, key, value}
	s.label[id] = append(s.label[id], r)
}

// candidates are those that may select pods with these labels.
func (s *bySelector) candidates(namespace string, labels map[string]any) []*manifest.Resource {
	var out []*manifest.Resource
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		value, _ := labels[key].(string)
		out = append(out, s.label[[3]string{namespace, key, value}]...)
	}
	return out
}

// Exposure is one way from outside to the pods of a workload.
type Exposure struct {
	Resource *manifest.Resource // that leads there
	How      string             // LoadBalancer, NodePort, external IP, host port; empty for a route
	Policies []string           // those that tell of it
}

// String says it in words that go on "… leads to it".
func (e Exposure) String() string {
	switch {
	case e.How == "":
		return e.Resource.ID()
	case len(e.Policies) > 0 && e.Policies[0] == "host-port":
		return e.How
	}
	return e.Resource.ID() + " (" + e.How + ")"
}

// routeKinds lead requests from outside to services, by API group and kind.
var routeKinds = map[string]bool{
	"networking.k8s.io/Ingress":           true,
	"extensions/Ingress":                  true,
	"gateway.networking.k8s.io/HTTPRoute": true,
	"gateway.networking.k8s.io/GRPCRoute": true,
	"gateway.networking.k8s.io/TLSRoute":  true,
	"gateway.networking.k8s.io/TCPRoute":  true,
	"gateway.networking.k8s.io/UDPRoute":  true,
}

// newExposures reads what of a set leads to pods.
func newExposures(set *manifest.Set, p places) *exposures {
	x := &exposures{
		places: p, services: newBySelector("spec", "selector"), policies: newBySelector("spec", "podSelector", "matchLabels"),
		routes: map[[2]string][]*manifest.Resource{}, gateways: map[[2]string]*manifest.Resource{}, entrances: map[string][]*workload{},
	}
	var workloads []*workload
	for r := range set.Resources {
		if !counts(r) {
			continue
		}
		namespace := p.of(r)
		switch {
		case r.Kind == "Service" && r.APIVersion == "v1":
			x.services.add(namespace, r)
		case routeKinds[r.Group()+"/"+r.Kind]:
			services := map[[2]string]bool{}
			backends(field(r.Value, "spec"), namespace, services)
			for key := range services {
				x.routes[key] = append(x.routes[key], r)
			}
		case r.Kind == "Gateway" && r.Group() == "gateway.networking.k8s.io":
			x.gateways[[2]string{namespace, r.Name}] = r
		case r.Kind == "NetworkPolicy" && r.Group() == "networking.k8s.io":
			x.policies.add(namespace, r)
		default:
			if w := workloadOf(r, p); w != nil {
				workloads = append(workloads, w)
			}
		}
	}
	for _, w := range workloads {
		if slices.ContainsFunc(x.selecting(w), func(s *manifest.Resource) bool { how, _ := outside(s); return how != "" }) {
			x.entrances[w.namespace] = append(x.entrances[w.namespace], w)
		}
	}
	return x
}

// selecting are the services that lead to the pods of a workload.
func (x *exposures) selecting(w *workload) []*manifest.Resource {
	return slices.DeleteFunc(x.services.candidates(w.namespace, w.labels), func(s *manifest.Resource) bool {
		selector, _ := field(s.Value, "spec", "selector").(map[string]any)
		return !selected(selector, w.labels)
	})
}

// backends collects the services that an Ingress or a route sends requests to.
func backends(v any, namespace string, to map[[2]string]bool) {
	switch v := v.(type) {
	case map[string]any:
		if s := text(v, "serviceName"); s != "" {
			to[[2]string{namespace, s}] = true
		}
		if s := text(v, "service", "name"); s != "" {
			to[[2]string{namespace, s}] = true
		}
		for _, b := range list(v, "backendRefs") {
			if kind := or(text(b, "kind"), "Service"); kind == "Service" && text(b, "name") != "" {
				to[[2]string{or(text(b, "namespace"), namespace), text(b, "name")}] = true
			}
		}
		for _, e := range v {
			backends(e, namespace, to)
		}
	case []any:
		for _, e := range v {
			backends(e, namespace, to)
		}
	}
}

// of lists what leads to the pods of a workload.
func (x *exposures) of(w *workload) []Exposure {
	var out []Exposure
	isolated := sync.OnceValue(func() isolation { return x.isolation(w) })
	for _, s := range x.selecting(w) {
		lets := func(routed bool) bool {
			return slices.ContainsFunc(w.targets(s), func(t target) bool { return isolated().lets(t, routed, x.enters(w)) })
		}
		if how, policy := outside(s); how != "" && lets(false) {
			out = append(out, Exposure{s, how, []string{policy}})
		}
		for _, rt := range x.routes[[2]string{w.namespace, s.Name}] {
			if x.open(rt) && lets(true) {
				out = append(out, Exposure{rt, "", nil})
			}
		}
	}
	w.containers(func(_ manifest.Path, _ string, c map[string]any) {
		for _, p := range list(c, "ports") {
			number, _ := field(p, "hostPort").(int64)
			inside, _ := field(p, "containerPort").(int64)
			if number != 0 && isolated().lets(target{inside, text(p, "name"), text(p, "protocol")}, false, nil) {
				out = append(out, Exposure{w.resource, "host port " + strconv.FormatInt(number, 10), []string{"host-port"}})
			}
		}
	})
	slices.SortStableFunc(out, func(a, b Exposure) int { return strings.Compare(a.String(), b.String()) })
	return slices.CompactFunc(out, func(a, b Exposure) bool { return a.Resource == b.Resource && a.How == b.How })
}

// outside says how a service takes traffic from outside, empty if it does not.
func outside(s *manifest.Resource) (how, policy string) {
	switch kind := text(s.Value, "spec", "type"); {
	case kind == "LoadBalancer":
		return kind, "service-load-balancer"
	case kind == "NodePort":
		return kind, "service-node-port"
	case len(list(s.Value, "spec", "externalIPs")) > 0:
		return "external IP", "service-external-ips"
	}
	return "", ""
}

// open tells whether a route has a gateway to come through. Where none of its
// gateways is in the set, somebody else has them.
func (x *exposures) open(r *manifest.Resource) bool {
	parents := list(r.Value, "spec", "parentRefs")
	return r.Kind == "Ingress" || len(parents) == 0 || slices.ContainsFunc(parents, func(p any) bool {
		if kind := text(p, "kind"); kind != "" && kind != "Gateway" {
			return false // of a mesh: from inside
		}
		gateway := x.gateways[[2]string{or(text(p, "namespace"), x.places.of(r)), text(p, "name")}]
		return gateway == nil || len(list(gateway.Value, "spec", "listeners")) > 0
	})
}

// enters tells whether a selector of a network policy means pods of the
// workload's namespace that are exposed themselves, as a controller of routes is.
func (x *exposures) enters(w *workload) func(any) bool {
	return func(selector any) bool {
		return slices.ContainsFunc(x.entrances[w.namespace], func(o *workload) bool {
			return o.resource != w.resource && selects(selector, o.labels)
		})
	}
}

// targets are the ports of the pods that a service leads to.
func (w *workload) targets(s *manifest.Resource) []target {
	var out []target
	for _, p := range list(s.Value, "spec", "ports") {
		t := target{protocol: text(p, "protocol")}
		switch port := field(p, "targetPort").(type) {
		case int64:
			t.number = port
		case string:
			t.name = port
			t.number, _ = strconv.ParseInt(port, 10, 64)
		default:
			t.number, _ = field(p, "port").(int64)
		}
		w.containers(func(_ manifest.Path, _ string, c map[string]any) {
			for _, p := range list(c, "ports") {
				number, _ := field(p, "containerPort").(int64)
				switch {
				case t.number == 0 && t.name != "" && text(p, "name") == t.name:
					t.number = number
				case t.name == "" && t.number != 0 && number == t.number:
					t.name = text(p, "name")
				}
			}
		})
		out = append(out, t)
	}
	if out == nil {
		out = []target{{}}
	}
	return out
}

func selected(selector, labels map[string]any) bool {
	for k, v := range selector {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}
