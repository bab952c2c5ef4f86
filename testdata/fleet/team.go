package fleet

import (
	"encoding/base64"
	"fmt"
	"strings"
)

var words = []string{"cart", "checkout", "catalog", "search", "billing", "ledger", "mailer", "media", "orders", "profile", "quotes", "ratings", "router", "shipping", "stock", "tax", "tokens", "users", "wallet", "worker"}

// team is a namespace of a team with about so many pods.
func (k *maker) team(number, pods int) []map[string]any {
	namespace := fmt.Sprintf("team-%04d", number)
	labels := m{"kubernetes.io/metadata.name": namespace, "team": fmt.Sprintf("team-%04d", number), "cost-center": fmt.Sprint(4000 + number%50)}
	if k.ofTen(3) {
		labels["pod-security.kubernetes.io/enforce"] = "baseline"
		labels["pod-security.kubernetes.io/warn"] = "restricted"
	}
	k.add("v1", "Namespace", "", namespace, m{"labels": labels}, m{"spec": m{"finalizers": l{"kubernetes"}}, "status": m{"phase": "Active"}})
	k.add("v1", "ServiceAccount", namespace, "default", nil, nil)
	k.add("v1", "ConfigMap", namespace, "kube-root-ca.crt", nil, m{"data": m{"ca.crt": certificate}})
	if k.ofTen(5) {
		k.add("networking.k8s.io/v1", "NetworkPolicy", namespace, "default-deny", nil, m{"spec": m{"podSelector": m{}, "policyTypes": l{"Ingress", "Egress"}}})
		k.add("networking.k8s.io/v1", "NetworkPolicy", namespace, "allow-dns", nil, m{"spec": m{
			"podSelector": m{}, "policyTypes": l{"Egress"},
			"egress": l{m{"to": l{m{"namespaceSelector": m{"matchLabels": m{"kubernetes.io/metadata.name": "kube-system"}}}}, "ports": l{m{"port": int64(53), "protocol": "UDP"}, m{"port": int64(53), "protocol": "TCP"}}}},
		}})
	}
	k.add("rbac.authorization.k8s.io/v1", "RoleBinding", namespace, "team-edit", nil, m{
		"roleRef":  m{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
		"subjects": l{m{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": namespace}},
	})
	for i := 0; pods > 0; i++ {
		a := app{
			namespace: namespace, name: words[(number+i)%len(words)], port: int64(8000 + k.IntN(1000)), hardened: k.ofTen(4),
			uid: int64(1000 + k.IntN(60000)), sidecar: k.ofTen(4), variables: 3 + k.IntN(15), configured: k.ofTen(7), account: "default", digest: k.digest(),
		}
		if i >= len(words) {
			a.name += fmt.Sprintf("-%d", i/len(words))
		}
		a.image = fmt.Sprintf("registry.example.com/%s/%s:%d.%d.%d", namespace, a.name, 1+k.IntN(4), k.IntN(20), k.IntN(10))
		if k.ofTen(1) {
			a.image = "registry.example.com/shared/" + a.name + ":latest"
		}
		if k.ofTen(5) {
			a.account = a.name
			k.rights(a)
		}
		if a.configured {
			k.configuration(a)
		}
		n := min(1+k.IntN(8), pods)
		switch {
		case k.ofTen(1):
			n = min(n, 3)
			k.cron(a, n)
		case k.ofTen(1):
			k.stateful(a, n)
		default:
			k.deployment(a, n)
		}
		pods -= n
	}
	return k.made
}

func (k *maker) deployment(a app, n int) {
	template := a.template()
	digests := map[string]string{a.image: a.digest, proxyImage: proxyDigest}
	d := k.add("apps/v1", "Deployment", a.namespace, a.name, m{"labels": a.labels(), "generation": int64(3), "annotations": m{
		"deployment.kubernetes.io/revision": "3", "meta.helm.sh/release-name": a.name, "meta.helm.sh/release-namespace": a.namespace,
	}}, m{
		"spec": m{
			"replicas": int64(n), "selector": m{"matchLabels": a.selector()}, "template": template, "progressDeadlineSeconds": int64(600), "revisionHistoryLimit": int64(10),
			"strategy": m{"type": "RollingUpdate", "rollingUpdate": m{"maxSurge": "25%", "maxUnavailable": "25%"}},
		},
		"status": m{
			"observedGeneration": int64(3), "replicas": int64(n), "updatedReplicas": int64(n), "readyReplicas": int64(n), "availableReplicas": int64(n),
			"conditions": l{condition("Available", "MinimumReplicasAvailable", k.time()), condition("Progressing", "NewReplicaSetAvailable", k.time())},
		},
	})
	for revision := 1; revision <= 3; revision++ {
		hash := k.suffix(10)
		of := relabelled(template, a.labels(), "pod-template-hash", hash)
		labels := of["metadata"].(m)["labels"].(m)
		size := 0
		if revision == 3 {
			size = n
		}
		status := m{"replicas": int64(size), "observedGeneration": int64(1)}
		if size > 0 {
			status["readyReplicas"], status["availableReplicas"], status["fullyLabeledReplicas"] = int64(size), int64(size), int64(size)
		}
		selector := a.selector()
		selector["pod-template-hash"] = hash
		rs := k.add("apps/v1", "ReplicaSet", a.namespace, a.name+"-"+hash, by(d, labels, m{
			"deployment.kubernetes.io/desired-replicas": fmt.Sprint(n), "deployment.kubernetes.io/max-replicas": fmt.Sprint(n + 1), "deployment.kubernetes.io/revision": fmt.Sprint(revision),
			"meta.helm.sh/release-name": a.name, "meta.helm.sh/release-namespace": a.namespace,
		}), m{"spec": m{"replicas": int64(size), "selector": m{"matchLabels": selector}, "template": of}, "status": status})
		k.pods(rs, size, of, digests, func(int) string { return a.name + "-" + hash + "-" + k.suffix(5) })
	}
	k.service(a, false)
	if k.ofTen(3) {
		k.add("networking.k8s.io/v1", "Ingress", a.namespace, a.name, m{"labels": a.labels(), "annotations": m{"cert-manager.io/cluster-issuer": "letsencrypt"}}, m{"spec": m{
			"ingressClassName": "nginx", "tls": l{m{"hosts": l{a.name + ".example.com"}, "secretName": a.name + "-tls"}},
			"rules": l{m{"host": a.name + ".example.com", "http": m{"paths": l{m{"path": "/", "pathType": "Prefix", "backend": m{"service": m{"name": a.name, "port": m{"name": "http"}}}}}}}},
		}, "status": m{"loadBalancer": m{"ingress": l{m{"ip": "203.0.113.7"}}}}})
	}
	if k.ofTen(3) {
		k.add("autoscaling/v2", "HorizontalPodAutoscaler", a.namespace, a.name, m{"labels": a.labels()}, m{
			"spec": m{
				"scaleTargetRef": m{"apiVersion": "apps/v1", "kind": "Deployment", "name": a.name}, "minReplicas": int64(1), "maxReplicas": int64(20),
				"metrics": l{m{"type": "Resource", "resource": m{"name": "cpu", "target": m{"type": "Utilization", "averageUtilization": int64(80)}}}},
			},
			"status": m{"currentReplicas": int64(n), "desiredReplicas": int64(n)},
		})
	}
	if k.ofTen(3) {
		k.add("policy/v1", "PodDisruptionBudget", a.namespace, a.name, m{"labels": a.labels()}, m{
			"spec":   m{"maxUnavailable": int64(1), "selector": m{"matchLabels": a.selector()}},
			"status": m{"currentHealthy": int64(n), "desiredHealthy": int64(n - 1), "disruptionsAllowed": int64(1), "expectedPods": int64(n), "observedGeneration": int64(1)},
		})
	}
	if k.ofTen(3) {
		k.add("networking.k8s.io/v1", "NetworkPolicy", a.namespace, a.name, m{"labels": a.labels()}, m{"spec": m{
			"podSelector": m{"matchLabels": a.selector()}, "policyTypes": l{"Ingress"},
			"ingress": l{m{"from": l{m{"podSelector": m{}}}, "ports": l{m{"port": a.port, "protocol": "TCP"}}}},
		}})
	}
}

func (k *maker) stateful(a app, n int) {
	template := a.template()
	s := k.add("apps/v1", "StatefulSet", a.namespace, a.name, m{"labels": a.labels()}, m{
		"spec": m{
			"replicas": int64(n), "serviceName": a.name, "selector": m{"matchLabels": a.selector()}, "template": template, "podManagementPolicy": "OrderedReady",
			"updateStrategy": m{"type": "RollingUpdate", "rollingUpdate": m{"partition": int64(0)}}, "revisionHistoryLimit": int64(10),
		},
		"status": m{"replicas": int64(n), "readyReplicas": int64(n), "availableReplicas": int64(n), "currentReplicas": int64(n), "observedGeneration": int64(1)},
	})
	k.pods(s, n, relabelled(template, a.labels(), "controller-revision-hash", a.name+"-"+k.suffix(10)), map[string]string{a.image: a.digest, proxyImage: proxyDigest}, func(i int) string { return fmt.Sprintf("%s-%d", a.name, i) })
	k.service(a, true)
}

// cron is a job that runs by the clock, with its last runs.
func (k *maker) cron(a app, n int) {
	a.sidecar = false
	template := a.template()
	template["spec"].(m)["restartPolicy"] = "OnFailure"
	job := m{"backoffLimit": int64(6), "completions": int64(1), "parallelism": int64(1), "completionMode": "NonIndexed", "template": template}
	c := k.add("batch/v1", "CronJob", a.namespace, a.name, m{"labels": a.labels()}, m{
		"spec":   m{"schedule": "*/10 * * * *", "concurrencyPolicy": "Forbid", "jobTemplate": m{"spec": job}, "successfulJobsHistoryLimit": int64(3), "failedJobsHistoryLimit": int64(1)},
		"status": m{"lastScheduleTime": k.time()},
	})
	for i := range n {
		name := fmt.Sprintf("%s-%d", a.name, 29_000_000+i*10)
		uid := k.uid()
		labels := m{"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name, "controller-uid": uid, "job-name": name}
		of := relabelled(template, a.labels(), "job-name", name)
		for key, v := range labels {
			of["metadata"].(m)["labels"].(m)[key] = v
		}
		meta := by(c, labels, nil)
		meta["uid"] = uid
		spec := m{"selector": m{"matchLabels": m{"batch.kubernetes.io/controller-uid": uid}}, "manualSelector": true}
		for key, v := range job {
			spec[key] = v
		}
		spec["template"] = of
		j := k.add("batch/v1", "Job", a.namespace, name, meta, m{"spec": spec})
		k.pods(j, 1, of, map[string]string{a.image: a.digest}, func(int) string { return name + "-" + k.suffix(5) })
	}
}

func (k *maker) service(a app, headless bool) {
	ip := fmt.Sprintf("10.0.%d.%d", 1+k.IntN(254), 1+k.IntN(254))
	if headless {
		ip = "None"
	}
	spec := m{
		"type": "ClusterIP", "clusterIP": ip, "clusterIPs": l{ip}, "selector": a.selector(), "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
		"ipFamilies": l{"IPv4"}, "ipFamilyPolicy": "SingleStack",
		"ports": l{m{"name": "http", "port": int64(80), "targetPort": "http", "protocol": "TCP"}, m{"name": "metrics", "port": int64(9090), "targetPort": "metrics", "protocol": "TCP"}},
	}
	k.add("v1", "Service", a.namespace, a.name, m{"labels": a.labels()}, m{"spec": spec, "status": m{"loadBalancer": m{}}})
}

// rights are a service account and what it may do.
func (k *maker) rights(a app) {
	k.add("v1", "ServiceAccount", a.namespace, a.account, m{"labels": a.labels()}, nil)
	if !k.ofTen(6) {
		return
	}
	k.add("rbac.authorization.k8s.io/v1", "Role", a.namespace, a.name, m{"labels": a.labels()}, m{"rules": l{
		m{"apiGroups": l{""}, "resources": l{"configmaps", "endpoints"}, "verbs": l{"get", "list", "watch"}},
		m{"apiGroups": l{"coordination.k8s.io"}, "resources": l{"leases"}, "verbs": l{"get", "create", "update"}},
		m{"apiGroups": l{""}, "resources": l{pick(k, "pods", "secrets", "events")}, "verbs": l{pick(k, "get", "list", "create", "*")}},
	}})
	k.add("rbac.authorization.k8s.io/v1", "RoleBinding", a.namespace, a.name, m{"labels": a.labels()}, m{
		"roleRef":  m{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": a.name},
		"subjects": l{m{"kind": "ServiceAccount", "name": a.account, "namespace": a.namespace}},
	})
}

// configuration is a ConfigMap and a Secret.
func (k *maker) configuration(a app) {
	lines := make([]string, 20+k.IntN(40))
	for i := range lines {
		lines[i] = fmt.Sprintf("server.option-%d = value-%d-of-%s", i, k.IntN(1000), a.name)
	}
	k.add("v1", "ConfigMap", a.namespace, a.name, m{"labels": a.labels()}, m{"data": m{"application.properties": strings.Join(lines, "\n")}})
	k.add("v1", "Secret", a.namespace, a.name, m{"labels": a.labels()}, m{"type": "Opaque", "data": m{"password": base64.StdEncoding.EncodeToString([]byte(k.suffix(24)))}})
}

func condition(kind, reason, at string) m {
	return m{"type": kind, "status": "True", "reason": reason, "message": "it is " + reason, "lastTransitionTime": at, "lastUpdateTime": at}
}

// relabelled is a template with one label more.
func relabelled(template, labels m, key, value string) m {
	labels[key] = value
	return m{"metadata": m{"labels": labels, "annotations": template["metadata"].(m)["annotations"]}, "spec": template["spec"]}
}

const (
	proxyImage  = "registry.example.com/mesh/proxy:1.24.2"
	proxyDigest = "sha256:5f1c2d3e4a5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f9a0b1c2d3e4f5"
)

// certificate is as large as one, and says nothing.
var certificate = "-----BEGIN CERTIFICATE-----\n" + strings.Repeat("MIIDBTCCAe2gAwIBAgIIfZJ0ZQ0u8lQwDQYJKoZIhvcNAQELBQAwFTETMBEG\n", 16) + "-----END CERTIFICATE-----\n"
