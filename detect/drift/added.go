package drift

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	"github.com/oakum-dev/oakum/detect/manifest"
)

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// marks are labels and annotations that those who apply, and the control
// plane, leave for themselves.
var marks = regexp.MustCompile(`^(kubectl\.kubernetes\.io/(last-applied-configuration|restartedAt|default-container)|deployment\.kubernetes\.io/.*|deprecated\.daemonset\.template\.generation|` +
	`(kustomize|helm|source)\.toolkit\.fluxcd\.io/.*|reconcile\.fluxcd\.io/.*|meta\.helm\.sh/.*|argocd\.argoproj\.io/.*|kubernetes\.io/metadata\.name|` +
	`batch\.kubernetes\.io/.*|(pv|volume)\.(beta\.)?kubernetes\.io/.*|autoscaling\.alpha\.kubernetes\.io/.*)$`)

// added picks from what only live has that which somebody added: a person; or
// who applies, from a state that is no longer Git's. What controllers and
// webhooks added, and defaults, are no drift.
func (c *comparison) added(m *managers) []Difference {
	a := adding{comparison: c, managers: m}
	if src, ok := field(c.live, "metadata", "annotations", lastApplied).(string); ok {
		_ = json.Unmarshal([]byte(src), &a.applied) // one that is no JSON tells nothing
	}
	var out []Difference
	for _, path := range c.more {
		out = append(out, a.at(path, at(c.live, path))...)
	}
	return out
}

type adding struct {
	*comparison
	*managers
	applied map[string]any // what kubectl applied last, nil where it did not
}

// at is what somebody added at a path: all of it as one difference, or the
// parts that somebody did.
func (a adding) at(path manifest.Path, live any) []Difference {
	last := path[len(path)-1]
	if above := path[max(len(path)-2, 0)].Key; (above == "annotations" || above == "labels") && marks.MatchString(last.Key) {
		return nil
	}
	if last.Key == "finalizers" {
		return nil // whoever has to clean up puts them there
	}
	if a.complete != nil && alike(at(a.complete, path), live) {
		return nil // a default
	}
	m, ok := live.(map[string]any)
	if !ok || last.Item || len(m) == 0 {
		if d, ok := a.one(path, live); ok {
			return []Difference{d}
		}
		return nil
	}
	var out []Difference
	whole := true
	for _, key := range slices.Sorted(maps.Keys(m)) {
		below := a.at(path.Key(key), m[key])
		whole = whole && len(below) == 1 && len(below[0].Path) == len(path)+1 && !below[0].doubtful
		out = append(out, below...)
		whole = whole && out[0].Owner == out[len(out)-1].Owner
	}
	if whole && !free(path) {
		d := out[0]
		d.Path, d.Live = path, live
		return []Difference{d}
	}
	return out
}

// free tells maps whose entries have nothing to do with each other.
func free(path manifest.Path) bool {
	switch path[len(path)-1].Key {
	case "labels", "annotations", "data", "binaryData":
		return true
	}
	return len(path) == 1 // spec
}

// one decides on a field that has one owner, or on an item of a list.
func (a adding) one(path manifest.Path, live any) (Difference, bool) {
	d := Difference{Path: path, Live: live}
	container := isContainer(path)
	if len(list(field(a.object, "metadata", "managedFields"))) == 0 {
		// Nobody is noted anywhere: only what no webhook is known to add is told.
		return d, container && !injected(a.object, path[len(path)-1].Value)
	}
	var kept []entry
	d.doubtful = true
	for _, e := range a.entries {
		hold := e.holds(a.object, path)
		if hold == none {
			continue
		}
		if keep, doubtful := a.keeps(e, hold, path, container); keep {
			kept = append(kept, e)
			d.doubtful = d.doubtful && doubtful
		}
	}
	if len(kept) == 0 {
		return d, false
	}
	// Of several a person is the likelier to have done it, and the last one.
	slices.SortStableFunc(kept, func(x, y entry) int {
		if p, q := a.role(x) == person, a.role(y) == person; p != q {
			if p {
				return -1
			}
			return 1
		}
		return y.Time.Compare(x.Time)
	})
	d.Owner = kept[0].Owner
	return d, true
}

// keeps tells whether an entry makes a field of live that Git has not a
// difference, and whether that is in doubt.
func (a adding) keeps(e entry, h hold, path manifest.Path, container bool) (keep, doubtful bool) {
	switch a.role(e) {
	case person:
		return true, false
	case applier:
		switch {
		case h == within:
			return false, false // who applies a list owns what the API server adds to its items
		case e.Operation == "Apply":
			return true, false
		case a.applied != nil && e.Manager == "kubectl-client-side-apply":
			return at(a.applied, path) != nil, false
		}
		// Who writes whole objects owns their defaults, too.
		return true, !container
	case unknown:
		return true, !container
	}
	return false, false
}

// isContainer tells paths to a container of a pod or pod template.
func isContainer(path manifest.Path) bool {
	n := len(path)
	if n < 2 || !path[n-1].Item {
		return false
	}
	list := path[n-2].Key
	return list == "containers" || list == "initContainers" || list == "ephemeralContainers"
}
