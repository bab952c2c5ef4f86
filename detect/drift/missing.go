package drift

import (
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/trace"
)

// missing finds what Git has and the cluster has not, of what is otherwise
// applied: of units that explain live objects, and of which more than half is there.
func (c *comparer) missing() []*Drift {
	var out []*Drift
	for n, tree := range c.Trees {
		units := map[trace.Unit][]trace.Desired{}
		for d := range tree.Tree.All() {
			if c.has(d) {
				units[d.Unit()] = append(units[d.Unit()], d)
			}
		}
		for u, all := range units {
			t := c.units[unit{n, u}]
			if t == nil || t.chosen == 0 {
				continue
			}
			var gone []*Drift
			there := 0
			for _, d := range all {
				namespaced, read := c.Kind(manifest.GroupOf(d.APIVersion), d.Kind)
				if !read || d.Name == "" || passes(d.Value) {
					continue
				}
				namespace := d.Namespace
				if namespace == "" && namespaced {
					namespace = t.namespace
				}
				if !namespaced {
					namespace = ""
				}
				switch {
				case c.lives[identity{manifest.GroupOf(d.APIVersion), d.Kind, namespace, d.Name}]:
					there++
				case namespaced && (namespace == "" || namespace == "*" || c.Namespace != "" && namespace != c.Namespace):
				case c.elsewhere(d, unit{n, u}, namespace):
				default:
					gone = append(gone, &Drift{
						Desired: d, Namespace: namespace, Commit: c.commit(n), Source: trace.Source{Resource: d.Resource},
						Differences: []Difference{{Git: d.Value}},
					})
				}
			}
			if there > len(gone) {
				out = append(out, gone...)
			}
		}
	}
	return out
}

func (c *comparer) commit(tree int) string {
	if tree == 0 {
		return ""
	}
	return c.Trees[tree].Commit
}

// elsewhere tells whether what is written here reaches the cluster by a unit
// that renders it, rather than as it is written.
func (c *comparer) elsewhere(d trace.Desired, u unit, namespace string) bool {
	if u.Rendered || d.Resource == nil {
		return false
	}
	for other := range c.Trees[u.tree].Tree.All() {
		if other.Dir == "" || other.Resource != d.Resource {
			continue
		}
		if t := c.units[unit{u.tree, other.Unit()}]; t != nil && t.chosen > 0 {
			return true
		}
	}
	return false
}

// passes tells objects that are made for a moment: hooks of Helm and Argo CD,
// and jobs that clean up after themselves.
func passes(object map[string]any) bool {
	annotations, _ := field(object, "metadata", "annotations").(map[string]any)
	for key := range annotations {
		if strings.HasPrefix(key, "helm.sh/hook") || key == "argocd.argoproj.io/hook" {
			return true
		}
	}
	return field(object, "spec", "ttlSecondsAfterFinished") != nil
}
