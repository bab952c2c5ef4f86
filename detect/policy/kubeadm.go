package policy

import (
	"path"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// kubeadmCluster are the components that a ClusterConfiguration of kubeadm
// configures; at leads to it. kubeadm starts each of them with flags of its
// own, which the additional ones may replace.
func kubeadmCluster(r *manifest.Resource, at manifest.Path) []component {
	v, _ := get(r.Value, at)
	cluster, _ := v.(map[string]any)
	var out []component
	for _, section := range []struct {
		name string
		path manifest.Path
	}{
		{"kube-apiserver", at.Key("apiServer")},
		{"kube-controller-manager", at.Key("controllerManager")},
		{"kube-scheduler", at.Key("scheduler")},
		{"etcd", at.Key("etcd", "local")},
	} {
		if _, external := get(cluster, manifest.Path{}.Key("etcd", "external")); external && section.name == "etcd" {
			continue
		}
		f := extraFlags(r, section.path.Key("extraArgs"), kubeadmFlags(section.name, cluster))
		out = append(out, component{name: section.name, path: section.path, whole: true, flags: f})
	}
	return out
}

// extraFlags reads the additional flags at a path of a resource of kubeadm or
// of Cluster API. New versions of both list them, old ones have a map.
func extraFlags(r *manifest.Resource, at manifest.Path, supplied map[string]string) *flags {
	_, version, _ := strings.Cut(r.APIVersion, "/")
	shape := pairs
	if strings.HasPrefix(version, "v1alpha") || version == "v1beta1" ||
		r.Group() == "kubeadm.k8s.io" && (version == "v1beta2" || version == "v1beta3") {
		shape = entries
	}
	f := newFlags(shape, at, supplied)
	written, _ := get(r.Value, at)
	f.extra(written)
	return f.settle()
}

// kubeadmNode are the kubelets that an InitConfiguration or JoinConfiguration
// of kubeadm starts with flags of their own; at leads to it.
func kubeadmNode(r *manifest.Resource, at manifest.Path) []component {
	section := at.Key("nodeRegistration")
	extra := section.Key("kubeletExtraArgs")
	if _, ok := get(r.Value, extra); !ok {
		return nil
	}
	c := component{name: "kubelet", path: section, flags: extraFlags(r, extra, nil)}
	c.kubelet = newKubelet(nil, c.flags, nil)
	return []component{c}
}

// clusterAPI are the components that a resource of Cluster API's kubeadm
// providers configures. A control plane without a ClusterConfiguration gets
// one of defaults; one without a version is a part of another. Machines that
// only join are given a ClusterConfiguration in vain.
func clusterAPI(r *manifest.Resource) []component {
	at, whole := manifest.Path{}.Key("spec"), true
	if _, version := get(r.Value, at.Key("version")); r.Kind == "KubeadmControlPlane" && !version {
		whole = false
	}
	if strings.HasSuffix(r.Kind, "Template") {
		at = at.Key("template", "spec")
	}
	founds := strings.HasPrefix(r.Kind, "KubeadmControlPlane")
	if founds {
		at = at.Key("kubeadmConfigSpec")
	} else if r.Kind == "KubeadmConfig" {
		_, founds = get(r.Value, at.Key("initConfiguration"))
	}
	var out []component
	if founds {
		out = kubeadmCluster(r, at.Key("clusterConfiguration"))
		for i := range out {
			out[i].whole = whole
		}
	}
	out = append(out, kubeadmNode(r, at.Key("initConfiguration"))...)
	return append(out, kubeadmNode(r, at.Key("joinConfiguration"))...)
}

// kubeadmFlags are the flags that kubeadm gives a component by itself, as far
// as they bear on its security (kubeadm 1.37, phases/controlplane and phases/etcd).
func kubeadmFlags(name string, cluster map[string]any) map[string]string {
	dir, _ := cluster["certificatesDir"].(string)
	if dir == "" {
		dir = "/etc/kubernetes/pki"
	}
	pki := func(file string) string { return path.Join(dir, file) }
	switch name {
	case "kube-apiserver":
		out := map[string]string{
			"authorization-mode":               "Node,RBAC",
			"client-ca-file":                   pki("ca.crt"),
			"enable-admission-plugins":         "NodeRestriction",
			"enable-bootstrap-token-auth":      "true",
			"kubelet-client-certificate":       pki("apiserver-kubelet-client.crt"),
			"kubelet-client-key":               pki("apiserver-kubelet-client.key"),
			"service-account-key-file":         pki("sa.pub"),
			"service-account-signing-key-file": pki("sa.key"),
			"tls-cert-file":                    pki("apiserver.crt"),
			"tls-private-key-file":             pki("apiserver.key"),
		}
		external, ok := get(cluster, manifest.Path{}.Key("etcd", "external"))
		if !ok {
			out["etcd-cafile"], out["etcd-certfile"], out["etcd-keyfile"] = pki("etcd/ca.crt"), pki("apiserver-etcd-client.crt"), pki("apiserver-etcd-client.key")
			return out
		}
		e, _ := external.(map[string]any)
		for field, flag := range map[string]string{"caFile": "etcd-cafile", "certFile": "etcd-certfile", "keyFile": "etcd-keyfile"} {
			if file, _ := e[field].(string); file != "" {
				out[flag] = file
			}
		}
		return out
	case "kube-controller-manager":
		return map[string]string{
			"bind-address":                     "127.0.0.1",
			"client-ca-file":                   pki("ca.crt"),
			"root-ca-file":                     pki("ca.crt"),
			"service-account-private-key-file": pki("sa.key"),
			"use-service-account-credentials":  "true",
		}
	case "kube-scheduler":
		return map[string]string{"bind-address": "127.0.0.1"}
	}
	return map[string]string{
		"cert-file":             pki("etcd/server.crt"),
		"client-cert-auth":      "true",
		"key-file":              pki("etcd/server.key"),
		"peer-cert-file":        pki("etcd/peer.crt"),
		"peer-client-cert-auth": "true",
		"peer-key-file":         pki("etcd/peer.key"),
		"peer-trusted-ca-file":  pki("etcd/ca.crt"),
		"trusted-ca-file":       pki("etcd/ca.crt"),
	}
}
