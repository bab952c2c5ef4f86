package fixers

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// opening is a way into a namespace that a fix leaves open.
type opening struct {
	selector map[string]any // labels of the pods
	ports    []any          // as a NetworkPolicyPort has them
}

// callers asks who was seen to call the pods of a namespace: a policy that would
// stop one of them is held, and one that would stop nobody is as good as seen.
func (l *Live) callers(r *manifest.Resource, near []*manifest.Resource, open []opening, fix *Fix) *Held {
	namespace := r.Namespace
	for _, o := range l.Objects(r) {
		if namespace != "" && o.Namespace != namespace {
			return nil // of several namespaces, which are not told apart
		}
		namespace = o.Namespace
	}
	calls, ok := l.Running.Callers(namespace)
	if !ok {
		return nil
	}
	stopped := slices.DeleteFunc(calls, func(c cluster.Call) bool {
		return slices.ContainsFunc(near, func(r *manifest.Resource) bool { return isolates(r, c.Labels) }) ||
			slices.ContainsFunc(open, func(o opening) bool { return l.lets(namespace, o, c) })
	})
	if len(stopped) == 0 {
		fix.Safety, fix.Evidence = policy.Evidence, []Evidence{{"observed", fmt.Sprintf(
			"Kubescape watched every pod of namespace %s, and saw no call from outside of it that this would stop", namespace)}}
		return nil
	}
	first, at, more := stopped[0], "", ""
	if len(first.Ports) > 0 {
		at = fmt.Sprintf(" at port %d/%s", first.Ports[0].Number, first.Ports[0].Protocol)
	}
	if n := len(stopped) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	return &Held{Reason: HeldManual, Detail: fmt.Sprintf("Kubescape saw %s call %s%s%s, which the policy would stop: allow it with a network policy for those pods first",
		first.From, first.To, at, more)}
}

// isolates tells whether a resource is a network policy by which pods of such
// labels are closed already, so that another can only open them.
func isolates(r *manifest.Resource, labels map[string]any) bool {
	spec, _ := r.Value["spec"].(map[string]any)
	selector, _ := spec["podSelector"].(map[string]any)
	match, _ := selector["matchLabels"].(map[string]any)
	types := list(spec["policyTypes"])
	return r.Kind == "NetworkPolicy" && r.APIVersion == "networking.k8s.io/v1" && len(list(selector["matchExpressions"])) == 0 &&
		(len(types) == 0 || slices.Contains(types, any("Ingress"))) && cluster.Selects(match, labels)
}

// lets tells whether an opening takes all of a call.
func (l *Live) lets(namespace string, o opening, c cluster.Call) bool {
	if len(c.Ports) == 0 || !cluster.Selects(o.selector, c.Labels) {
		return false
	}
	open := map[cluster.Port]bool{}
	for _, p := range o.ports {
		port, _ := p.(map[string]any)
		protocol, _ := port["protocol"].(string)
		protocol = cmp.Or(protocol, "TCP")
		switch n := port["port"].(type) {
		case string:
			for _, number := range l.Running.PortsNamed(namespace, o.selector, n) {
				open[cluster.Port{Protocol: protocol, Number: number}] = true
			}
		case int64:
			open[cluster.Port{Protocol: protocol, Number: n}] = true
		case int:
			open[cluster.Port{Protocol: protocol, Number: int64(n)}] = true
		}
	}
	return !slices.ContainsFunc(c.Ports, func(port cluster.Port) bool { return !open[port] })
}
