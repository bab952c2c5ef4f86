package fixers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// verbs are what the API server serves for a resource (Kubernetes API
// concepts, "API verbs"); these resources have no verb of their own beyond them.
var verbs = []any{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}

// plainResources are, by group, the built-in resources that know the eight
// verbs and no other.
var plainResources = map[string][]string{
	"": {
		"configmaps", "endpoints", "events", "limitranges", "persistentvolumeclaims", "persistentvolumes", "pods",
		"podtemplates", "replicationcontrollers", "resourcequotas", "secrets",
	},
	"apps":                   {"controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"},
	"autoscaling":            {"horizontalpodautoscalers"},
	"batch":                  {"cronjobs", "jobs"},
	"coordination.k8s.io":    {"leases"},
	"discovery.k8s.io":       {"endpointslices"},
	"events.k8s.io":          {"events"},
	"extensions":             {"ingresses"},
	"networking.k8s.io":      {"ingressclasses", "ingresses", "networkpolicies"},
	"node.k8s.io":            {"runtimeclasses"},
	"policy":                 {"poddisruptionbudgets"},
	"scheduling.k8s.io":      {"priorityclasses"},
	"storage.k8s.io":         {"csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments"},
	"apiextensions.k8s.io":   {"customresourcedefinitions"},
	"apiregistration.k8s.io": {"apiservices"},
}

// wildcardVerbs writes out the verbs that * stands for today. The grant stays
// the same; it stops growing when Kubernetes does.
func wildcardVerbs(f *detect.Finding, _ Context) (Fix, *Held) {
	rule, ok := item(f)
	if !ok {
		return Fix{}, &Held{Reason: HeldManual}
	}
	groups, resources := stringList(rule["apiGroups"]), stringList(rule["resources"])
	if len(groups) == 0 || len(resources) == 0 {
		return Fix{}, &Held{Reason: HeldManual}
	}
	for _, r := range resources {
		for _, g := range groups {
			if !slices.Contains(plainResources[g], r) {
				return Fix{}, &Held{Reason: HeldManual, Detail: fmt.Sprintf("what * means for %s of group %q is known only to the API server that serves it", r, g)}
			}
		}
	}
	at := f.Field[:ruleIndex(f.Field)+1].Key("verbs")
	return Fix{
		Safety:   policy.Evidence,
		Evidence: []Evidence{{"declared", fmt.Sprintf("Kubernetes serves exactly these verbs for %s: the grant stays the same", strings.Join(resources, ", "))}},
		Edits:    []policy.Edit{{Op: policy.Set, Path: at, Value: verbs}},
	}, nil
}

// item is the rule that a finding is about.
func item(f *detect.Finding) (map[string]any, bool) {
	i := ruleIndex(f.Field)
	if i < 0 {
		return nil, false
	}
	field := f.Resource.Field(f.Field[:i+1])
	if !field.Present {
		return nil, false
	}
	v, err := manifest.ToValue(field.Node)
	m, ok := v.(map[string]any)
	return m, ok && err == nil
}

func ruleIndex(path manifest.Path) int {
	return slices.IndexFunc(path, func(s manifest.Step) bool { return s.Item })
}

func stringList(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
