package graph

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// workload is what makes pods, as far as it matters who reaches them and what
// they reach.
type workload struct {
	resource       *manifest.Resource
	at             manifest.Path // to the pod template
	template, spec map[string]any
	labels         map[string]any
	namespace      string
	account        string
	system         bool // a part of the cluster itself
	exposures      []Exposure
	node, holds    int32 // code in it, and its service account
	mounts         bool  // it has the token
}

func workloadOf(r *manifest.Resource, p places) *workload {
	at, template, ok := r.PodTemplate()
	if !ok {
		return nil
	}
	w := &workload{resource: r, at: at, template: template, namespace: p.of(r), account: "default"}
	w.spec, _ = template["spec"].(map[string]any)
	w.labels, _ = field(template, "metadata", "labels").(map[string]any)
	for _, name := range []string{"serviceAccount", "serviceAccountName"} { // the old field and the new
		if s := text(w.spec, name); s != "" {
			w.account = s
		}
	}
	return w
}

// path leads to a field of the pod's spec.
func (w *workload) path(keys ...string) manifest.Path { return w.at.Key("spec").Key(keys...) }

// containers calls yield for each container, with the path to it.
func (w *workload) containers(yield func(at manifest.Path, name string, container map[string]any)) {
	for _, lists := range manifest.ContainerLists {
		items := list(w.spec, lists)
		for i, item := range items {
			if c, ok := item.(map[string]any); ok {
				yield(append(w.path(lists), manifest.ItemStep(lists, items, i)), text(c, "name"), c)
			}
		}
	}
}

// volumes calls yield for each volume that a container mounts, with the path to
// it and whether one may write to it.
func (w *workload) volumes(yield func(at manifest.Path, volume map[string]any, writable bool)) {
	mounted := map[string]bool{} // whether it is writable
	w.containers(func(_ manifest.Path, _ string, c map[string]any) {
		for _, m := range list(c, "volumeMounts") {
			name := text(m, "name")
			mounted[name] = mounted[name] || field(m, "readOnly") != true
		}
	})
	items := list(w.spec, "volumes")
	for i, item := range items {
		v, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if writable, ok := mounted[text(v, "name")]; ok {
			yield(append(w.path("volumes"), manifest.ItemStep("volumes", items, i)), v, writable)
		}
	}
}

// mountsToken tells whether the pods have a token of their service account, and
// whether it is the usual one, that a field switches off.
func (w *workload) mountsToken(accounts map[[2]string]*manifest.Resource) (mounts, usual bool) {
	w.volumes(func(_ manifest.Path, v map[string]any, _ bool) {
		for _, source := range list(v, "projected", "sources") {
			token, ok := field(source, "serviceAccountToken").(map[string]any)
			audience := text(token, "audience")
			// Of other audiences than the API server's the token is for others.
			mounts = mounts || ok && (audience == "" || strings.HasPrefix(audience, "https://kubernetes.default"))
		}
	})
	if mounts || w.made() {
		return mounts, false // what a cluster has run through admission says it all
	}
	automount := field(w.spec, "automountServiceAccountToken")
	if automount == nil {
		if a := accounts[[2]string{w.namespace, w.account}]; a != nil {
			automount = a.Value["automountServiceAccountToken"]
		}
	}
	return automount != false, true
}

// made tells pods of a cluster that another object makes: of those admission
// has written what they mount.
func (w *workload) made() bool {
	return w.resource.File.Form == manifest.Live && w.resource.Kind == "Pod" && field(w.resource.Value, "metadata", "ownerReferences") != nil
}

// breakout is a way from a container to its node.
type breakout struct {
	says  string
	opens Opening
}

// capabilities by which a container gets out: each alone is enough.
var capabilities = map[string]string{
	"ALL": "every capability", "SYS_ADMIN": "mounts and namespaces", "SYS_MODULE": "kernel modules", "SYS_RAWIO": "the memory of its node",
	"DAC_READ_SEARCH": "files of its node by their handles", "BPF": "programs in the kernel",
}

// trees of a node whose files are as good as the node: those that only readers
// of them need, and those that take a write.
var (
	readable = []string{"/etc/kubernetes", "/var/lib/kubelet", "/var/lib/etcd", "/root", "/home", "/var/lib/rancher", "/var/lib/k0s", "/etc/shadow", "/etc/ssh", "/proc/1"}
	writable = []string{"/bin", "/sbin", "/usr", "/lib", "/lib64", "/opt/cni", "/boot", "/dev", "/proc", "/sys", "/var/lib/docker", "/var/lib/containerd", "/etc/systemd", "/etc/cron.d", "/etc/cni", "/var/spool/cron", "/etc/ld.so.preload", "/etc/profile.d", "/etc/sudoers.d"}
	above    = []string{"/", "/etc", "/var", "/var/lib", "/var/spool", "/opt"}
	sockets  = []string{"docker.sock", "containerd.sock", "crio.sock", "dockershim.sock", "cri-dockerd.sock", "podman.sock", "frakti.sock"}
	runs     = []string{"/run", "/var/run", "/run/containerd", "/var/run/containerd", "/run/k3s", "/run/k3s/containerd", "/run/crio", "/var/run/crio", "/var/run/docker", "/run/docker"}
)

// hostPath says what a path of the node gives whoever mounts it, empty for
// nothing that leads to the node; writes tells that it takes a write.
func hostPath(path string, mayWrite bool) (says string, writes bool) {
	path = "/" + strings.Trim(strings.ReplaceAll(path, "//", "/"), "/")
	path = strings.TrimPrefix(path, "/host/") // as images of agents mount it
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	below := func(trees []string) bool {
		return slices.ContainsFunc(trees, func(t string) bool { return path == t || strings.HasPrefix(path, t+"/") })
	}
	base := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case slices.Contains(sockets, base), slices.Contains(runs, path):
		return "has the socket of the container runtime (" + path + ")", false
	case strings.HasPrefix(path, "/var/lib/kubelet/device-plugins"), strings.HasPrefix(path, "/var/lib/kubelet/plugins"), path == "/var/lib/kubelet/pod-resources":
		return "", false // where drivers and devices meet the kubelet
	case path == "/" || path == "/etc" || path == "/var" || path == "/var/lib" || below(readable):
		return "reads " + path + " of its node, with what the kubelet and others keep there", false
	case mayWrite && (slices.Contains(above, path) || below(writable)):
		return "writes to " + path + " of its node", true
	}
	return "", false
}

// breakouts lists the ways out of the pods of a workload.
func (w *workload) breakouts() []breakout {
	var out []breakout
	add := func(says string, at manifest.Path, container string, policies ...string) {
		out = append(out, breakout{says, Opening{Resource: w.resource, Field: at, Container: container, Policies: policies}})
	}
	w.volumes(func(at manifest.Path, v map[string]any, mayWrite bool) {
		path := text(v, "hostPath", "path")
		if path == "" {
			return
		}
		policies := []string{"runtime-socket-mount", "host-path-sensitive", "host-path-volume"}
		if says, _ := hostPath(path, mayWrite); says != "" {
			add(says, at, "", policies...)
		}
	})
	if field(w.spec, "hostUsers") == false {
		return out // root in there is nobody outside
	}
	processes := field(w.spec, "hostPID") == true
	windows := field(w.spec, "securityContext", "windowsOptions", "hostProcess") == true
	if windows {
		add("runs as a process of its Windows node", w.path("securityContext", "windowsOptions", "hostProcess"), "", "windows-host-process")
	}
	w.containers(func(at manifest.Path, name string, c map[string]any) {
		context := at.Key("securityContext")
		if field(c, "securityContext", "privileged") == true {
			add("runs privileged (container "+name+")", context.Key("privileged"), name, "privileged-container")
		}
		if !windows && field(c, "securityContext", "windowsOptions", "hostProcess") == true {
			add("runs as a process of its Windows node (container "+name+")", context.Key("windowsOptions", "hostProcess"), name, "windows-host-process")
		}
		added := list(c, "securityContext", "capabilities", "add")
		for i, v := range added {
			capability, _ := v.(string)
			capability = strings.TrimPrefix(strings.ToUpper(capability), "CAP_")
			field := append(context.Key("capabilities", "add"), manifest.ItemStep("add", added, i))
			if gives := capabilities[capability]; gives != "" {
				add("has capability "+capability+": "+gives+" (container "+name+")", field, name, "capabilities-added")
			} else if capability == "SYS_PTRACE" && processes {
				add("sees the processes of its node and may trace them (container "+name+")", field, name, "capabilities-added")
			}
		}
		if text(c, "securityContext", "procMount") == "Unmasked" {
			add("writes to all of /proc (container "+name+")", context.Key("procMount"), name, "proc-mount-unmasked")
		}
	})
	return out
}

// ruled tells pods that may run on a node of the control plane.
func (w *workload) ruled() bool {
	selector, _ := field(w.spec, "nodeSelector").(map[string]any)
	for _, role := range []string{"control-plane", "master"} {
		if _, ok := selector["node-role.kubernetes.io/"+role]; ok {
			return true
		}
	}
	return slices.ContainsFunc(list(w.spec, "tolerations"), func(t any) bool {
		key := text(t, "key")
		return key == "" && text(t, "operator") == "Exists" || key == "node-role.kubernetes.io/control-plane" || key == "node-role.kubernetes.io/master"
	})
}
