package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// kind is a kind of objects that the API server has.
type kind struct {
	schema.GroupVersionResource
	name       string // the Kind
	namespaced bool
}

func (k kind) apiVersion() string { return k.GroupVersion().String() }

func (k kind) String() string {
	if k.Group == "" {
		return k.name
	}
	return k.Group + "/" + k.name
}

// secret tells the kind of which only the metadata is asked for.
func (k kind) secret() bool { return k.Group == "" && k.name == "Secret" }

// wanted tells whether objects of the kind are read.
func (k kind) wanted(wants func(apiVersion, kind string) bool) bool {
	id := k.Group + "/" + k.name
	return !never[id] && (alwaysRead[id] || wants(k.apiVersion(), k.name))
}

// root is where the API server serves the group and version.
func (k kind) root() string {
	if k.Group == "" {
		return "/api/" + k.Version
	}
	return "/apis/" + k.Group + "/" + k.Version
}

// alwaysRead are kinds that no policy may ask for: they tell who decided on an
// object (owners, Flux and Argo CD), or what it does.
var alwaysRead = map[string]bool{
	"/Namespace": true, "/Node": true, "/Pod": true, "/ServiceAccount": true, "/Secret": true,
	"autoscaling/HorizontalPodAutoscaler":                       true,
	"kustomize.toolkit.fluxcd.io/Kustomization":                 true,
	"helm.toolkit.fluxcd.io/HelmRelease":                        true,
	"source.toolkit.fluxcd.io/GitRepository":                    true,
	"source.toolkit.fluxcd.io/OCIRepository":                    true,
	"argoproj.io/Application":                                   true,
	"argoproj.io/ApplicationSet":                                true,
	"spdx.softwarecomposition.kubescape.io/ApplicationProfile":  true,
	"spdx.softwarecomposition.kubescape.io/NetworkNeighborhood": true,
	"metrics.k8s.io/PodMetrics":                                 true,
	"autoscaling.k8s.io/VerticalPodAutoscaler":                  true,
}

// optional are kinds that nobody should have to give a right to: who may list
// Secrets may read what they hold.
var optional = map[string]bool{"Secret": true}

// never are kinds that change all the time and tell nothing.
var never = map[string]bool{
	"/Event": true, "events.k8s.io/Event": true, "coordination.k8s.io/Lease": true,
	"discovery.k8s.io/EndpointSlice": true, "/Endpoints": true, "/ComponentStatus": true,
	"metrics.k8s.io/NodeMetrics": true,
}

// moment tells the kind that tells of a moment: it is read, and not watched.
func (k kind) moment() bool { return k.Group == "metrics.k8s.io" }

// kinds asks the API server what it has, and picks the kinds that are wanted,
// each in the version that the server prefers.
func kinds(ctx context.Context, client discovery.DiscoveryInterface, wants func(apiVersion, kind string) bool) ([]kind, []Unread, error) {
	lists, err := discovery.ServerPreferredResourcesWithContext(ctx, discovery.ToDiscoveryInterfaceWithContext(client))
	var unread []Unread
	if failed := (*discovery.ErrGroupDiscoveryFailed)(nil); errors.As(err, &failed) {
		for gv, why := range failed.Groups {
			unread = append(unread, Unread{gv.String() + "/*", fmt.Sprintf("its API does not answer: %v", why)})
		}
	} else if err != nil {
		return nil, nil, fmt.Errorf("asking the API server what it has: %w", err)
	}
	var out []kind
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue // of an API server that does not speak Kubernetes
		}
		for _, r := range list.APIResources {
			k := kind{gv.WithResource(r.Name), r.Kind, r.Namespaced}
			if strings.Contains(r.Name, "/") || !slices.Contains(r.Verbs, "list") || !k.wanted(wants) {
				continue
			}
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b kind) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.name, b.name)) })
	return out, unread, nil
}

// may tells whether rules let somebody list objects of a kind.
func may(rules []resourceRule, verb string, r schema.GroupResource) bool {
	has := func(list []string, s string) bool { return slices.Contains(list, s) || slices.Contains(list, "*") }
	return slices.ContainsFunc(rules, func(rule resourceRule) bool {
		return has(rule.Verbs, verb) && has(rule.APIGroups, r.Group) && has(rule.Resources, r.Resource) && len(rule.ResourceNames) == 0
	})
}
