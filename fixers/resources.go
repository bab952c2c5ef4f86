package fixers

import (
	"fmt"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policy"
)

// resources writes a missing request or limit where the repository already
// says what it is: a request defaults to the limit (Kubernetes, "Resource
// Management for Pods and Containers"), and a LimitRange of the namespace
// gives containers their defaults. Any other number would be a guess.
func resources(f *detect.Finding, c Context) (Fix, *Held) {
	if len(f.Field) < 2 {
		return Fix{}, &Held{Reason: HeldManual}
	}
	kind, name := f.Field[len(f.Field)-2].Key, f.Field[len(f.Field)-1].Key // requests or limits; cpu or memory
	fix := func(safety policy.Safety, why string, value any) (Fix, *Held) {
		return Fix{
			Safety:   safety,
			Evidence: []Evidence{{levels[safety], why}},
			Edits:    []policy.Edit{{Op: policy.Set, Path: f.Field, Value: value}},
		}, nil
	}
	if kind == "requests" {
		if limit := f.Resource.Field(f.Field[:len(f.Field)-2].Key("limits", name)); limit.Present {
			return fix(policy.Safe, "a request that is not given defaults to the limit: this writes down what is so already", scalar(limit.Node))
		}
	}
	if kind == "requests" && c.Live != nil {
		for _, o := range c.Live.Objects(f.Resource) {
			if value, by := c.Live.Running.Recommended(o, f.Container, name); value != "" {
				return Fix{
					Safety:   policy.Evidence,
					Evidence: []Evidence{{"observed", by + " recommends it by what the container uses"}},
					Edits:    []policy.Edit{{Op: policy.Set, Path: f.Field, Value: value}},
				}, nil
			}
		}
	}
	field := "default"
	if kind == "requests" {
		field = "defaultRequest"
	}
	for _, r := range c.Neighbours().Of(f.Resource) {
		if r.Kind != "LimitRange" {
			continue
		}
		spec, _ := r.Value["spec"].(map[string]any)
		limits, _ := spec["limits"].([]any)
		for _, l := range limits {
			limit, _ := l.(map[string]any)
			defaults, _ := limit[field].(map[string]any)
			if value, ok := defaults[name]; ok && limit["type"] == "Container" {
				return fix(policy.Evidence, fmt.Sprintf("%s gives containers of the namespace this default already", r.ID()), value)
			}
		}
	}
	return Fix{}, &Held{Reason: HeldManual}
}
