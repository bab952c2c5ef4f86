package graph

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// grants adds what the roles give to those who are bound to them.
func (b *builder) grants() {
	table := Escalations()
	g := granting{builder: b, table: table, useless: map[node]bool{}}
	for _, key := range b.access.subjects {
		id, ok := b.subject(key)
		if !ok {
			continue
		}
		held := b.access.bindings[key]
		for _, h := range held {
			if h.role == nil {
				continue
			}
			if role := g.role(h.role, h.namespace); role >= 0 {
				b.edge(id, role, 1, h.binding.ID()+" gives it "+h.role.name, h.openings()...)
			}
		}
		g.together(id, key, held)
	}
}

type granting struct {
	*builder
	table   []Escalation
	useless map[node]bool // roles that lead nowhere
}

// openings are the fields of the binding that open a step.
func (h *grant) openings() []Opening {
	return []Opening{
		{Resource: h.binding, Field: h.field, Policies: []string{"rbac-anonymous-bound", "rbac-authenticated-bound", "rbac-default-service-account-bound"}},
		{Resource: h.binding, Field: manifest.Path{{Key: "roleRef"}, {Key: "name"}}, Policies: []string{"rbac-cluster-admin-binding"}},
	}
}

// role is the node of a role where it is bound, -1 where nothing of it leads further.
func (g *granting) role(r *role, namespace string) int32 {
	n := node{what: granted, namespace: namespace, name: r.name, resource: r.resource}
	if id, ok := g.known[n]; ok {
		return id
	}
	if g.useless[n] {
		return -1
	}
	id := int32(-1)
	for _, m := range r.match(g.table) {
		e := g.table[m.escalation]
		if e.Leads == "nothing" || !g.whole(m, namespace) {
			continue
		}
		if id < 0 {
			id = g.at(n)
		}
		g.alone(id, m, e, namespace)
		if e.Name == "everything" {
			return id // the rest is part of it
		}
	}
	if id < 0 {
		g.useless[n] = true
	}
	return id
}

// whole tells whether a role meets all that an escalation needs where it is bound.
func (g *granting) whole(m match, namespace string) bool {
	for i, need := range g.table[m.escalation].Needs {
		if !need.holds(namespace) || need.Exists != "" && !g.configMaps[need.Exists] || !slices.ContainsFunc(m.met, func(x met) bool { return x.need == i }) {
			return false
		}
	}
	return true
}

// alone adds the steps that one role gives: of what several of its rules must
// give together, the first need is taken for the one that opens it.
func (g *granting) alone(from int32, m match, e Escalation, namespace string) {
	for _, x := range m.met {
		if x.need != 0 {
			continue
		}
		says := "it may " + e.Says
		if len(x.names) > 0 {
			g.byName(from, x, e, namespace)
			continue
		}
		if to := g.leads(e, namespace); to >= 0 {
			g.edge(from, to, 1, says, x.opening(e.Policies)...)
		}
	}
}

// leads is where an escalation ends.
func (g *granting) leads(e Escalation, namespace string) int32 {
	over := map[string]what{"administer": administer, "pods": makesPods, "run": runsCode, "tokens": getsTokens, "secrets": secretsOf}
	switch e.Leads {
	case "admin":
		return g.goal(ClusterAdmin)
	case "nodes":
		return g.everyNode()
	}
	if w, ok := over[e.Leads]; ok {
		return g.at(node{what: w, namespace: namespace})
	}
	return -1
}

// byName adds what a rule that is limited to names leads to.
func (g *granting) byName(from int32, x met, e Escalation, namespace string) {
	spaces := []string{namespace}
	if namespace == everywhere {
		spaces = slices.Clone(g.order)
	}
	for _, space := range spaces {
		for _, name := range x.names {
			n := node{what: account, namespace: space, name: name}
			says := "it may " + e.Says + " of this name"
			switch e.ByName {
			case "accounts":
				if id, ok := g.known[n]; ok {
					g.edge(from, id, 1, says, x.opening(e.Policies)...)
				}
			case "secrets":
				for _, of := range g.secrets[[2]string{space, name}] {
					n.name = of
					g.edge(from, g.at(n), 1, "it may read Secret "+name+", which holds the token", x.opening(e.Policies)...)
				}
			}
		}
	}
}

// together adds what no single role of a subject gives, but several do: a
// chain with a link for each need, and a step for each role that meets it.
func (g *granting) together(id int32, key string, own []*grant) {
	held := own
	for _, in := range groupsOf(key) {
		held = append(held[:len(held):len(held)], g.access.bindings["g:"+in]...)
	}
	if len(held) < 2 {
		return
	}
	var spaces []string
	for _, h := range held {
		if !slices.Contains(spaces, h.namespace) {
			spaces = append(spaces, h.namespace)
		}
	}
	for i, e := range g.table {
		if len(e.Needs) < 2 || e.Leads == "nothing" {
			continue
		}
		for _, space := range spaces {
			links, ok := g.links(i, space, held)
			if !ok || !slices.ContainsFunc(links, func(l []link) bool {
				return slices.ContainsFunc(l, func(s link) bool { return slices.Contains(own, s.grant) })
			}) {
				continue // or its groups have all of it
			}
			from := id
			for n, steps := range links {
				to := g.leads(e, space)
				says := "with it, it may " + e.Says
				if n < len(links)-1 {
					to = g.at(node{what: joint, namespace: space, name: key + " " + e.Name + " " + e.Needs[n].Resources[0]})
					says = "it has a part of the rights to " + e.Says
				}
				for _, s := range steps {
					g.edge(from, to, 1, says+" ("+s.grant.binding.ID()+")", append(s.opening(e.Policies), s.grant.openings()...)...)
				}
				from = to
			}
		}
	}
}

// groupsOf are the groups that a subject is in, or that contain a group.
func groupsOf(key string) []string {
	if namespace, name, ok := accountOf(key); ok {
		return ServiceAccount(namespace, name).Groups
	}
	switch {
	case key == "g:"+accountGroup:
		return []string{authenticated}
	case strings.HasPrefix(key, "g:"+accountGroup+":"):
		return []string{accountGroup, authenticated}
	}
	return nil
}

type link struct {
	met
	grant *grant
}

// links are the roles that meet each need of an escalation in a namespace;
// false where one role alone meets all of them, or some need is not met.
func (g *granting) links(escalation int, space string, held []*grant) ([][]link, bool) {
	e := g.table[escalation]
	out := make([][]link, len(e.Needs))
	for _, h := range held {
		if h.role == nil || h.namespace != space && h.namespace != everywhere {
			continue
		}
		i := slices.IndexFunc(h.role.match(g.table), func(m match) bool { return m.escalation == escalation })
		if i < 0 {
			continue
		}
		m := h.role.matches[i]
		if g.whole(m, h.namespace) {
			return nil, false
		}
		for _, x := range m.met {
			if len(x.names) == 0 && e.Needs[x.need].holds(h.namespace) {
				out[x.need] = append(out[x.need], link{x, h})
			}
		}
	}
	return out, !slices.ContainsFunc(out, func(l []link) bool { return len(l) == 0 })
}
