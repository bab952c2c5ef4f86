package detect_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// generate makes an object that has to do with others: all are called the
// same, and have the same labels.
func (w *world) generate() map[string]any {
	kinds := slices.Sorted(maps.Keys(generators))
	name := kinds[w.IntN(len(kinds))]
	src := generators[name](w)
	o := map[string]any{}
	if err := yaml.Unmarshal([]byte(src), &o); err != nil {
		panic(fmt.Sprintf("%v in\n%s", err, src))
	}
	o = whole(o).(map[string]any)
	meta := map[string]any{"name": w.name(), "labels": w.labels()}
	if !strings.HasPrefix(name, "Cluster") && name != "Namespace" && name != "PriorityClass" {
		meta["namespace"] = w.namespace()
	}
	o["metadata"] = meta
	return o
}

// whole gives numbers the type that objects have.
func whole(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case float64:
		return int64(v)
	}
	return v
}

func (w *world) pod() string {
	return fmt.Sprintf(`{metadata: {labels: {app: %s, tier: %s}}, spec: {serviceAccountName: %s, automountServiceAccountToken: %s, hostNetwork: %t, containers: [
  {name: %s, image: "shop/%s:1", securityContext: {privileged: %t}, ports: [{containerPort: 80}], resources: {limits: {memory: %s}}}]}}`,
		pick(w, "a", "b"), pick(w, "front", "back"), w.name(), pick(w, "true", "null"), w.IntN(5) == 0,
		pick(w, "a", "b"), pick(w, "a", "b"), w.IntN(3) == 0, pick(w, "1Gi", "null"))
}

func (w *world) subjects() string {
	var out []string
	for range w.IntN(3) {
		out = append(out, pick(w,
			fmt.Sprintf("{kind: ServiceAccount, name: %s, namespace: %s}", w.name(), w.namespace()),
			fmt.Sprintf("{kind: ServiceAccount, name: %s}", w.name()),
			"{kind: Group, name: 'system:serviceaccounts:a'}", "{kind: Group, name: 'system:authenticated'}", "{kind: Group, name: 'system:serviceaccounts'}"))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (w *world) rules() string {
	return fmt.Sprintf("[{apiGroups: [%s], resources: [%s], verbs: [%s]}]", pick(w, `""`, `"*"`, "apps"),
		pick(w, "secrets", `"*"`, "pods/exec", "configmaps"), pick(w, "get", `"*"`, "create", "delete"))
}

func (w *world) host() string { return pick(w, "a.example.com", "b.example.com") }

var generators = map[string]func(*world) string{
	"Namespace": func(*world) string { return "{apiVersion: v1, kind: Namespace}" },
	"Pod": func(w *world) string {
		return "{apiVersion: v1, kind: Pod, " + strings.SplitN(w.pod(), ", spec:", 2)[0][1:] + ", spec:" + strings.SplitN(w.pod(), ", spec:", 2)[1]
	},
	"Deployment": func(w *world) string {
		return fmt.Sprintf("{apiVersion: apps/v1, kind: Deployment, spec: {replicas: %d, template: %s}}", w.IntN(4), w.pod())
	},
	"StatefulSet": func(w *world) string {
		return fmt.Sprintf("{apiVersion: apps/v1, kind: StatefulSet, spec: {template: %s}}", w.pod())
	},
	"CronJob": func(w *world) string {
		return fmt.Sprintf("{apiVersion: batch/v1, kind: CronJob, spec: {jobTemplate: {spec: {template: %s}}}}", w.pod())
	},
	"Service": func(w *world) string {
		return fmt.Sprintf("{apiVersion: v1, kind: Service, spec: {type: %s, selector: {%s: %s}, ports: [{port: 80}]}}", pick(w, "ClusterIP", "LoadBalancer", "NodePort"), pick(w, "app", "tier"), pick(w, "a", "b", "front"))
	},
	"ServiceAccount": func(w *world) string {
		return fmt.Sprintf("{apiVersion: v1, kind: ServiceAccount, automountServiceAccountToken: %s}", pick(w, "true", "false", "null"))
	},
	"Role": func(w *world) string {
		return "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, rules: " + w.rules() + "}"
	},
	"ClusterRole": func(w *world) string {
		return fmt.Sprintf("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, %s rules: %s}", pick(w, "", "", "aggregationRule: {clusterRoleSelectors: [{matchLabels: {app: a}}]},"), w.rules())
	},
	"RoleBinding": func(w *world) string {
		return fmt.Sprintf("{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, roleRef: {kind: %s, name: %s}, subjects: %s}", pick(w, "Role", "ClusterRole"), w.name(), w.subjects())
	},
	"ClusterRoleBinding": func(w *world) string {
		return fmt.Sprintf("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, roleRef: {kind: ClusterRole, name: %s}, subjects: %s}", pick(w, "cluster-admin", "a", "b"), w.subjects())
	},
	"NetworkPolicy": func(w *world) string {
		return fmt.Sprintf("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, spec: {podSelector: %s, policyTypes: %s}}", pick(w, "{}", "{matchLabels: {app: a}}", "{matchExpressions: [{key: app, operator: Exists}]}"), pick(w, "[Ingress]", "[Egress]", "[]"))
	},
	"CiliumNetworkPolicy": func(*world) string {
		return "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, spec: {endpointSelector: {matchLabels: {app: b}}}}"
	},
	"ClusterCilium": func(w *world) string {
		if w.IntN(4) > 0 { // it switches much off
			return "{apiVersion: v1, kind: Namespace}"
		}
		return "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, spec: {endpointSelector: {}}}"
	},
	"Ingress": func(w *world) string {
		return fmt.Sprintf("{apiVersion: networking.k8s.io/v1, kind: Ingress, spec: {rules: [{host: %s, http: {paths: [{path: /, backend: {service: {name: %s, port: {number: %d}}}}]}}]}}", w.host(), pick(w, "aaa", "a", "b"), pick(w, 80, 81))
	},
	"HTTPRoute": func(w *world) string {
		return fmt.Sprintf("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, spec: {parentRefs: [{name: %s}], rules: [{backendRefs: [{name: %s}]}]}}", w.name(), w.name())
	},
	"Gateway": func(*world) string {
		return "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, spec: {listeners: [{name: a, port: 80, protocol: HTTP}]}}"
	},
	"HorizontalPodAutoscaler": func(w *world) string {
		return fmt.Sprintf("{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {minReplicas: %d, scaleTargetRef: {kind: Deployment, name: %s}}}", w.IntN(3), w.name())
	},
	"PodDisruptionBudget": func(w *world) string {
		return fmt.Sprintf("{apiVersion: policy/v1, kind: PodDisruptionBudget, spec: {minAvailable: %d, selector: {matchLabels: {app: %s}}}}", w.IntN(3), pick(w, "a", "b", "c"))
	},
	"LimitRange": func(*world) string {
		return "{apiVersion: v1, kind: LimitRange, spec: {limits: [{type: Container, default: {ephemeral-storage: 1Gi}}]}}"
	},
	"ResourceQuota": func(*world) string { return "{apiVersion: v1, kind: ResourceQuota, spec: {hard: {pods: 5}}}" },
	"PriorityClass": func(w *world) string {
		return fmt.Sprintf("{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, globalDefault: %t, value: 1}", w.IntN(2) == 0)
	},
	"Application": func(w *world) string {
		return "{apiVersion: argoproj.io/v1alpha1, kind: Application, spec: {destination: {namespace: " + pick(w, "a", "b") + "}}}"
	},
	"VulnerabilityReport": func(w *world) string {
		return fmt.Sprintf("{apiVersion: aquasecurity.github.io/v1alpha1, kind: VulnerabilityReport, report: {updateTimestamp: '2026-03-0%dT05:06:07Z', registry: {server: index.docker.io}, artifact: {repository: shop/%s, tag: '1'}, vulnerabilities: [{vulnerabilityID: CVE-%d, resource: libc, installedVersion: '1', severity: %s, score: 9}]}}",
			w.IntN(8)+1, pick(w, "a", "b"), w.IntN(3), pick(w, "CRITICAL", "MEDIUM", "HIGH"))
	},
}
