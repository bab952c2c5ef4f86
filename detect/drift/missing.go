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
		rendered := map[*manifest.Resource]bool{} // by units that are applied
		for d := range tree.Tree.All() {
			if t := c.units[unit{n, d.Unit()}]; d.Dir != "" && d.Resource != nil && t != nil && t.chosen > 0 {
				rendered[d.Resource] = true
			}
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
				case !u.Rendered && rendered[d.Resource]: // it reaches the cluster in another way than as it is written
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
