package compliance

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/policy"
)

// Catalogue is every framework there is, joined with the policies that name
// controls themselves.
type Catalogue struct {
	Frameworks []*Framework // by name

	policies []*policy.Policy
	controls map[string]map[string][]string // policy → framework → ids
}

// NewCatalogue joins frameworks and policies; neither is changed. A framework
// may only name policies that there are. A policy may name a control of any
// framework; a framework that only policies name has just those controls. A
// control that a person must judge stays so.
func NewCatalogue(frameworks []*Framework, policies []*policy.Policy) (*Catalogue, error) {
	known := map[string]bool{}
	for _, p := range policies {
		known[p.Name] = true
	}
	byName := map[string]*Framework{}
	for _, f := range frameworks {
		if other := byName[f.Name]; other != nil {
			return nil, fmt.Errorf("framework %s is in %s and in %s: rename one", f.Name, other.File, f.File)
		}
		own := *f
		own.Controls = make([]*Control, len(f.Controls))
		for i, c := range f.Controls {
			copied := *c
			copied.Policies = slices.Clone(c.Policies)
			own.Controls[i] = &copied
			for j, name := range c.Policies {
				if !known[name] {
					return nil, f.origin.errorf(at("spec", "controls", i, "policies", j),
						"control %s names policy %q, which there is not; 'oakum policy list' prints them", c.ID, name)
				}
			}
		}
		byName[f.Name] = &own
	}
	for _, p := range policies {
		for _, name := range slices.Sorted(maps.Keys(p.Controls)) {
			if err := join(byName, p, name); err != nil {
				return nil, err
			}
		}
	}
	out := &Catalogue{policies: policies, controls: map[string]map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		f := byName[name]
		if f.File == "" {
			slices.SortFunc(f.Controls, func(a, b *Control) int { return cmp.Compare(a.ID, b.ID) })
		}
		out.Frameworks = append(out.Frameworks, f)
		out.index(f)
	}
	return out, nil
}

// join adds a policy to the controls of a framework that it names itself.
func join(byName map[string]*Framework, p *policy.Policy, name string) error {
	f := byName[name]
	if f == nil {
		f = &Framework{Name: name, Title: name, Source: "policies that name it"}
		byName[name] = f
	}
	for _, id := range p.Controls[name] {
		c := f.Control(id)
		switch {
		case c == nil && f.File != "":
			return &policy.Error{File: p.File, Message: fmt.Sprintf("policy %s names control %q of framework %s, which has none of that id", p.Name, id, name)}
		case c == nil:
			c = &Control{ID: id, Title: id, Automated: true}
			f.Controls = append(f.Controls, c)
		}
		if !slices.Contains(c.Policies, p.Name) {
			c.Policies = append(c.Policies, p.Name)
		}
	}
	return nil
}

func (c *Catalogue) index(f *Framework) {
	for _, control := range f.Controls {
		for _, name := range control.Policies {
			if c.controls[name] == nil {
				c.controls[name] = map[string][]string{}
			}
			c.controls[name][f.Name] = append(c.controls[name][f.Name], control.ID)
		}
	}
}

// Controls are those that a policy answers, by framework; never nil, and not
// to be changed.
func (c *Catalogue) Controls(policy string) map[string][]string {
	if controls := c.controls[policy]; controls != nil {
		return controls
	}
	return map[string][]string{}
}

// Find gives the frameworks of these names; without any, all of them.
func (c *Catalogue) Find(names []string) ([]*Framework, error) {
	if len(names) == 0 {
		return c.Frameworks, nil
	}
	var out []*Framework
	for _, name := range names {
		i := slices.IndexFunc(c.Frameworks, func(f *Framework) bool { return f.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no framework is called %q; there are %s", name, strings.Join(c.Names(), ", "))
		}
		if !slices.Contains(out, c.Frameworks[i]) {
			out = append(out, c.Frameworks[i])
		}
	}
	return out, nil
}

// Names lists the frameworks.
func (c *Catalogue) Names() []string {
	out := make([]string, len(c.Frameworks))
	for i, f := range c.Frameworks {
		out[i] = f.Name
	}
	return out
}
