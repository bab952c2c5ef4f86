package manifest

import "strings"

// PodKind is how policies name everything that makes pods: Pod itself and
// every workload with a pod template.
const PodKind = "Pod"

// podTemplates tells where the pod template of a workload kind stands.
// The groups matter: other APIs reuse these names.
var podTemplates = map[string]Path{
	"/Pod":                               {},
	"/PodTemplate":                       mustPath("template"),
	"/ReplicationController":             mustPath("spec.template"),
	"apps/Deployment":                    mustPath("spec.template"),
	"apps/StatefulSet":                   mustPath("spec.template"),
	"apps/DaemonSet":                     mustPath("spec.template"),
	"apps/ReplicaSet":                    mustPath("spec.template"),
	"extensions/Deployment":              mustPath("spec.template"),
	"extensions/DaemonSet":               mustPath("spec.template"),
	"extensions/ReplicaSet":              mustPath("spec.template"),
	"batch/Job":                          mustPath("spec.template"),
	"batch/CronJob":                      mustPath("spec.jobTemplate.spec.template"),
	"argoproj.io/Rollout":                mustPath("spec.template"),
	"serving.knative.dev/Service":        mustPath("spec.template"),
	"apps.kruise.io/CloneSet":            mustPath("spec.template"),
	"apps.kruise.io/StatefulSet":         mustPath("spec.template"),
	"apps.kruise.io/DaemonSet":           mustPath("spec.template"),
	"apps.kruise.io/BroadcastJob":        mustPath("spec.template"),
	"apps.kruise.io/AdvancedCronJob":     mustPath("spec.template.jobTemplate.spec.template"),
	"apps.openshift.io/DeploymentConfig": mustPath("spec.template"),
}

func mustPath(s string) Path {
	p, err := ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// MakesPods tells whether resources of a kind have a pod template, and where.
func MakesPods(apiVersion, kind string) (Path, bool) {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group = ""
	}
	p, ok := podTemplates[group+"/"+kind]
	return p, ok
}

// Workload is a kind of an extension whose resources have a pod template.
type Workload struct {
	Kind     string // group/Kind
	Template Path   // to the pod template
}

// Is tells whether a kind is the workload's.
func (w Workload) Is(apiVersion, kind string) bool {
	group, _, ok := strings.Cut(apiVersion, "/")
	return ok && w.Kind == group+"/"+kind
}

// MakesPods tells whether the resource has a pod template, and where.
func (r *Resource) MakesPods() (Path, bool) {
	for _, w := range r.File.workloads {
		if w.Is(r.APIVersion, r.Kind) {
			return w.Template, true
		}
	}
	return MakesPods(r.APIVersion, r.Kind)
}

// PodTemplate is the pod template of a workload, or the pod itself, with the
// path that leads to it.
func (r *Resource) PodTemplate() (Path, map[string]any, bool) {
	at, ok := r.MakesPods()
	if !ok {
		return nil, nil, false
	}
	return templateAt(at, r.Value)
}

// PodTemplateOf is PodTemplate of an object, by its fields.
func PodTemplateOf(apiVersion, kind string, object map[string]any) (Path, map[string]any, bool) {
	at, ok := MakesPods(apiVersion, kind)
	if !ok {
		return nil, nil, false
	}
	return templateAt(at, object)
}

func templateAt(at Path, object map[string]any) (Path, map[string]any, bool) {
	v := any(object)
	for _, s := range at {
		m, _ := v.(map[string]any)
		v = m[s.Key]
	}
	template, ok := v.(map[string]any)
	if !ok {
		return nil, nil, false
	}
	if spec, ok := template["spec"].(map[string]any); !ok || spec["containers"] == nil {
		return nil, nil, false
	}
	return at, template, true
}

// ContainerLists are the fields of a pod's spec that hold containers.
var ContainerLists = []string{"containers", "initContainers", "ephemeralContainers"}

// fragment tells a workload that something else must complete: a pod template
// none of whose containers has an image.
func (r *Resource) fragment() bool {
	at, ok := r.MakesPods()
	if !ok {
		return false
	}
	_, template, ok := r.PodTemplate()
	if !ok {
		return len(at) > 0 // a workload without a pod template
	}
	spec := template["spec"].(map[string]any)
	for _, list := range ContainerLists {
		items, _ := spec[list].([]any)
		for _, item := range items {
			if c, ok := item.(map[string]any); ok && c["image"] != nil {
				return false
			}
		}
	}
	return true
}
