package detect

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Analyzers look across resources, which no expression over a single one can;
// policies call on them by name. Each returns the resources that break it.
var Analyzers = map[string]func(*manifest.Set) []*manifest.Resource{
	"namespace-without-network-policy": namespaceWithoutNetworkPolicy,
}

// AnalyzerNames lists the analyzers that a policy may name.
func AnalyzerNames() []string { return slices.Sorted(maps.Keys(Analyzers)) }

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
func namespaceWithoutNetworkPolicy(set *manifest.Set) []*manifest.Resource {
	place := func(r *manifest.Resource) string {
		if r.Namespace != "" {
			return "namespace " + r.Namespace
		}
		return "directory " + path.Dir(r.File.Path)
	}
	first := map[string]*manifest.Resource{}
	covered := map[string]bool{}
	var order []string
	for r := range set.Resources {
		switch {
		case clusterPolicies[r.Kind]:
			return nil
		case networkPolicies[r.Group()+"/"+r.Kind]:
			covered[place(r)] = true
		}
		if _, spec, ok := r.PodTemplate(); !ok || r.Partial || hostNetwork(spec) || strings.ContainsAny(r.Namespace, "${<") {
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
