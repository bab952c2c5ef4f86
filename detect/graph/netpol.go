package graph

import (
	"slices"
	"strconv"
)

// selects evaluates a label selector; an empty one selects everything.
func selects(selector any, labels map[string]any) bool {
	match, _ := field(selector, "matchLabels").(map[string]any)
	for k, v := range match {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	for _, e := range list(selector, "matchExpressions") {
		value, present := labels[text(e, "key")]
		among := present && slices.Contains(list(e, "values"), value)
		ok := false
		switch text(e, "operator") {
		case "In":
			ok = among
		case "NotIn":
			ok = !among
		case "Exists":
			ok = present
		case "DoesNotExist":
			ok = !present
		}
		if !ok {
			return false
		}
	}
	return true
}

// isolation is what the network policies of a namespace let into a pod.
type isolation struct {
	isolated bool
	rules    []any // of ingress, of all policies that select the pod
}

func (x *exposures) isolation(w *workload) isolation {
	var out isolation
	if field(w.spec, "hostNetwork") == true {
		return out // policies do not reach it
	}
	for _, p := range slices.Concat(x.policies.rest[w.namespace], x.policies.candidates(w.namespace, w.labels)) {
		types := texts(p.Value, "spec", "policyTypes")
		if len(types) > 0 && !slices.Contains(types, "Ingress") || !selects(field(p.Value, "spec", "podSelector"), w.labels) {
			continue
		}
		out.isolated = true
		out.rules = append(out.rules, list(p.Value, "spec", "ingress")...)
	}
	return out
}

// lets tells whether the policies let traffic to a port in. What comes straight
// from outside only an address range lets in, or a rule for everybody; what a
// controller of routes passes on may come from a pod: anywhere that a rule
// names other namespaces, or this one where such a pod is in it.
func (i isolation) lets(port target, routed bool, here func(selector any) bool) bool {
	if !i.isolated {
		return true
	}
	return slices.ContainsFunc(i.rules, func(rule any) bool {
		ports := list(rule, "ports")
		if len(ports) > 0 && !slices.ContainsFunc(ports, func(p any) bool { return port.among(p) }) {
			return false
		}
		from := list(rule, "from")
		return len(from) == 0 || slices.ContainsFunc(from, func(peer any) bool {
			switch {
			case field(peer, "ipBlock") != nil:
				return true
			case !routed:
				return false
			case field(peer, "namespaceSelector") != nil:
				return true
			}
			return here(field(peer, "podSelector"))
		})
	})
}

// target is a port of pods that something leads to; zero: any of them.
type target struct {
	number   int64
	name     string
	protocol string
}

// among tells whether a port of a network policy means the target, or may.
func (t target) among(p any) bool {
	if protocol := text(p, "protocol"); t.protocol != "" && or(protocol, "TCP") != or(t.protocol, "TCP") {
		return false
	}
	switch port := field(p, "port").(type) {
	case nil:
		return true
	case string:
		if n, err := strconv.ParseInt(port, 10, 64); err == nil {
			return t.number == 0 || t.number == n
		}
		return t.name == port || t.name == "" && t.number == 0
	case int64:
		end, ok := field(p, "endPort").(int64)
		if !ok {
			end = port
		}
		return t.number == 0 || port <= t.number && t.number <= end
	}
	return true
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
