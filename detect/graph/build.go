package graph

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

const (
	anyMachine   = "any"           // where nobody knows what runs where
	controlPlane = "control plane" // one of its nodes, where nobody knows which
)

// collect reads what there is: workloads, service accounts, namespaces, nodes.
func (b *builder) collect(set *manifest.Set) {
	accounts := map[[2]string]*manifest.Resource{}
	var workloads []*workload
	for r := range set.Resources {
		if !counts(r) {
			continue
		}
		switch {
		case r.APIVersion == "v1" && r.Kind == "ServiceAccount":
			namespace := b.places.of(r)
			accounts[[2]string{namespace, r.Name}] = r
			b.at(node{what: account, namespace: namespace, name: r.Name})
		case r.APIVersion == "v1" && r.Kind == "Namespace":
			b.spaces[r.Name] = r
		case r.APIVersion == "v1" && r.Kind == "Secret":
			if name := text(r.Value, "metadata", "annotations", "kubernetes.io/service-account.name"); name != "" {
				namespace := b.places.of(r)
				b.secrets[[2]string{namespace, r.Name}] = []string{name}
				b.tokenSecret(namespace, r.Name, name)
			}
		case r.APIVersion == "v1" && r.Kind == "ConfigMap":
			if r.Namespace == system {
				b.configMaps[r.Name] = true
			}
		case r.APIVersion == "v1" && r.Kind == "Node":
			b.machines = append(b.machines, r.Name)
			labels, _ := field(r.Value, "metadata", "labels").(map[string]any)
			for _, role := range []string{"control-plane", "master"} {
				if _, ok := labels["node-role.kubernetes.io/"+role]; ok {
					b.masters[r.Name] = true
				}
			}
		default:
			if w := workloadOf(r, b.places); w != nil {
				workloads = append(workloads, w)
			}
		}
	}
	b.placed = b.options.Runs != nil && slices.ContainsFunc(workloads, func(w *workload) bool { return len(b.options.Runs(w.resource)) > 0 })
	for _, w := range workloads {
		b.workload(w, accounts)
	}
}

// tokenSecret: who reads the Secrets of a namespace has the token that one of
// them holds.
func (b *builder) tokenSecret(namespace, secret, name string) {
	b.edge(b.at(node{what: secretsOf, namespace: namespace}), b.at(node{what: account, namespace: namespace, name: name}), 1,
		"Secret "+secret+" holds its token")
}

func (b *builder) workload(w *workload, accounts map[[2]string]*manifest.Resource) {
	w.system = w.namespace == system || b.options.System != nil && b.options.System(w.resource)
	w.node = b.at(node{what: codeIn, namespace: w.namespace, resource: w.resource})
	b.workloads[w.resource] = w
	if !w.system {
		b.entries = append(b.entries, w.node)
	}
	w.exposures = b.exposed.of(w)
	holds := b.at(node{what: account, namespace: w.namespace, name: w.account})
	mounts, usual := w.mountsToken(accounts)
	if w.holds, w.mounts = holds, mounts; mounts {
		if usual {
			b.edge(w.node, holds, 1, "its pods have the token of the service account", Opening{
				Resource: w.resource, Field: w.path("automountServiceAccountToken"), Policies: []string{"service-account-token-mounted", "service-account-takeover"},
			})
		} else {
			b.edge(w.node, holds, 1, "its pods mount a token of the service account", Opening{Resource: w.resource, Policies: []string{"service-account-takeover"}})
		}
	}
	w.volumes(func(_ manifest.Path, v map[string]any, _ bool) {
		name := text(v, "secret", "secretName")
		for _, of := range b.secrets[[2]string{w.namespace, name}] {
			b.edge(w.node, b.at(node{what: account, namespace: w.namespace, name: of}), 1, "its pods mount Secret "+name+", which holds the token")
		}
	})
}

// people makes the entry of everybody who has no credential.
func (b *builder) people() {
	nobody := b.access.bindings["g:"+unauthenticated]
	if len(nobody)+len(b.access.bindings["u:"+anonymous]) > 0 {
		b.entries = append(b.entries, b.at(node{what: group, name: unauthenticated}))
	}
}

// subject is the node of a subject that an attacker may become; false for
// people, whose credentials are not in the cluster.
func (b *builder) subject(key string) (int32, bool) {
	if namespace, name, ok := accountOf(key); ok {
		return b.at(node{what: account, namespace: namespace, name: name}), true
	}
	switch name := key[2:]; {
	case key == "u:"+anonymous:
		return b.at(node{what: group, name: unauthenticated}), true
	case strings.HasPrefix(key, "g:") && (name == unauthenticated || name == authenticated || name == accountGroup || strings.HasPrefix(name, accountGroup+":")):
		return b.at(node{what: group, name: name}), true
	}
	return 0, false
}

// members: a service account is in its groups, as far as they have rights.
func (b *builder) members() {
	all, everybody := b.known[node{what: group, name: accountGroup}], b.known[node{what: group, name: authenticated}]
	_, hasAll := b.known[node{what: group, name: accountGroup}]
	_, hasEverybody := b.known[node{what: group, name: authenticated}]
	for _, namespace := range b.order {
		own, hasOwn := b.known[node{what: group, name: accountGroup + ":" + namespace}]
		for _, a := range b.tokens[namespace] {
			if hasOwn {
				b.edge(a, own, 0, "it is in the group")
			}
			if hasAll {
				b.edge(a, all, 0, "it is in the group")
			}
			if hasEverybody {
				b.edge(a, everybody, 0, "it is in the group")
			}
		}
	}
}

// powers: what a power over a namespace gives. It runs when all namespaces,
// workloads and accounts are known.
func (b *builder) powers() {
	b.members()
	b.spread()
	for i := 0; i < len(b.nodes); i++ { // it adds some
		n, id := b.nodes[i], int32(i)
		if n.namespace == everywhere {
			continue // done by spread
		}
		switch n.what {
		case administer:
			for _, w := range []what{makesPods, runsCode, getsTokens, secretsOf} {
				b.edge(id, b.at(node{what: w, namespace: n.namespace}), 1, "every right is this one as well")
			}
		case makesPods:
			b.makes(id, n.namespace)
		case runsCode:
			for _, w := range b.holds[n.namespace] {
				b.edge(id, w, 1, "it runs a command there")
			}
		case getsTokens:
			for _, a := range b.tokens[n.namespace] {
				b.edge(id, a, 1, "it gets its token")
			}
			b.controllers(id, n.namespace, "it gets the token of a controller there, such as clusterrole-aggregation-controller, which may give every right")
		case secretsOf:
			b.edge(id, b.goal(Secrets), 1, "")
		case account:
			if n.namespace == system && n.name == "clusterrole-aggregation-controller" {
				b.edge(id, b.goal(ClusterAdmin), 1, "it may write any right into a role")
			}
		}
	}
}

// makes: who makes pods is any service account, mounts any Secret and, where no
// guard of the namespace says otherwise, has the nodes.
func (b *builder) makes(id int32, namespace string) {
	for _, a := range b.tokens[namespace] {
		b.edge(id, a, 1, "a pod that it makes may have its token")
	}
	b.edge(id, b.at(node{what: secretsOf, namespace: namespace}), 1, "a pod that it makes may mount any Secret")
	b.controllers(id, namespace, "a pod that it makes may be a controller there, such as clusterrole-aggregation-controller, which may give every right")
	space := b.spaces[namespace]
	var opens []Opening
	if space != nil {
		if level := text(space.Value, "metadata", "labels", "pod-security.kubernetes.io/enforce"); level == "baseline" || level == "restricted" {
			return
		}
		opens = append(opens, Opening{Resource: space, Field: manifest.Path{{Key: "metadata"}, {Key: "labels"}}, Policies: []string{"namespace-pod-security-label"}})
	}
	b.edge(id, b.everyNode(), 1, "a pod that it makes may be privileged: no Pod Security level of the namespace refuses it", opens...)
}

// controllers: the service accounts of the controllers of Kubernetes live in
// kube-system, whether a set has them or not.
func (b *builder) controllers(id int32, namespace, says string) {
	if namespace == system {
		b.edge(id, b.goal(ClusterAdmin), 1, says)
	}
}

// spread: a power everywhere is one over each namespace.
func (b *builder) spread() {
	for _, w := range []what{administer, makesPods, runsCode, getsTokens, secretsOf} {
		id, ok := b.known[node{what: w, namespace: everywhere}]
		if !ok {
			continue
		}
		switch w {
		case administer:
			b.edge(id, b.goal(ClusterAdmin), 0, "")
			continue
		case secretsOf:
			b.edge(id, b.goal(Secrets), 0, "")
		case makesPods, getsTokens:
			b.edge(id, b.at(node{what: w, namespace: system}), 0, "")
		}
		for _, namespace := range b.order {
			if namespace != system || w == runsCode || w == secretsOf {
				b.edge(id, b.at(node{what: w, namespace: namespace}), 0, "")
			}
		}
	}
}

// escapes: who breaks out of a pod has its node, with every pod that runs there.
func (b *builder) escapes() {
	for _, n := range slices.Clone(b.nodes) {
		if n.what != codeIn {
			continue
		}
		w := b.workloads[n.resource]
		found := w.breakouts()
		if len(found) == 0 {
			continue
		}
		out := b.at(node{what: brokeOut, namespace: n.namespace, resource: n.resource})
		for _, x := range found {
			b.edge(w.node, out, 1, "it "+x.says, x.opens)
		}
		b.lands(out, w)
	}
}

// lands: the nodes that a break-out of a workload ends on.
func (b *builder) lands(out int32, w *workload) {
	if b.placed {
		for _, name := range b.options.Runs(w.resource) {
			b.edge(out, b.machine(name), 0, "")
		}
		return
	}
	b.edge(out, b.machine(anyMachine), 0, "")
	if w.ruled() {
		b.edge(out, b.machine(controlPlane), 2, "its pods may run on one, unless a provider keeps those")
	}
}

func (b *builder) machine(name string) int32 { return b.at(node{what: machine, name: name}) }

// everyNode: who chooses the node chooses any.
func (b *builder) everyNode() int32 {
	n := node{what: machine, name: everywhere}
	if id, ok := b.known[n]; ok {
		return id
	}
	id := b.at(n)
	if !b.placed {
		b.edge(id, b.machine(anyMachine), 0, "")
	}
	return id
}

// close adds what the nodes of the cluster lead to, once all are known.
func (b *builder) close() {
	every, chosen := b.known[node{what: machine, name: everywhere}]
	onNode := map[string][]int32{}
	names := slices.Clone(b.machines)
	for _, n := range slices.Clone(b.nodes) {
		if n.what != codeIn {
			continue
		}
		w := b.workloads[n.resource]
		on := []string{anyMachine}
		if b.placed {
			on = b.options.Runs(n.resource)
		}
		for _, name := range on {
			names = append(names, name)
			onNode[name] = append(onNode[name], w.node)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if _, ok := b.known[node{what: machine, name: name}]; !ok && !(chosen && b.placed) {
			continue
		}
		id := b.machine(name)
		if chosen && b.placed {
			b.edge(every, id, 0, "")
		}
		cost, says := int32(1), "its pods run there"
		if !b.placed {
			cost, says = 2, "its pods may run there as well: nothing says which node runs what"
		}
		for _, w := range onNode[name] {
			b.edge(id, w, cost, says)
		}
	}
	for i, n := range slices.Clone(b.nodes) {
		if n.what != machine {
			continue
		}
		b.edge(int32(i), b.goal(Node), 0, "")
		if b.masters[n.name] || n.name == controlPlane {
			b.edge(int32(i), b.goal(ClusterAdmin), 1, "its files hold the keys of the control plane")
		}
	}
}
