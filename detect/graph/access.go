package graph

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Access answers what subjects may do, as the RBAC authorizer of Kubernetes
// does: by the roles of a set, and who they are bound to.
type Access struct {
	places   places
	roles    map[roleKey]*role
	builtin  map[string]*role    // of every cluster, by name
	bindings map[string][]*grant // by subject: u:NAME of a user, g:NAME of a group
	subjects []string            // the keys, in the order of the set
}

type roleKey struct{ kind, namespace, name string }

type role struct {
	resource *manifest.Resource // nil for one that every cluster has
	name     string             // as people say it: ClusterRole edit
	rules    []rule
	matches  []match // of the table, once somebody asked
	matched  bool
}

// rule is one of RBAC's, with its place in the role.
type rule struct {
	groups, resources, verbs, names []string
	at                              int
	of                              *manifest.Resource // where it is written: of an aggregated role, another one
}

// grant is a role as it is bound.
type grant struct {
	binding   *manifest.Resource
	field     manifest.Path // to the subject
	role      *role         // nil: it is not there, and nothing is known of it
	namespace string        // where it holds
}

// Subject is who asks.
type Subject struct {
	User   string
	Groups []string
}

// ServiceAccount is the subject that a service account's token makes one.
func ServiceAccount(namespace, name string) Subject {
	return Subject{accountUser + namespace + ":" + name, []string{accountGroup, accountGroup + ":" + namespace, authenticated}}
}

const (
	accountUser     = "system:serviceaccount:"
	accountGroup    = "system:serviceaccounts"
	authenticated   = "system:authenticated"
	unauthenticated = "system:unauthenticated"
	anonymous       = "system:anonymous"
	masters         = "system:masters"
)

// Request is what a subject asks for; Subresource, Name and Namespace may be empty.
type Request struct {
	Verb, Group, Resource, Subresource, Name, Namespace string
}

// NewAccess reads the roles and bindings of a set.
func NewAccess(set *manifest.Set) *Access { return newAccess(set, newPlaces(set)) }

const rbac = "rbac.authorization.k8s.io"

func newAccess(set *manifest.Set, p places) *Access {
	a := &Access{places: p, roles: map[roleKey]*role{}, builtin: builtinRoles(), bindings: map[string][]*grant{}}
	var bindings, aggregated []*manifest.Resource
	for r := range set.Resources {
		if r.Group() != rbac || !counts(r) {
			continue
		}
		switch r.Kind {
		case "Role", "ClusterRole":
			key := a.key(r.Kind, r)
			if a.roles[key] != nil {
				continue // written twice: the first counts, as it does for whoever looks
			}
			a.roles[key] = &role{resource: r, name: r.ID(), rules: rulesOf(r)}
			if r.File.Form != manifest.Live && field(r.Value, "aggregationRule") != nil {
				aggregated = append(aggregated, r)
			}
		case "RoleBinding", "ClusterRoleBinding":
			bindings = append(bindings, r)
		}
	}
	a.aggregate(set, aggregated)
	for _, b := range bindings {
		a.bind(b)
	}
	return a
}

func (a *Access) key(kind string, r *manifest.Resource) roleKey {
	if kind == "ClusterRole" {
		return roleKey{kind, "", r.Name}
	}
	return roleKey{kind, a.places.of(r), r.Name}
}

func rulesOf(r *manifest.Resource) []rule {
	var out []rule
	for i, v := range list(r.Value, "rules") {
		out = append(out, rule{texts(v, "apiGroups"), texts(v, "resources"), texts(v, "verbs"), texts(v, "resourceNames"), i, r})
	}
	return out
}

// aggregate adds the rules that a role's selectors gather, which in a cluster
// a controller does. The roles of every cluster take part.
func (a *Access) aggregate(set *manifest.Set, aggregated []*manifest.Resource) {
	const prefix = "rbac.authorization.k8s.io/aggregate-to-"
	var parts []*manifest.Resource
	for r := range set.Resources {
		if r.Kind != "ClusterRole" || r.Group() != rbac || r.Partial || r.File.Form == manifest.Live {
			continue
		}
		parts = append(parts, r)
		labels, _ := field(r.Value, "metadata", "labels").(map[string]any)
		for _, to := range []string{"view", "edit", "admin"} {
			if labels[prefix+to] == "true" {
				for _, above := range builtinOrder[slices.Index(builtinOrder, to):] {
					a.builtin[above].rules = append(a.builtin[above].rules, rulesOf(r)...)
				}
			}
		}
	}
	for _, r := range aggregated {
		selectors := list(r.Value, "aggregationRule", "clusterRoleSelectors")
		into := a.roles[roleKey{"ClusterRole", "", r.Name}]
		for _, part := range parts {
			labels, _ := field(part.Value, "metadata", "labels").(map[string]any)
			if part != r && slices.ContainsFunc(selectors, func(s any) bool { return selects(s, labels) }) {
				into.rules = append(into.rules, rulesOf(part)...)
			}
		}
	}
}

func (a *Access) bind(b *manifest.Resource) {
	g := grant{binding: b, namespace: everywhere}
	home := a.places.of(b)
	if b.Kind == "RoleBinding" {
		g.namespace = home
	}
	kind, name := text(b.Value, "roleRef", "kind"), text(b.Value, "roleRef", "name")
	key := roleKey{kind, home, name}
	if kind == "ClusterRole" {
		key.namespace = ""
	} else if kind != "Role" || b.Kind == "ClusterRoleBinding" {
		return // no such reference gives anything
	}
	if g.role = a.roles[key]; g.role == nil && kind == "ClusterRole" {
		g.role = a.builtin[name]
	}
	subjects := list(b.Value, "subjects")
	for i, s := range subjects {
		name := text(s, "name")
		var key string
		switch text(s, "kind") {
		case "User":
			key = "u:" + name
		case "Group":
			key = "g:" + name
		case "ServiceAccount":
			namespace := text(s, "namespace")
			if namespace == "" {
				namespace = home
			}
			if b.File.Form == manifest.Live && namespace != text(s, "namespace") && b.Kind == "ClusterRoleBinding" {
				continue
			}
			key = "u:" + accountUser + namespace + ":" + name
		default:
			continue
		}
		bound := g
		bound.field = manifest.Path{{Key: "subjects"}, manifest.ItemStep("subjects", subjects, i)}
		if len(a.bindings[key]) == 0 {
			a.subjects = append(a.subjects, key)
		}
		a.bindings[key] = append(a.bindings[key], &bound)
	}
}

// Allows tells whether a subject may do something, by RBAC.
func (a *Access) Allows(s Subject, q Request) bool {
	if slices.Contains(s.Groups, masters) {
		return true // authorized before RBAC is asked
	}
	allows := func(key string) bool {
		return slices.ContainsFunc(a.bindings[key], func(g *grant) bool {
			return g.role != nil && (g.namespace == everywhere || q.Namespace != "" && g.namespace == q.Namespace) &&
				slices.ContainsFunc(g.role.rules, func(r rule) bool { return r.allows(q) })
		})
	}
	return allows("u:"+s.User) || slices.ContainsFunc(s.Groups, func(name string) bool { return allows("g:" + name) })
}

func (r rule) allows(q Request) bool {
	return has(r.verbs, q.Verb) && has(r.groups, q.Group) && r.covers(q.Resource, q.Subresource) && (len(r.names) == 0 || slices.Contains(r.names, q.Name))
}

// covers tells whether a rule is about a resource: by name, by * or, for a
// subresource, by */NAME.
func (r rule) covers(resource, sub string) bool {
	if sub == "" {
		return has(r.resources, resource)
	}
	return has(r.resources, resource+"/"+sub) || slices.Contains(r.resources, "*/"+sub)
}

func has(list []string, s string) bool { return slices.Contains(list, s) || slices.Contains(list, "*") }

// accountOf is the service account that a subject's key names.
func accountOf(key string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(key, "u:"+accountUser)
	if !ok {
		return "", "", false
	}
	i := strings.LastIndexByte(rest, ':') // a directory may have colons, a name may not
	if i < 0 {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}
