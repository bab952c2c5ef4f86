// Package graph says who reaches what: which pods can be reached from outside,
// what their service accounts may do, what they can break out of, and where
// that leads, step by step, up to the rights of cluster-admin. It is pure:
// resources in, paths out, whether they are objects of a cluster or written in
// files.
//
// A node of the graph is something that an attacker may hold: code that runs
// in a pod, the token of a service account, a power over a namespace, a node
// of the cluster. An edge is a step from one to the next, with the field of
// the resource that opens it.
package graph

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Goal is what a path leads to.
type Goal string

// The goals, the worst first.
const (
	ClusterAdmin Goal = "cluster-admin" // every right in the cluster
	Node         Goal = "node"          // a node, and all that runs there
	Secrets      Goal = "secrets"       // the Secrets of a namespace, or of all
)

// Goals lists them in order.
var Goals = []Goal{ClusterAdmin, Node, Secrets}

// Options say what is known besides the resources.
type Options struct {
	// Runs tells the names of the nodes that the pods of a workload run on; nil
	// where nobody knows, and any pod may run on any node.
	Runs func(*manifest.Resource) []string
	// System tells resources that are parts of the cluster itself, besides those
	// of kube-system: no path begins there. It may be nil.
	System func(*manifest.Resource) bool
}

// Opening is a field of a resource that opens a step.
type Opening struct {
	Resource  *manifest.Resource
	Field     manifest.Path // nil: the resource as a whole
	Container string        // that it is about, empty for none
	Policies  []string      // those that tell of it: a resource that keeps one of them does not open the step
	Narrow    bool          // by a wildcard, which a fix spells out and does not close: a person must narrow it
}

// Graph is who reaches what in one cluster or tree.
type Graph struct {
	nodes []node
	edges []edge
	out   [][]int32 // edges by the node where they begin
	in    [][]int32 // and by that where they end

	entries   []int32 // workloads, and anybody without a credential: where paths begin
	workloads map[*manifest.Resource]*workload
	access    *Access
}

// what a node is
type what uint8

const (
	codeIn     what = iota // code that runs in a workload's pods
	account                // the token of a service account
	group                  // a group that service accounts are in, or everybody without a credential
	granted                // the rights of a role where it is bound
	joint                  // a part of a right that several roles give together
	makesPods              // makes pods in a namespace; * for all
	runsCode               // runs code in the pods of a namespace
	getsTokens             // gets a token of any service account of a namespace
	administer             // every right in a namespace
	secretsOf              // reads the Secrets of a namespace
	brokeOut               // has broken out of a workload's pods
	machine                // a node of the cluster
	goal
)

type node struct {
	what      what
	namespace string // as places tells it; * for all
	name      string
	resource  *manifest.Resource // of a workload, or of a role
}

// edge is one step. Cost is 1 for what surely works, more for what may.
type edge struct {
	from, to int32
	cost     int32
	says     string
	opens    []Opening
}

// everywhere is the namespace of what holds in all of them.
const everywhere = "*"

type builder struct {
	*Graph
	exposed    *exposures
	options    Options
	places     places
	known      map[node]int32
	holds      map[string][]int32 // namespaces: nodes of workloads
	tokens     map[string][]int32 // namespaces: nodes of service accounts
	order      []string           // namespaces that have one of them
	secrets    map[[2]string][]string
	spaces     map[string]*manifest.Resource // Namespace objects
	placed     bool                          // it is known which pods run where
	masters    map[string]bool               // names of control-plane nodes
	machines   []string
	configMaps map[string]bool // of kube-system
}

// New builds the graph of a set: the objects of a cluster, or a tree.
func New(set *manifest.Set, o Options) *Graph {
	g := &Graph{workloads: map[*manifest.Resource]*workload{}}
	p := newPlaces(set)
	g.access = newAccess(set, p)
	b := &builder{
		Graph: g, exposed: newExposures(set, p), options: o, places: p, known: map[node]int32{}, holds: map[string][]int32{}, tokens: map[string][]int32{},
		secrets: map[[2]string][]string{}, spaces: map[string]*manifest.Resource{}, masters: map[string]bool{},
		configMaps: map[string]bool{},
	}
	b.collect(set)
	b.people()
	b.grants()
	b.powers()
	b.escapes()
	b.close()
	g.index()
	return g
}

// at is the node of something, made where it is not there yet.
func (b *builder) at(n node) int32 {
	id, ok := b.known[n]
	if !ok {
		id = int32(len(b.nodes))
		b.nodes, b.known[n] = append(b.nodes, n), id
		switch n.what {
		case codeIn:
			b.space(n.namespace)
			b.holds[n.namespace] = append(b.holds[n.namespace], id)
		case account:
			b.space(n.namespace)
			b.tokens[n.namespace] = append(b.tokens[n.namespace], id)
		}
	}
	return id
}

func (b *builder) space(namespace string) {
	if len(b.holds[namespace])+len(b.tokens[namespace]) == 0 {
		b.order = append(b.order, namespace)
	}
}

func (b *builder) goal(g Goal) int32 { return b.at(node{what: goal, name: string(g)}) }

func (b *builder) edge(from, to, cost int32, says string, opens ...Opening) {
	b.edges = append(b.edges, edge{from, to, cost, says, opens})
}

func (g *Graph) index() {
	g.out, g.in = make([][]int32, len(g.nodes)), make([][]int32, len(g.nodes))
	for i, e := range g.edges {
		g.out[e.from] = append(g.out[e.from], int32(i))
		g.in[e.to] = append(g.in[e.to], int32(i))
	}
}

// find is the goal's node, false where nothing leads to it.
func (g *Graph) find(want Goal) (int32, bool) {
	i := slices.IndexFunc(g.nodes, func(n node) bool { return n.what == goal && n.name == string(want) })
	return int32(i), i >= 0
}

// String names what is held, for people.
func (n node) String() string {
	switch n.what {
	case codeIn:
		return n.resource.ID()
	case account:
		return "ServiceAccount " + named(n.namespace, n.name)
	case group:
		return n.name
	case granted:
		if n.namespace == everywhere {
			return n.name + " everywhere"
		}
		return n.name + strings.Replace(within(n.namespace), " of ", " in ", 1)
	case joint:
		return "a part of the rights"
	case makesPods:
		return "new pods" + within(n.namespace)
	case runsCode:
		return "the pods" + within(n.namespace)
	case getsTokens:
		return "tokens" + within(n.namespace)
	case administer:
		return "every right" + within(n.namespace)
	case secretsOf:
		return "the Secrets" + within(n.namespace)
	case brokeOut:
		return "the node of " + n.resource.ID()
	case machine:
		switch n.name {
		case anyMachine:
			return "a node"
		case everywhere:
			return "any node"
		case controlPlane:
			return "a control-plane node"
		}
		return "node " + n.name
	case goal:
		switch Goal(n.name) {
		case Node:
			return "a node"
		case Secrets:
			return "Secrets"
		}
	}
	return n.name
}

// within says where something holds.
func within(namespace string) string {
	switch {
	case namespace == everywhere:
		return " of every namespace"
	case strings.HasPrefix(namespace, open):
		return " of the namespace of " + strings.TrimPrefix(namespace, open)
	}
	return " of namespace " + namespace
}

func named(namespace, name string) string {
	if strings.HasPrefix(namespace, open) {
		return name
	}
	return namespace + "/" + name
}
