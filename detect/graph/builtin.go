package graph

// builtinOrder are the roles for people that every cluster has, each with what
// the one before it has.
var builtinOrder = []string{"view", "edit", "admin"}

// builtinRoles are the roles that every cluster has, and whose names files may
// give without writing them: what of them leads further. A test holds them
// against an API server's own.
func builtinRoles() map[string]*role {
	write := []string{"create", "update", "patch", "delete", "deletecollection"}
	edit := []rule{
		{groups: []string{""}, resources: []string{"pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"}, verbs: []string{"get", "list", "watch"}},
		{groups: []string{""}, resources: []string{"serviceaccounts"}, verbs: []string{"impersonate"}},
		{groups: []string{""}, resources: []string{"pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "serviceaccounts", "configmaps", "persistentvolumeclaims", "replicationcontrollers", "services"}, verbs: write},
		{groups: []string{""}, resources: []string{"serviceaccounts/token"}, verbs: []string{"create"}},
		{groups: []string{"apps"}, resources: []string{"daemonsets", "deployments", "replicasets", "statefulsets"}, verbs: write},
		{groups: []string{"batch"}, resources: []string{"cronjobs", "jobs"}, verbs: write},
		{groups: []string{"networking.k8s.io"}, resources: []string{"ingresses", "networkpolicies"}, verbs: write},
	}
	roles := rule{groups: []string{rbac}, resources: []string{"roles", "rolebindings"}, verbs: append([]string{"get", "list", "watch"}, write...)}
	all := []string{"*"}
	return map[string]*role{
		"cluster-admin": {name: "ClusterRole cluster-admin", rules: []rule{{groups: all, resources: all, verbs: all}}},
		"view":          {name: "ClusterRole view"},
		"edit":          {name: "ClusterRole edit", rules: edit},
		"admin":         {name: "ClusterRole admin", rules: append(append([]rule{}, edit...), roles)},
	}
}
