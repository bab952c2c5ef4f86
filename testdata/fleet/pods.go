package fleet

import (
	"fmt"
)

// app is one program of a team.
type app struct {
	namespace, name string
	image, digest   string
	port            int64
	account         string
	hardened        bool
	uid             int64
	sidecar         bool
	variables       int
	configured      bool // from a ConfigMap and a Secret of its name
}

func (a app) labels() m {
	return m{
		"app.kubernetes.io/name": a.name, "app.kubernetes.io/instance": a.name, "app.kubernetes.io/part-of": a.namespace,
		"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": a.name + "-1.4.2",
	}
}

func (a app) selector() m {
	return m{"app.kubernetes.io/name": a.name, "app.kubernetes.io/instance": a.name}
}

// template is a pod template with what the API server adds by default.
func (a app) template() m {
	annotations := m{
		"checksum/config":      "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"prometheus.io/scrape": "true", "prometheus.io/port": fmt.Sprint(a.port), "prometheus.io/path": "/metrics",
	}
	containers := l{a.container()}
	volumes := l{m{"name": "tmp", "emptyDir": m{}}}
	if a.configured {
		volumes = append(volumes, m{"name": "config", "configMap": m{"name": a.name, "defaultMode": int64(420)}})
	}
	if a.sidecar {
		containers = append(containers, a.proxy())
		annotations["sidecar.example.com/inject"] = "true"
	}
	spec := m{
		"containers": containers, "volumes": volumes, "serviceAccountName": a.account, "serviceAccount": a.account,
		"restartPolicy": "Always", "terminationGracePeriodSeconds": int64(30), "dnsPolicy": "ClusterFirst",
		"schedulerName": "default-scheduler", "securityContext": m{},
		"topologySpreadConstraints": l{m{
			"maxSkew": int64(1), "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway",
			"labelSelector": m{"matchLabels": a.selector()},
		}},
	}
	if a.hardened {
		spec["securityContext"] = m{"runAsNonRoot": true, "runAsUser": a.uid, "runAsGroup": a.uid, "fsGroup": a.uid, "seccompProfile": m{"type": "RuntimeDefault"}}
	}
	return m{"metadata": m{"labels": a.labels(), "annotations": annotations}, "spec": spec}
}

func (a app) container() m {
	env := l{
		m{"name": "POD_NAME", "valueFrom": m{"fieldRef": m{"apiVersion": "v1", "fieldPath": "metadata.name"}}},
		m{"name": "POD_NAMESPACE", "valueFrom": m{"fieldRef": m{"apiVersion": "v1", "fieldPath": "metadata.namespace"}}},
	}
	for i := range a.variables {
		env = append(env, m{"name": fmt.Sprintf("%s_SETTING_%d", "APP", i), "value": fmt.Sprintf("http://%s-%d.%s.svc.cluster.local:8080/api/v1", a.name, i, a.namespace)})
	}
	mounts := l{m{"name": "tmp", "mountPath": "/tmp"}}
	if a.configured {
		env = append(env, m{"name": "DATABASE_PASSWORD", "valueFrom": m{"secretKeyRef": m{"name": a.name, "key": "password"}}})
		mounts = append(mounts, m{"name": "config", "mountPath": "/etc/app", "readOnly": true})
	}
	c := m{
		"name": a.name, "image": a.image, "imagePullPolicy": "IfNotPresent", "env": env, "volumeMounts": mounts,
		"ports":                  l{m{"name": "http", "containerPort": a.port, "protocol": "TCP"}, m{"name": "metrics", "containerPort": int64(9090), "protocol": "TCP"}},
		"livenessProbe":          probe("/healthz", "http"),
		"readinessProbe":         probe("/readyz", "http"),
		"resources":              m{"requests": m{"cpu": "100m", "memory": "256Mi"}, "limits": m{"memory": "512Mi"}},
		"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
	}
	if a.hardened {
		c["securityContext"] = m{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": m{"drop": l{"ALL"}}}
	}
	return c
}

// proxy is a sidecar of a service mesh.
func (a app) proxy() m {
	env := l{}
	for _, name := range []string{"PILOT_CERT_PROVIDER", "CA_ADDR", "ISTIO_META_CLUSTER_ID", "ISTIO_META_INTERCEPTION_MODE", "ISTIO_META_MESH_ID", "TRUST_DOMAIN", "PROXY_CONFIG"} {
		env = append(env, m{"name": name, "value": "mesh.example.com/" + name})
	}
	return m{
		"name": "mesh-proxy", "image": "registry.example.com/mesh/proxy:1.24.2", "imagePullPolicy": "IfNotPresent", "env": env,
		"args":            l{"proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local", "--proxyLogLevel=warning", "--log_output_level=default:info"},
		"ports":           l{m{"name": "http-envoy-prom", "containerPort": int64(15090), "protocol": "TCP"}},
		"readinessProbe":  probe("/healthz/ready", "http-envoy-prom"),
		"resources":       m{"requests": m{"cpu": "10m", "memory": "64Mi"}, "limits": m{"cpu": "2", "memory": "1Gi"}},
		"securityContext": m{"allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true, "runAsUser": int64(1337), "runAsGroup": int64(1337), "capabilities": m{"drop": l{"ALL"}}},
		"volumeMounts":    l{m{"name": "tmp", "mountPath": "/tmp"}}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
	}
}

func probe(path, port string) m {
	return m{
		"httpGet": m{"path": path, "port": port, "scheme": "HTTP"}, "periodSeconds": int64(10), "timeoutSeconds": int64(1),
		"successThreshold": int64(1), "failureThreshold": int64(3),
	}
}

// pods makes the pods of what owns them, as they run: suffix gives their names.
func (k *maker) pods(owner map[string]any, n int, template m, digests map[string]string, name func(i int) string) {
	labels, _ := template["metadata"].(m)["labels"].(m)
	annotations, _ := template["metadata"].(m)["annotations"].(m)
	namespace, _ := owner["metadata"].(m)["namespace"].(string)
	for i := range n {
		spec, status := k.run(template["spec"].(m), digests)
		k.add("v1", "Pod", namespace, name(i), by(owner, labels, annotations), m{"spec": spec, "status": status})
	}
}

// run is what the API server, the scheduler and a kubelet make of the spec of a template.
func (k *maker) run(spec m, digests map[string]string) (m, m) {
	token := "kube-api-access-" + k.suffix(5)
	node := k.IntN(k.nodes)
	ip := fmt.Sprintf("10.%d.%d.%d", 64+k.IntN(64), k.IntN(256), 1+k.IntN(254))
	host := address(node)
	at := k.time()
	out := m{}
	for key, v := range spec {
		out[key] = v
	}
	out["nodeName"] = nodeName(node)
	out["enableServiceLinks"], out["preemptionPolicy"], out["priority"] = true, "PreemptLowerPriority", int64(0)
	out["tolerations"] = l{
		m{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": int64(300)},
		m{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": int64(300)},
	}
	volumes, _ := spec["volumes"].(l)
	out["volumes"] = append(volumes[:len(volumes):len(volumes)], m{"name": token, "projected": m{"defaultMode": int64(420), "sources": l{
		m{"serviceAccountToken": m{"expirationSeconds": int64(3607), "path": "token"}},
		m{"configMap": m{"name": "kube-root-ca.crt", "items": l{m{"key": "ca.crt", "path": "ca.crt"}}}},
		m{"downwardAPI": m{"items": l{m{"path": "namespace", "fieldRef": m{"apiVersion": "v1", "fieldPath": "metadata.namespace"}}}}},
	}}})
	pod, _ := spec["securityContext"].(m)
	var containers, statuses l
	for _, c := range spec["containers"].(l) {
		of := m{}
		for key, v := range c.(m) {
			of[key] = v
		}
		mounts, _ := of["volumeMounts"].(l)
		of["volumeMounts"] = append(mounts[:len(mounts):len(mounts)], m{"name": token, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true})
		containers = append(containers, of)
		uid := int64(0)
		for _, security := range []m{pod, own(of)} {
			if u, ok := security["runAsUser"].(int64); ok {
				uid = u
			}
		}
		image := of["image"].(string)
		restarts := int64(0)
		if k.ofTen(1) {
			restarts = int64(k.IntN(5))
		}
		var told l
		for _, mount := range of["volumeMounts"].(l) {
			v := m{"name": mount.(m)["name"], "mountPath": mount.(m)["mountPath"]}
			if mount.(m)["readOnly"] == true {
				v["readOnly"], v["recursiveReadOnly"] = true, "Disabled"
			}
			told = append(told, v)
		}
		statuses = append(statuses, m{
			"name": of["name"], "image": image, "imageID": repository(image) + "@" + digests[image],
			"containerID": "containerd://" + k.digest()[len("sha256:"):], "ready": true, "started": true, "restartCount": restarts,
			"state": m{"running": m{"startedAt": at}}, "lastState": m{}, "allocatedResources": of["resources"].(m)["requests"],
			"resources": of["resources"], "user": m{"linux": m{"uid": uid, "gid": uid, "supplementalGroups": l{uid}}}, "volumeMounts": told,
		})
	}
	out["containers"] = containers
	var conditions l
	for _, c := range []string{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"} {
		conditions = append(conditions, m{"type": c, "status": "True", "lastTransitionTime": at, "observedGeneration": int64(1)})
	}
	return out, m{
		"phase": "Running", "conditions": conditions, "containerStatuses": statuses, "startTime": at, "qosClass": "Burstable", "observedGeneration": int64(1),
		"hostIP": host, "hostIPs": l{m{"ip": host}}, "podIP": ip, "podIPs": l{m{"ip": ip}},
	}
}

func own(container m) m {
	security, _ := container["securityContext"].(m)
	return security
}

// repository is an image without its tag.
func repository(image string) string {
	for i := len(image) - 1; i >= 0 && image[i] != '/'; i-- {
		if image[i] == ':' {
			return image[:i]
		}
	}
	return image
}
