package graph

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/manifest"
)

//go:embed escalations.yaml
var escalationTable []byte

// Escalation is a right by which its holder gets more than it says. The
// fields are described in escalations.yaml.
type Escalation struct {
	Name     string   `yaml:"name"`
	Says     string   `yaml:"says"`
	Needs    []Need   `yaml:"needs"`
	Leads    string   `yaml:"leads"`
	ByName   string   `yaml:"byName"`
	Policies []string `yaml:"policies"`
	Sources  []string `yaml:"sources"`
}

// Need is one thing that must be allowed.
type Need struct {
	Groups    []string `yaml:"groups"`
	Resources []string `yaml:"resources"`
	Verbs     []string `yaml:"verbs"`
	Cluster   bool     `yaml:"cluster"`
	Names     []string `yaml:"names"`
	AnyName   bool     `yaml:"anyName"`
	Only      string   `yaml:"only"`   // in this namespace
	Exists    string   `yaml:"exists"` // where the set has a ConfigMap of this name
}

// Escalations is the table of the rights that lead further, for reading only.
var Escalations = sync.OnceValue(func() []Escalation {
	var out []Escalation
	d := yaml.NewDecoder(bytes.NewReader(escalationTable))
	d.KnownFields(true)
	if err := d.Decode(&out); err != nil {
		panic(fmt.Sprintf("the table of escalations, which is part of the program: %v", err))
	}
	return out
})

// met is a need that a rule meets.
type met struct {
	need     int
	rule     rule
	names    []string // that it is limited to; nil: to none
	wildcard bool     // it says * where it could name
}

// match is what of an escalation a role meets.
type match struct {
	escalation int
	met        []met
}

// match looks for the table in the rules of a role.
func (r *role) match(table []Escalation) []match {
	if r.matched {
		return r.matches
	}
	r.matched = true
	for i, e := range table {
		m := match{escalation: i}
		for n, need := range e.Needs {
			for _, rule := range r.rules {
				if names, wildcard, ok := need.metBy(rule, e.ByName); ok {
					m.met = append(m.met, met{n, rule, names, wildcard})
				}
			}
		}
		if len(m.met) > 0 {
			r.matches = append(r.matches, m)
		}
	}
	return r.matches
}

// metBy tells whether a rule meets the need, and for which names only.
func (n Need) metBy(r rule, byName string) (names []string, wildcard, ok bool) {
	if !anyOf(r.groups, n.Groups) || !anyOf(r.verbs, n.Verbs) {
		return nil, false, false
	}
	covered := ""
	for _, want := range n.Resources {
		resource, sub, _ := strings.Cut(want, "/")
		if r.covers(resource, sub) {
			covered = want
			break
		}
	}
	if covered == "" {
		return nil, false, false
	}
	wildcard = covered == "*" || !slices.Contains(r.resources, covered)
	if len(r.names) == 0 || n.AnyName || slices.ContainsFunc(r.names, func(s string) bool { return slices.Contains(n.Names, s) }) {
		return nil, wildcard, true
	}
	if byName == "" {
		return nil, false, false
	}
	return r.names, wildcard, true
}

func anyOf(have, want []string) bool {
	return slices.ContainsFunc(want, func(s string) bool { return has(have, s) })
}

// holds tells whether a need that a role meets counts where it is bound.
func (n Need) holds(namespace string) bool {
	switch {
	case n.Only != "":
		return namespace == everywhere || namespace == n.Only
	case n.Cluster:
		return namespace == everywhere
	}
	return true
}

// opening is the rule, as what opens a step.
func (m met) opening(policies []string) []Opening {
	if m.rule.of == nil {
		return nil
	}
	at := manifest.Path{{Key: "rules"}, {Item: true, Index: m.rule.at}}
	out := Opening{Resource: m.rule.of, Field: at, Policies: policies}
	if m.wildcard {
		out.Policies = append([]string{"rbac-wildcard-resources", "rbac-wildcard-verbs"}, policies...)
		out.Narrow = true
	}
	return []Opening{out}
}
