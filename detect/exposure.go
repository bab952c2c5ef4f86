package detect

import (
	"sync"

	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
)

// exposures say how far a break-in reaches, as far as it decides how bad a
// vulnerability is.
type exposures struct {
	ways     func() *graph.Exposures
	access   func() *graph.Access
	accounts map[[2]string]map[string]any
}

func newExposures(set *manifest.Set, accounts map[[2]string]map[string]any) *exposures {
	return &exposures{
		sync.OnceValue(func() *graph.Exposures { return graph.NewExposures(set) }),
		sync.OnceValue(func() *graph.Access { return graph.NewAccess(set) }), accounts,
	}
}

// of says in words how a pod is reached from outside, and what somebody who
// breaks into a container of it reaches; container may be nil.
func (e *exposures) of(r *manifest.Resource, container map[string]any) []string {
	_, template, ok := r.PodTemplate()
	if !ok {
		return []string{}
	}
	out := []string{}
	for _, way := range e.ways().Of(r) {
		out = append(out, way.String()+" leads to it")
	}
	if field(container, "securityContext", "privileged") == true {
		out = append(out, "the container is privileged")
	}
	for _, ns := range [][2]string{{"hostNetwork", "network"}, {"hostPID", "processes"}, {"hostIPC", "memory"}} {
		if field(template, "spec", ns[0]) == true {
			out = append(out, "the pod shares the "+ns[1]+" of its node")
		}
	}
	account := "default"
	for _, name := range []string{"serviceAccount", "serviceAccountName"} { // the old field and the new
		if s, _ := field(template, "spec", name).(string); s != "" {
			account = s
		}
	}
	mounts := field(template, "spec", "automountServiceAccountToken")
	if mounts == nil {
		mounts = e.accounts[[2]string{r.Namespace, account}]["automountServiceAccountToken"]
	}
	if mounts != false {
		if binding := e.access().Bound(r); binding != nil {
			out = append(out, binding.ID()+" gives its service account rights")
		}
	}
	return out
}

// field is the value that keys lead to, nil where there is none.
func field(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}
