package policy

import (
	"maps"
	"slices"
	"sync"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/traits"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Resources are resources of a tree as expressions see them: a list that tells
// which of it have a name or labels without being walked.
type Resources struct {
	traits.Lister
	objects []any

	once     sync.Once
	named    map[string][]int // positions, by metadata.name
	labelled map[label][]int  // by each label of the pods that they make
	selects  map[label][]int  // by a label that their own selector asks for
	choosy   []int            // those whose selector is not that simple
}

type label struct{ key, value string }

// NewResources makes the list of objects as they are written.
func NewResources(objects []any) *Resources {
	list, _ := types.DefaultTypeAdapter.NativeToValue(objects).(traits.Lister)
	return &Resources{Lister: list, objects: objects}
}

func (r *Resources) index() {
	r.named, r.labelled, r.selects = map[string][]int{}, map[label][]int{}, map[label][]int{}
	for i, v := range r.objects {
		o, _ := v.(map[string]any)
		metadata, _ := o["metadata"].(map[string]any)
		if name, ok := metadata["name"].(string); ok {
			r.named[name] = append(r.named[name], i)
		}
		apiVersion, _ := o["apiVersion"].(string)
		kind, _ := o["kind"].(string)
		if _, pod, ok := manifest.PodTemplateOf(apiVersion, kind, o); ok {
			metadata, _ := pod["metadata"].(map[string]any)
			own, _ := metadata["labels"].(map[string]any)
			for k := range own {
				l := label{k, written(own).Get(k)}
				r.labelled[l] = append(r.labelled[l], i)
			}
		}
		spec, _ := o["spec"].(map[string]any)
		if selector, _ := spec["selector"].(map[string]any); len(selector) > 0 {
			if k := slices.Min(slices.Collect(maps.Keys(selector))); plain(kind) {
				l := label{k, written(selector).Get(k)}
				r.selects[l] = append(r.selects[l], i)
			} else {
				r.choosy = append(r.choosy, i)
			}
		}
	}
}

// withNames are the positions of those that have one of the names.
func (r *Resources) withNames(names map[string]bool) []int {
	r.once.Do(r.index)
	var out []int
	for name := range names {
		out = append(out, r.named[name]...)
	}
	slices.Sort(out)
	return out
}

// withLabels are the positions of those whose pods may have all these labels:
// of one of them, the rarest.
func (r *Resources) withLabels(labels map[string]string) []int {
	r.once.Do(r.index)
	var rarest []int
	first := true
	for k, v := range labels {
		if these := r.labelled[label{k, v}]; first || len(these) < len(rarest) {
			rarest, first = these, false
		}
	}
	return rarest
}

// selectingOne are the positions of those whose selector may select something
// that has these labels.
func (r *Resources) selectingOne(labels map[string]string) []int {
	r.once.Do(r.index)
	out := slices.Clone(r.choosy)
	for k, v := range labels {
		out = append(out, r.selects[label{k, v}]...)
	}
	slices.Sort(out)
	return out
}
