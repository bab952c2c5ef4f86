package cluster

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Container is a container as a pod of the cluster runs it.
type Container struct {
	Pod, Namespace string
	Name           string
	Image          string         // as the pod names it
	Digest         string         // of the image that runs: sha256:…; empty where the runtime does not say
	UID            *int64         // that its first process started as; nil where the runtime does not say
	Ready          bool           // or ended well
	Restarts       int64          // since the pod started
	Spec           map[string]any // of the container
	PodSecurity    map[string]any // the securityContext of the pod, nil for none
}

// Steady tells a container that runs as it should and has always done so.
func (c Container) Steady() bool { return c.Ready && c.Restarts == 0 }

// Served are the ports that the container is known to serve: those that answer
// when it is asked whether it is ready.
func (c Container) Served() []int64 {
	var out []int64
	for _, way := range []string{"httpGet", "tcpSocket", "grpc"} {
		probe, _ := field(c.Spec, "readinessProbe", way).(map[string]any)
		if !c.Ready || text(probe["host"]) != "" {
			continue // not of the pod itself
		}
		switch port := probe["port"].(type) {
		case int64:
			out = append(out, port)
		case string:
			out = append(out, portsNamed(c.Spec, port)...)
		}
	}
	return out
}

// portsNamed are the numbers that a container declares under a name.
func portsNamed(container map[string]any, name string) []int64 {
	var out []int64
	for _, p := range items(container["ports"]) {
		if n, ok := p["containerPort"].(int64); ok && p["name"] == name {
			out = append(out, n)
		}
	}
	return out
}

// Running is what runs, by what decides it and by image.
type Running struct {
	makers   map[string][]Container // by the uid of the topmost owner
	digests  map[string][]Container
	images   map[string][]Container // by the name that pods give
	pods     map[string][]map[string]any
	profiles map[containerOf]map[string]any
	advice   map[object]map[string]any
	calls    map[object][]Call          // to the pods of workloads that were watched
	home     map[string]map[object]bool // the workloads whose pods run in a namespace
	usage    map[containerOf]map[string]any
	nodes    map[string]bool // their addresses
	rights   bool
}

type object struct{ namespace, kind, name string }

// containerOf names a container of a workload or a pod.
type containerOf struct {
	object
	name string
}

// Running indexes the pods of an inventory.
func (i *Inventory) Running() *Running {
	r := &Running{
		makers: map[string][]Container{}, digests: map[string][]Container{}, images: map[string][]Container{},
		pods: map[string][]map[string]any{}, profiles: map[containerOf]map[string]any{}, advice: map[object]map[string]any{},
		calls: map[object][]Call{}, home: map[string]map[object]bool{}, usage: map[containerOf]map[string]any{}, nodes: map[string]bool{},
		rights: i.rights(),
	}
	byUID := map[string]map[string]any{}
	for _, o := range i.Objects {
		byUID[metadataOf(o, "uid")] = o
	}
	for _, o := range i.Objects {
		switch o["kind"] {
		case "Pod":
			r.pod(o, topmost(o, byUID))
		case "ApplicationProfile":
			r.profile(o)
		case "NetworkNeighborhood":
			r.neighbourhood(o)
		case "VerticalPodAutoscaler":
			r.recommendation(o)
		case "PodMetrics":
			r.uses(o)
		case "Node":
			for _, a := range items(field(o, "status", "addresses")) {
				r.nodes[text(a["address"])] = true
			}
		}
	}
	return r
}

// rights tells whether all role bindings were read.
func (i *Inventory) rights() bool {
	_, bindings := i.Read("rbac.authorization.k8s.io", "RoleBinding")
	_, cluster := i.Read("rbac.authorization.k8s.io", "ClusterRoleBinding")
	return bindings && cluster && i.Namespace == ""
}

// Rights tells whether it is known what every service account may do.
func (r *Running) Rights() bool { return r.rights }

// maxOwners bounds a walk along owner references, which anybody may write.
const maxOwners = 10

// topmost is the workload at the end of the owner references.
func topmost(o map[string]any, byUID map[string]map[string]any) map[string]any {
	for range maxOwners {
		owner, ok := controller(o)
		if !ok || owner["kind"] == "Node" {
			break
		}
		up := byUID[text(owner["uid"])]
		if up == nil || !makesPods(up, nil) {
			break
		}
		o = up
	}
	return o
}

func (r *Running) pod(o, workload map[string]any) {
	spec, _ := o["spec"].(map[string]any)
	status, _ := o["status"].(map[string]any)
	if status["phase"] == "Failed" {
		return
	}
	namespace := metadataOf(o, "namespace")
	r.pods[namespace] = append(r.pods[namespace], o)
	if r.home[namespace] == nil {
		r.home[namespace] = map[object]bool{}
	}
	r.home[namespace][object{namespace, text(workload["kind"]), metadataOf(workload, "name")}] = true
	maker := metadataOf(workload, "uid")
	security, _ := spec["securityContext"].(map[string]any)
	for _, list := range []struct{ spec, status string }{{"containers", "containerStatuses"}, {"initContainers", "initContainerStatuses"}} {
		statuses := map[string]map[string]any{}
		for _, s := range items(status[list.status]) {
			statuses[text(s["name"])] = s
		}
		for _, s := range items(spec[list.spec]) {
			name := text(s["name"])
			status := statuses[name]
			if status == nil {
				continue // it never ran
			}
			c := Container{Pod: metadataOf(o, "name"), Namespace: namespace, Name: name, Image: text(s["image"]), Spec: s, PodSecurity: security}
			c.Ready, _ = status["ready"].(bool)
			c.Restarts, _ = status["restartCount"].(int64)
			if _, digest, ok := strings.Cut(text(status["imageID"]), "@"); ok {
				c.Digest = digest
			}
			if user, ok := field(status, "user", "linux", "uid").(int64); ok {
				c.UID = &user
			}
			r.makers[maker] = append(r.makers[maker], c)
			r.images[c.Image] = append(r.images[c.Image], c)
			if c.Digest != "" {
				r.digests[c.Digest] = append(r.digests[c.Digest], c)
			}
		}
	}
}

// Of are the containers of that name, or all if it is empty, of a workload's pods.
func (r *Running) Of(workload *manifest.Resource, name string) []Container {
	all := r.makers[metadataOf(workload.Value, "uid")]
	if name == "" {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(c Container) bool { return c.Name != name })
}

// Same are the containers that run an image of that digest.
func (r *Running) Same(digest string) []Container { return r.digests[digest] }

// Named are the containers whose pods give an image that name.
func (r *Running) Named(image string) []Container { return r.images[image] }

// Pods are the pods of a namespace.
func (r *Running) Pods(namespace string) []map[string]any { return r.pods[namespace] }

// items are the mappings of a list.
func items(v any) []map[string]any {
	list, _ := v.([]any)
	out := make([]map[string]any, 0, len(list))
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// field is the value that keys lead to, nil where there is none.
func field(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}
