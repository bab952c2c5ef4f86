// Package cluster reads what lives in a cluster: an inventory of its objects,
// by read-only requests or from a recording of them. It never asks for the
// data of Secrets.
package cluster

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Inventory is what was read of a cluster at one time.
type Inventory struct {
	Cluster    string           `json:"cluster"`    // the name of the context, or where in-cluster configuration leads
	Kubernetes string           `json:"kubernetes"` // as the API server says it: v1.37.2
	Time       time.Time        `json:"time"`
	Namespace  string           `json:"namespace,omitempty"` // the only one that was read; empty: all
	Kinds      []Kind           `json:"kinds,omitempty"`     // what was read, whether there are objects of it or not
	Unread     []Unread         `json:"unread,omitempty"`    // what could not be read; the rest is complete
	Objects    []map[string]any `json:"items"`               // by kind, namespace and name
}

// Kind is a kind of which all objects were read.
type Kind struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespaced bool   `json:"namespaced,omitempty"`
}

// Unread is a kind, or all of what a group has, that could not be read.
type Unread struct {
	Kind   string `json:"kind"` // group/Kind
	Reason string `json:"reason"`
}

// Read tells whether all objects of a kind were read, and whether they live in
// namespaces. Recordings that do not say what was read know it of the kinds
// that they have.
func (i *Inventory) Read(group, kind string) (namespaced, read bool) {
	for _, k := range i.Kinds {
		if k.Kind == kind && manifest.GroupOf(k.APIVersion) == group {
			return k.Namespaced, true
		}
	}
	if len(i.Kinds) > 0 {
		return false, false
	}
	for _, o := range i.Objects {
		if text(o["kind"]) == kind && manifest.GroupOf(text(o["apiVersion"])) == group {
			return metadataOf(o, "namespace") != "", true
		}
	}
	return false, false
}

// Minor is the minor version of Kubernetes 1.x that the API server runs, 0 if
// it says none.
func (i *Inventory) Minor() int {
	_, rest, _ := strings.Cut(i.Kubernetes, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, _ := strconv.Atoi(strings.TrimRight(minor, "+"))
	return n
}

// sort makes the order that of a recording.
func (i *Inventory) sort() {
	type key struct{ apiVersion, kind, namespace, name string }
	of := func(o map[string]any) key {
		apiVersion, _ := o["apiVersion"].(string)
		kind, _ := o["kind"].(string)
		return key{apiVersion, kind, metadataOf(o, "namespace"), metadataOf(o, "name")}
	}
	slices.SortFunc(i.Objects, func(a, b map[string]any) int {
		x, y := of(a), of(b)
		return cmp.Or(cmp.Compare(x.kind, y.kind), cmp.Compare(x.apiVersion, y.apiVersion), cmp.Compare(x.namespace, y.namespace), cmp.Compare(x.name, y.name))
	})
	slices.SortFunc(i.Unread, func(a, b Unread) int { return cmp.Compare(a.Kind, b.Kind) })
}

// Set are the objects that somebody decided on, as resources to be judged: the
// pods, replica sets and jobs that a workload of the inventory makes are not
// among them. The first is the cluster itself: oakum.dev/Cluster. Names of their files are live:CLUSTER/NAMESPACE/Kind/NAME.
func (i *Inventory) Set(workloads ...manifest.Workload) *manifest.Set {
	makers := i.makers(workloads)
	set := &manifest.Set{Files: []*manifest.File{i.itself().File}}
	for _, o := range i.Objects {
		if owner, ok := controller(o); ok && makers[text(owner["uid"])] || o["kind"] == "PodMetrics" {
			continue // it is judged with its owner, or nothing to judge
		}
		set.Files = append(set.Files, i.resource(o, workloads).File)
	}
	return set
}

// makers are the uids of workloads, which are judged themselves.
func (i *Inventory) makers(workloads []manifest.Workload) map[string]bool {
	out := map[string]bool{}
	for _, o := range i.Objects {
		if makesPods(o, workloads) {
			out[metadataOf(o, "uid")] = true
		}
	}
	return out
}

// resource is an object of the inventory as a resource.
func (i *Inventory) resource(o map[string]any, workloads []manifest.Workload) *manifest.Resource {
	name := "live:" + i.Cluster + "/"
	if ns := metadataOf(o, "namespace"); ns != "" {
		name += ns + "/"
	}
	r := manifest.FromObject(name+text(o["kind"])+"/"+metadataOf(o, "name"), o, workloads...)
	r.Partial = builtin(r)
	return r
}

// itself is what is known of the cluster as a whole, as an object.
func (i *Inventory) itself() *manifest.Resource {
	return manifest.FromObject("live:"+i.Cluster+"/Cluster", map[string]any{
		"apiVersion": "oakum.dev/v1alpha1", "kind": "Cluster", "metadata": map[string]any{"name": i.Cluster},
		"spec": map[string]any{"version": i.Kubernetes, "minor": int64(i.Minor()), "provider": i.Provider()},
	})
}

func makesPods(o map[string]any, workloads []manifest.Workload) bool {
	apiVersion, kind := text(o["apiVersion"]), text(o["kind"])
	_, ok := manifest.MakesPods(apiVersion, kind)
	return ok || slices.ContainsFunc(workloads, func(w manifest.Workload) bool { return w.Is(apiVersion, kind) })
}

// Decides tells the kinds of which resources in Git may decide objects: those
// that make others, Flux's and Argo CD's among them.
func (i *Inventory) Decides() manifest.Wants {
	kinds := map[string]bool{"HelmRelease": true, "Application": true}
	for _, o := range i.Objects {
		if owner, ok := controller(o); ok {
			kinds[text(owner["kind"])] = true
		}
	}
	return func(_, kind string) bool { return kinds[kind] }
}

// controller is the owner reference of what manages an object.
func controller(o map[string]any) (map[string]any, bool) {
	meta, _ := o["metadata"].(map[string]any)
	references, _ := meta["ownerReferences"].([]any)
	for _, r := range references {
		if m, _ := r.(map[string]any); m["controller"] == true {
			return m, true
		}
	}
	return nil, false
}

// builtin tells objects that the control plane itself makes, and makes again:
// nobody can mend them.
func builtin(r *manifest.Resource) bool {
	meta, _ := r.Value["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	switch {
	case labels["kubernetes.io/bootstrapping"] == "rbac-defaults":
		return true
	case r.Kind == "ConfigMap" && r.Name == "kube-root-ca.crt":
		return true
	case r.Kind == "Service" && r.Namespace == "default" && r.Name == "kubernetes":
		return true
	case r.Kind == "APIService":
		return labels["kube-aggregator.kubernetes.io/automanaged"] != nil
	case r.Kind == "PriorityClass" || r.Kind == "FlowSchema" || r.Kind == "PriorityLevelConfiguration":
		return strings.HasPrefix(r.Name, "system-")
	case r.Kind == "Namespace":
		return strings.HasPrefix(r.Name, "kube-")
	}
	return false
}

func metadataOf(o map[string]any, key string) string {
	meta, _ := o["metadata"].(map[string]any)
	return text(meta[key])
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
