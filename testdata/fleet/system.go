package fleet

import (
	"fmt"
)

func nodeName(i int) string { return fmt.Sprintf("node-%04d.eu-west.example.com", i) }

func address(i int) string { return fmt.Sprintf("10.16.%d.%d", i/250, 1+i%250) }

// system is what belongs to no namespace, and what the cluster itself runs.
func (k *maker) system() []map[string]any {
	for i := range k.nodes {
		k.node(i)
	}
	k.add("v1", "Namespace", "", "kube-system", m{"labels": m{"kubernetes.io/metadata.name": "kube-system"}}, m{"spec": m{"finalizers": l{"kubernetes"}}, "status": m{"phase": "Active"}})
	for _, name := range []string{"default", "kube-proxy", "cni-node", "node-exporter", "coredns"} {
		k.add("v1", "ServiceAccount", "kube-system", name, nil, nil)
	}
	k.controlPlane()
	for _, name := range []string{"kube-proxy", "cni-node", "node-exporter"} {
		k.daemon(name)
	}
	dns := app{namespace: "kube-system", name: "coredns", image: "registry.k8s.io/coredns/coredns:v1.12.0", digest: k.digest(), port: 5353, account: "coredns", hardened: true, uid: 65532, variables: 1}
	k.deployment(dns, 2)
	for i := range max(k.nodes/2, 10) {
		name := fmt.Sprintf("team-role-%03d", i)
		k.add("rbac.authorization.k8s.io/v1", "ClusterRole", "", name, m{"labels": m{"part-of": "platform"}}, m{"rules": l{
			m{"apiGroups": l{""}, "resources": l{"nodes", "namespaces", "pods"}, "verbs": l{"get", "list", "watch"}},
			m{"apiGroups": l{"apps"}, "resources": l{"deployments"}, "verbs": l{pick(k, "get", "list", "patch")}},
		}})
		k.add("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", name, nil, m{
			"roleRef":  m{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
			"subjects": l{m{"kind": "ServiceAccount", "name": "default", "namespace": "kube-system"}},
		})
	}
	return k.made
}

// node is a machine, with the images that it has.
func (k *maker) node(i int) {
	name, at := nodeName(i), k.time()
	var images, conditions l
	for range 50 {
		image := fmt.Sprintf("registry.example.com/team-%04d/%s", k.IntN(200), pick(k, words...))
		images = append(images, m{"names": l{image + "@" + k.digest(), image + ":1.2.3"}, "sizeBytes": int64(20_000_000 + k.IntN(300_000_000))})
	}
	for _, c := range []string{"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"} {
		status := "False"
		if c == "Ready" {
			status = "True"
		}
		conditions = append(conditions, m{"type": c, "status": status, "reason": "Kubelet" + c, "message": "the kubelet says so", "lastHeartbeatTime": at, "lastTransitionTime": at})
	}
	resources := m{"cpu": "16", "memory": "65842688Ki", "pods": "110", "ephemeral-storage": "101430960Ki", "hugepages-2Mi": "0"}
	k.add("v1", "Node", "", name, m{"labels": m{
		"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "node.kubernetes.io/instance-type": "m5.4xlarge",
		"topology.kubernetes.io/zone": fmt.Sprintf("eu-west-%d", i%3), "topology.kubernetes.io/region": "eu-west",
	}}, m{"spec": m{"podCIDR": fmt.Sprintf("10.%d.%d.0/24", 64+i/256, i%256), "podCIDRs": l{fmt.Sprintf("10.%d.%d.0/24", 64+i/256, i%256)}}, "status": m{
		"capacity": resources, "allocatable": resources, "conditions": conditions, "images": images,
		"addresses":       l{m{"type": "InternalIP", "address": address(i)}, m{"type": "Hostname", "address": name}},
		"daemonEndpoints": m{"kubeletEndpoint": m{"Port": int64(10250)}},
		"nodeInfo": m{
			"kubeletVersion": "v1.37.1", "kubeProxyVersion": "", "osImage": "Ubuntu 24.04.1 LTS", "kernelVersion": "6.8.0-45-generic", "containerRuntimeVersion": "containerd://2.1.3",
			"operatingSystem": "linux", "architecture": "amd64", "machineID": k.uid(), "systemUUID": k.uid(), "bootID": k.uid(),
		},
	}})
}

// controlPlane are the static pods of the first three nodes.
func (k *maker) controlPlane() {
	flags := map[string]l{
		"kube-apiserver":          {"--authorization-mode=Node,RBAC", "--client-ca-file=/etc/kubernetes/pki/ca.crt", "--enable-admission-plugins=NodeRestriction", "--etcd-servers=https://127.0.0.1:2379", "--profiling=false"},
		"kube-controller-manager": {"--bind-address=127.0.0.1", "--use-service-account-credentials=true", "--profiling=false"},
		"kube-scheduler":          {"--bind-address=127.0.0.1", "--leader-elect=true"},
		"etcd":                    {"--client-cert-auth=true", "--data-dir=/var/lib/etcd", "--peer-client-cert-auth=true"},
	}
	for _, component := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"} {
		for i := range min(3, k.nodes) {
			owner := m{"apiVersion": "v1", "kind": "Node", "metadata": m{"name": nodeName(i), "uid": metadata(k.made[i])["uid"]}}
			image := "registry.k8s.io/" + component + ":v1.37.2"
			spec, status := k.run(m{
				"containers": l{m{
					"name": component, "image": image, "command": append(l{component}, flags[component]...), "resources": m{"requests": m{"cpu": "250m"}},
					"volumeMounts": l{m{"name": "pki", "mountPath": "/etc/kubernetes/pki", "readOnly": true}}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
				}},
				"hostNetwork": true, "priorityClassName": "system-node-critical", "securityContext": m{"seccompProfile": m{"type": "RuntimeDefault"}},
				"volumes": l{m{"name": "pki", "hostPath": m{"path": "/etc/kubernetes/pki", "type": "DirectoryOrCreate"}}}, "restartPolicy": "Always",
			}, map[string]string{image: k.digest()})
			spec["nodeName"] = nodeName(i)
			spec["volumes"] = spec["volumes"].(l)[:1] // a mirror of a static pod has no token
			delete(spec, "priority")
			delete(spec, "preemptionPolicy")
			for _, c := range spec["containers"].(l) {
				c.(m)["volumeMounts"] = c.(m)["volumeMounts"].(l)[:1]
			}
			k.add("v1", "Pod", "kube-system", component+"-"+nodeName(i), by(owner, m{"component": component, "tier": "control-plane"}, m{"kubernetes.io/config.mirror": k.suffix(32), "kubernetes.io/config.source": "file"}), m{"spec": spec, "status": status})
		}
	}
}

// daemon runs on every node, and reaches into it.
func (k *maker) daemon(name string) {
	a := app{namespace: "kube-system", name: name, image: "registry.example.com/system/" + name + ":2.3.1", digest: k.digest(), port: 9100, account: name, variables: 3}
	template := a.template()
	spec := template["spec"].(m)
	spec["hostNetwork"] = true
	ports := spec["containers"].(l)[0].(m)["ports"].(l)
	for _, p := range ports {
		p.(m)["hostPort"] = p.(m)["containerPort"]
	}
	spec["containers"].(l)[0].(m)["securityContext"] = m{"privileged": true}
	spec["volumes"] = append(spec["volumes"].(l), m{"name": "host", "hostPath": m{"path": "/", "type": ""}})
	n := int64(k.nodes)
	d := k.add("apps/v1", "DaemonSet", "kube-system", name, m{"labels": a.labels()}, m{
		"spec":   m{"selector": m{"matchLabels": a.selector()}, "template": template, "updateStrategy": m{"type": "RollingUpdate", "rollingUpdate": m{"maxUnavailable": int64(1), "maxSurge": int64(0)}}, "revisionHistoryLimit": int64(10)},
		"status": m{"currentNumberScheduled": n, "desiredNumberScheduled": n, "numberReady": n, "numberAvailable": n, "updatedNumberScheduled": n, "numberMisscheduled": int64(0), "observedGeneration": int64(1)},
	})
	k.pods(d, k.nodes, relabelled(template, a.labels(), "controller-revision-hash", k.suffix(10)), map[string]string{a.image: a.digest}, func(int) string { return name + "-" + k.suffix(5) })
}

func metadata(o m) m {
	meta, _ := o["metadata"].(m)
	return meta
}
