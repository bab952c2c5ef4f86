package detect

import (
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// analyzer looks across resources, which no expression over a single one can.
type analyzer struct {
	// part names the part of the set that a resource belongs to: no part depends
	// on another. What has no part, everywhere, belongs to each; other resources
	// are not looked at.
	part func(r *manifest.Resource) (part string, looked bool)
	// judge lists those of a part, or of a whole set, that break it.
	judge func(resources iter.Seq[*manifest.Resource]) []*manifest.Resource
}

const everywhere = ""

// analyzers are those that policies call on by name.
var analyzers = map[string]analyzer{
	"namespace-without-network-policy": {networkPart, namespaceWithoutNetworkPolicy},
}

// AnalyzerNames lists the analyzers that a policy may name.
func AnalyzerNames() []string { return slices.Sorted(maps.Keys(analyzers)) }

// networkPolicies are the kinds that isolate pods, by any network plugin.
var networkPolicies = map[string]bool{
	"networking.k8s.io/NetworkPolicy":     true,
	"cilium.io/CiliumNetworkPolicy":       true,
	"crd.antrea.io/NetworkPolicy":         true,
	"crd.projectcalico.org/NetworkPolicy": true,
	"projectcalico.org/NetworkPolicy":     true,
}

// clusterPolicies isolate pods in every namespace, or may.
var clusterPolicies = map[string]bool{
	"CiliumClusterwideNetworkPolicy": true,
	"GlobalNetworkPolicy":            true,
	"AdminNetworkPolicy":             true,
	"BaselineAdminNetworkPolicy":     true,
	"ClusterNetworkPolicy":           true,
}

// namespaceWithoutNetworkPolicy reports, for every namespace that has
// workloads and no network policy, its first workload. Files that leave the
// namespace to whoever applies them count by their directory; of a namespace
// that is filled in later, as ${NAMESPACE}, nothing can be said.
func namespaceWithoutNetworkPolicy(resources iter.Seq[*manifest.Resource]) []*manifest.Resource {
	place := func(r *manifest.Resource) string {
		if r.Namespace != "" {
			return "namespace " + r.Namespace
		}
		return "directory " + path.Dir(r.File.Path)
	}
	first := map[string]*manifest.Resource{}
	covered := map[string]bool{}
	var order []string
	for r := range resources {
		switch {
		case clusterPolicies[r.Kind]:
			return nil
		case networkPolicies[r.Group()+"/"+r.Kind]:
			covered[place(r)] = true
		}
		if !isolatable(r) {
			continue
		}
		if p := place(r); first[p] == nil {
			first[p] = r
			order = append(order, p)
		}
	}
	var out []*manifest.Resource
	for _, p := range order {
		if !covered[p] && !coveredBelow(p, covered) {
			out = append(out, first[p])
		}
	}
	return out
}

// networkPart parts a set by namespace; what leaves that open is one part.
func networkPart(r *manifest.Resource) (part string, looked bool) {
	switch {
	case clusterPolicies[r.Kind]:
		return everywhere, true
	case !networkPolicies[r.Group()+"/"+r.Kind] && !isolatable(r):
		return "", false
	case r.Namespace == "":
		return "directories", true
	}
	return "namespace " + r.Namespace, true
}

// isolatable tells workloads that network policies are for.
func isolatable(r *manifest.Resource) bool {
	_, template, ok := r.PodTemplate()
	return ok && !r.Partial && !hostNetwork(template) && !strings.ContainsAny(r.Namespace, "${<")
}

// coveredBelow tells whether a directory's policies stand in one below it.
func coveredBelow(place string, covered map[string]bool) bool {
	for c := range covered {
		if strings.HasPrefix(place, "directory ") && strings.HasPrefix(c, place+"/") {
			return true
		}
	}
	return false
}

// hostNetwork tells pods that network policies do not reach.
func hostNetwork(template map[string]any) bool {
	spec, _ := template["spec"].(map[string]any)
	host, _ := spec["hostNetwork"].(bool)
	return host
}
