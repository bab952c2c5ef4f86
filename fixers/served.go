package fixers

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/policy"
)

// enough holds a limit below what a container uses now, and says how much that
// is. That a value is above it makes no fix bolder: one look is no base for it.
func (l *Live) enough(f *detect.Finding, fix *Fix, running []cluster.Container) *Held {
	if len(fix.Edits) != 1 || len(fix.Edits[0].Path) < 3 {
		return nil
	}
	path := fix.Edits[0].Path
	kind, name := path[len(path)-2].Key, last(path)
	value, err := resource.ParseQuantity(fmt.Sprint(fix.Edits[0].Value))
	if err != nil || path[len(path)-3].Key != "resources" {
		return nil
	}
	var most resource.Quantity
	for _, c := range running {
		used, ok := l.Running.Usage(c, name)
		if !ok {
			return nil
		}
		if kind == "limits" && used.Cmp(value) > 0 {
			then := "slowed down"
			if name == "memory" {
				then = "killed"
			}
			return &Held{Finding: f, Reason: HeldManual, Detail: fmt.Sprintf("container %q of pod %s/%s uses %s of %s now: with a limit of %s it would be %s",
				c.Name, c.Namespace, c.Pod, used.String(), name, value.String(), then)}
		}
		if used.Cmp(most) > 0 {
			most = used
		}
	}
	fix.Evidence = append(fix.Evidence, Evidence{"running", fmt.Sprintf("%s with %s of %s at most now", counted(running), most.String(), name)})
	return nil
}

// binds holds the loss of all capabilities where a container serves a port that
// may take one, and its manifest does not say so.
func binds(f *detect.Finding, fix *Fix, running []cluster.Container) *Held {
	drops := slices.ContainsFunc(fix.Edits, func(e policy.Edit) bool {
		all := []any{"ALL"}
		list, _ := e.Value.([]any)
		return last(e.Path) == "drop" && (slices.Equal(list, all) || e.Value == "ALL")
	})
	keeps := slices.ContainsFunc(fix.Edits, func(e policy.Edit) bool { return e.Value == "NET_BIND_SERVICE" })
	if !drops || keeps {
		return nil
	}
	for _, c := range running {
		for _, port := range c.Served() {
			if port < 1024 && !has(c.Spec, "NET_BIND_SERVICE") {
				return &Held{Finding: f, Reason: HeldManual, Detail: fmt.Sprintf("container %q of pod %s/%s serves port %d, which its probe tells and no containerPort: declare it, and the fix keeps NET_BIND_SERVICE",
					c.Name, c.Namespace, c.Pod, port)}
			}
		}
	}
	return nil
}

// has tells whether a container is given a capability already.
func has(container map[string]any, capability string) bool {
	security, _ := container["securityContext"].(map[string]any)
	capabilities, _ := security["capabilities"].(map[string]any)
	return slices.Contains(list(capabilities["add"]), any(capability))
}
