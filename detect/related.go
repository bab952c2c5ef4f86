package detect

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// tree answers which resources of a set are related to one.
type tree struct {
	kinds map[[2]string][]*manifest.Resource // by apiVersion and kind

	mu    sync.Mutex
	known map[string]*policy.Resources // answers, by what was asked
}

func newTree(set *manifest.Set) *tree {
	t := &tree{kinds: map[[2]string][]*manifest.Resource{}, known: map[string]*policy.Resources{}}
	for r := range set.Resources {
		if !r.Partial {
			k := [2]string{r.APIVersion, r.Kind}
			t.kinds[k] = append(t.kinds[k], r)
		}
	}
	return t
}

// objects lists the resources of a kind, in the order of their versions and files.
func (t *tree) objects(group, kind string) []*manifest.Resource {
	var out []*manifest.Resource
	for _, k := range t.sorted() {
		if k[1] == kind && (&manifest.Resource{APIVersion: k[0]}).Group() == group {
			out = append(out, t.kinds[k]...)
		}
	}
	return out
}

func (t *tree) sorted() [][2]string {
	return slices.SortedFunc(maps.Keys(t.kinds), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
}

// related lists the resources that a policy asks for, as they are written. A
// namespace that a file leaves open may turn out to be any: it is taken as the same.
func (t *tree) related(r policy.Related, namespace string) *policy.Resources {
	if r.In == "cluster" {
		namespace = ""
	}
	asked := strings.Join(r.Kinds, " ") + "\x00" + namespace
	t.mu.Lock()
	defer t.mu.Unlock()
	if out, ok := t.known[asked]; ok {
		return out
	}
	out := []any{}
	for _, k := range t.sorted() {
		if !policy.IsKind(r.Kinds, k[0], k[1]) {
			continue
		}
		for _, r := range t.kinds[k] {
			if namespace == "" || r.Namespace == "" || r.Namespace == namespace {
				out = append(out, r.Value)
			}
		}
	}
	t.known[asked] = policy.NewResources(out)
	return t.known[asked]
}
