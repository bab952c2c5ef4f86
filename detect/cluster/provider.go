package cluster

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// provider is who runs the control plane of managed clusters, and how what it
// puts into them is known.
type provider struct {
	name       string
	version    string   // in what the API server says of itself
	nodes      string   // prefix of labels that its nodes have
	labels     []string // of its objects, whatever they are called
	namespaces []string // that are wholly its own; a * ends a prefix
	names      []string // of its objects in kube-system and without a namespace; a * ends a prefix
}

var providers = []provider{
	{
		"EKS", "-eks-", "eks.amazonaws.com/",
		[]string{"eks.amazonaws.com/component"},
		nil,
		[]string{"eks:*", "aws-node*", "kube-proxy*", "coredns*", "vpc-resource-*", "eks-*", "system:coredns"},
	},
	{
		"GKE", "-gke.", "cloud.google.com/gke-",
		[]string{"addonmanager.kubernetes.io/mode", "components.gke.io/component-name", "components.gke.io/layer"},
		[]string{"gke-*", "gmp-*"},
		[]string{"gke-*", "gce:*", "kube-proxy*", "kube-dns*", "konnectivity-*", "system:gke-*", "system:gcp-*", "fluentbit-gke*", "pdcsi-*", "netd*"},
	},
	{
		"AKS", "", "kubernetes.azure.com/",
		[]string{"kubernetes.azure.com/managedby", "addonmanager.kubernetes.io/mode"},
		[]string{"aks-*", "gatekeeper-system"},
		[]string{"aks-*", "azure-*", "cloud-node-manager*", "coredns*", "csi-azure*", "konnectivity-*", "kube-proxy*", "metrics-server*", "system:azure-*"},
	},
}

// provider is who runs the control plane, nil where nobody but the owner does.
func (i *Inventory) provider() *provider {
	for n, p := range providers {
		if p.version != "" && strings.Contains(i.Kubernetes, p.version) {
			return &providers[n]
		}
	}
	for _, o := range i.Objects {
		if o["kind"] != "Node" {
			continue
		}
		labels, _ := field(o, "metadata", "labels").(map[string]any)
		for key := range labels {
			if n := slices.IndexFunc(providers, func(p provider) bool { return strings.HasPrefix(key, p.nodes) }); n >= 0 {
				return &providers[n]
			}
		}
	}
	return nil
}

// Provider is the name of who runs the control plane: EKS, GKE or AKS; empty
// where nobody but the owner does.
func (i *Inventory) Provider() string {
	if p := i.provider(); p != nil {
		return p.name
	}
	return ""
}

// RunByProvider tells the objects that the provider of a managed cluster keeps
// as they are: their owner cannot mend them.
func (i *Inventory) RunByProvider() func(*manifest.Resource) bool {
	p := i.provider()
	if p == nil {
		return func(*manifest.Resource) bool { return false }
	}
	return func(r *manifest.Resource) bool {
		labels, _ := field(r.Value, "metadata", "labels").(map[string]any)
		if slices.ContainsFunc(p.labels, func(key string) bool { return labels[key] != nil }) {
			return true
		}
		namespace := r.Namespace
		if r.Kind == "Namespace" {
			namespace = r.Name
		}
		if namespace != "" && namespace != "kube-system" {
			return named(p.namespaces, namespace)
		}
		return named(p.names, r.Name)
	}
}

func named(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(name, prefix)
		}
		return name == pattern
	})
}
