package policy

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// component is a part of Kubernetes itself as one resource configures it: a
// static pod runs it, or a section of an installer's file says how it is run.
type component struct {
	name    string
	path    manifest.Path // what configures it, from the root of the resource
	whole   bool          // what is not written here is at its default
	flags   *flags
	kubelet *kubelet // of a kubelet only
}

// componentKinds are the kinds that configure components, and which.
var componentKinds = map[string][]string{
	"/Pod":             podComponents,
	"apps/Deployment":  podComponents,
	"apps/StatefulSet": podComponents,
	"apps/DaemonSet":   podComponents,
	"/ConfigMap":       {"kube-proxy", "kubelet"},

	"kubeadm.k8s.io/ClusterConfiguration":                       kubeadmComponents,
	"kubeadm.k8s.io/InitConfiguration":                          {"kubelet"},
	"kubeadm.k8s.io/JoinConfiguration":                          {"kubelet"},
	"controlplane.cluster.x-k8s.io/KubeadmControlPlane":         append([]string{"kubelet"}, kubeadmComponents...),
	"controlplane.cluster.x-k8s.io/KubeadmControlPlaneTemplate": append([]string{"kubelet"}, kubeadmComponents...),
	"bootstrap.cluster.x-k8s.io/KubeadmConfig":                  append([]string{"kubelet"}, kubeadmComponents...),
	"bootstrap.cluster.x-k8s.io/KubeadmConfigTemplate":          append([]string{"kubelet"}, kubeadmComponents...),

	"kubelet.config.k8s.io/KubeletConfiguration":             {"kubelet"},
	"kubeproxy.config.k8s.io/KubeProxyConfiguration":         {"kube-proxy"},
	"kubescheduler.config.k8s.io/KubeSchedulerConfiguration": {"kube-scheduler"},
	"eksctl.io/ClusterConfig":                                {"kubelet"},
	"node.eks.aws/NodeConfig":                                {"kubelet"},
}

var (
	podComponents     = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kube-proxy"}
	kubeadmComponents = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"}
)

// componentNames lists the components that a policy may name.
func componentNames() []string {
	seen := map[string]bool{}
	for _, names := range componentKinds {
		for _, n := range names {
			seen[n] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// configures tells whether resources of a kind may configure one of some components.
func configures(apiVersion, kind string, names []string) bool {
	return slices.ContainsFunc(componentKinds[groupOf(apiVersion)+"/"+kind], func(n string) bool { return slices.Contains(names, n) })
}

// groupOf is the API group of an apiVersion, empty for the core group.
func groupOf(apiVersion string) string {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return ""
	}
	return group
}

// components are those of some names that a resource configures.
func components(r *manifest.Resource, names []string) []component {
	if !configures(r.APIVersion, r.Kind, names) {
		return nil
	}
	var all []component
	switch kind := r.Kind; {
	case r.Group() == "kubeadm.k8s.io":
		switch kind {
		case "ClusterConfiguration":
			all = kubeadmCluster(r, nil)
		default:
			all = kubeadmNode(r, nil)
		}
	case strings.HasSuffix(r.Group(), ".cluster.x-k8s.io"):
		all = clusterAPI(r)
	case kind == "KubeletConfiguration":
		all = kubeletDocument(r)
	case kind == "KubeSchedulerConfiguration" || kind == "KubeProxyConfiguration":
		all = configDocument(r)
	case kind == "ConfigMap":
		all = embedded(r)
	case r.Group() == "eksctl.io":
		all = eksctlNodes(r)
	case r.Group() == "node.eks.aws":
		all = eksNode(r)
	default:
		all = podComponent(r)
	}
	return slices.DeleteFunc(all, func(c component) bool { return !slices.Contains(names, c.name) })
}

// podComponent is the component that a pod runs: the program of a container's
// command says which. What a shell starts is not read. Programs that serve
// others than a cluster too count where the pod is one of a control plane.
func podComponent(r *manifest.Resource) []component {
	at, template, ok := r.PodTemplate()
	if !ok {
		return nil
	}
	meta, _ := template["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	spec, _ := template["spec"].(map[string]any)
	containers, _ := spec["containers"].([]any)
	var out []component
	for i := range containers {
		c, _ := containers[i].(map[string]any)
		command, _ := c["command"].([]any)
		args, _ := c["args"].([]any)
		words := slices.Concat(command, args)
		name, from := program(words)
		if labelled, _ := labels["component"].(string); name == "" && labels["tier"] == "control-plane" && len(command) == 0 {
			name = labelled // the image's own program
		}
		if !slices.Contains(podComponents, name) {
			continue
		}
		if !strings.HasPrefix(name, "kube-") && r.Namespace != "kube-system" && labels["tier"] != "control-plane" {
			continue
		}
		here := append(at.Key("spec", "containers"), manifest.ItemStep("containers", containers, i))
		list := "command"
		if len(args) > 0 {
			list = "args"
		}
		f := newFlags(arguments, here.Key(list), nil)
		if name == "etcd" {
			f.environment(c, here)
		}
		f.arguments(command, min(from, len(command)), here.Key("command"), name)
		f.arguments(args, max(0, from-len(command)), here.Key("args"), name)
		if _, elsewhere := f.written["config-file"]; elsewhere && name == "etcd" {
			continue // etcd reads nothing but that file then
		}
		out = append(out, component{name: name, path: here, whole: true, flags: f.settle()})
	}
	return out
}

// program is the base name of the program that a command line starts, and
// where its arguments begin. A starter that only redirects output is passed over.
func program(words []any) (string, int) {
	for i, w := range words {
		s, _ := w.(string)
		name := path.Base(s)
		switch {
		case name == "go-runner" && i == 0:
		case strings.HasPrefix(s, "-") && i > 0:
		case s == "" || strings.HasPrefix(s, "-") || strings.ContainsAny(s, " \n"):
			return "", 0
		default:
			return name, i + 1
		}
	}
	return "", 0
}

// configFields are flags that a component's own configuration file has as a field.
var configFields = map[string]map[string]manifest.Path{
	"KubeSchedulerConfiguration": {"profiling": manifest.Path{}.Key("enableProfiling")},
	"KubeProxyConfiguration":     {"metrics-bind-address": manifest.Path{}.Key("metricsBindAddress")},
}

// configDocument is a component by its own configuration file, which tells
// only a part of what its flags do.
func configDocument(r *manifest.Resource) []component {
	c := component{name: "kube-proxy", flags: newFlags(fields, nil, nil)}
	c.flags.fields = configFields[r.Kind]
	if r.Kind == "KubeSchedulerConfiguration" {
		c.name = "kube-scheduler"
	}
	for name, at := range c.flags.fields {
		if v, ok := get(r.Value, at); ok {
			if s, ok := scalarText(v); ok {
				here := spot{at: at}
				c.flags.add(name, occurrence{text: s, value: here, all: []spot{here}})
			}
		}
	}
	c.flags.settle()
	return []component{c}
}

// maxEmbedded bounds the text of a ConfigMap that is read as a configuration, in bytes.
const maxEmbedded = 256 << 10

// embedded are the components whose configuration kubeadm keeps in a ConfigMap
// of the cluster. They are read; text in text is not edited.
func embedded(r *manifest.Resource) []component {
	if r.Namespace != "kube-system" || r.Name != "kube-proxy" && !strings.HasPrefix(r.Name, "kubelet-config") {
		return nil
	}
	data, _ := r.Value["data"].(map[string]any)
	var out []component
	for _, key := range slices.Sorted(maps.Keys(data)) {
		text, _ := data[key].(string)
		if len(text) > maxEmbedded {
			continue
		}
		f, _ := manifest.Parse(r.File.Path, []byte(text), manifest.Plain, func(apiVersion, kind string) bool {
			return configures(apiVersion, kind, []string{"kubelet", "kube-proxy"}) && strings.Contains(groupOf(apiVersion), "config.k8s.io")
		})
		if f == nil {
			continue
		}
		for _, inner := range f.Resources {
			if !inner.Decoded() {
				continue
			}
			for _, c := range components(inner, []string{"kubelet", "kube-proxy"}) {
				c.path = manifest.Path{}.Key("data", key)
				c.flags.shape, c.flags.at = unwritable, c.path
				out = append(out, c)
			}
		}
	}
	return out
}

// get follows the keys of a path.
func get(v any, at manifest.Path) (any, bool) {
	for _, s := range at {
		m, _ := v.(map[string]any)
		next, ok := m[s.Key]
		if !ok {
			return nil, false
		}
		v = next
	}
	return v, true
}

// resolve gives the names that expressions see of a component.
func (c *component) resolve(name string) (any, bool) {
	switch name {
	case "component":
		return c.name, true
	case "whole":
		return c.whole, true
	case "flags":
		return c.flags.values, true
	case "kubelet":
		if c.kubelet != nil {
			return c.kubelet.value, true
		}
	}
	return nil, false
}
