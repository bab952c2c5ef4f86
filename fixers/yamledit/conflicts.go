package yamledit

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Conflict is a sibling, by its index, that contradicts an earlier one at a
// path. It is dropped whole.
type Conflict struct {
	Index, With int
	Path        string
}

// Conflicts finds the siblings on one baseline that contradict an earlier one
// that is kept: another value at the same place, or a change inside what the
// other removes or replaces. The same change twice is no contradiction, nor
// are different items for one list.
func Conflicts(siblings [][]Change) []Conflict {
	var out []Conflict
	kept := claims{}
	for i, changes := range siblings {
		if c, ok := kept.contradicted(i, changes); ok {
			out = append(out, c)
			continue
		}
		for _, c := range changes {
			for n := range len(c.steps) + 1 {
				k := c.key(n)
				kept[k] = append(kept[k], claim{c, i})
			}
		}
	}
	return out
}

// claims are the changes kept so far, under every prefix of their paths.
type claims map[string][]claim

type claim struct {
	change  Change
	sibling int
}

func (k claims) contradicted(index int, changes []Change) (Conflict, bool) {
	for _, c := range changes {
		// Claims at or below c.
		for _, other := range k[c.key(len(c.steps))] {
			if clash(c, other.change) {
				return Conflict{index, other.sibling, c.Path()}, true
			}
		}
		// Claims above c.
		for n := range len(c.steps) {
			for _, other := range k[c.key(n)] {
				if len(other.change.steps) == n && clash(other.change, c) {
					return Conflict{index, other.sibling, c.Path()}, true
				}
			}
		}
	}
	return Conflict{}, false
}

// clash tells whether a change contradicts one at its place or below it.
func clash(above, below Change) bool {
	if len(above.steps) == len(below.steps) {
		if above.op != below.op {
			return !(above.op == set && below.op == add && empty(above.value, yaml.SequenceNode) ||
				above.op == add && below.op == set && empty(below.value, yaml.SequenceNode))
		}
		return above.op == set && !same(above.value, below.value)
	}
	switch above.op {
	case add: // items come to a list: what is in it can change, but it stays a list
		return !below.steps[len(above.steps)].item
	case set:
		return !empty(above.value, yaml.MappingNode) || below.steps[len(above.steps)].item
	}
	return true
}

func empty(n *yaml.Node, kind yaml.Kind) bool { return n.Kind == kind && len(n.Content) == 0 }

// Merge makes the changes of siblings on one baseline, in order of priority, on
// a copy of it. Changes that are the same are made once; mappings and lists
// that several create are merged. A sibling that contradicts an earlier one is
// left out whole and reported. before is the tree that Diff was given.
func Merge(before *yaml.Node, siblings [][]Change) (after *yaml.Node, conflicts []Conflict) {
	conflicts = Conflicts(siblings)
	after, copies := cloneWith(before)
	m := &merger{copies: copies, added: map[*yaml.Node]int{}}
	for i, changes := range siblings {
		if !slices.ContainsFunc(conflicts, func(c Conflict) bool { return c.Index == i }) {
			m.sibling = i
			for _, c := range changes {
				m.apply(c)
			}
		}
	}
	return after, conflicts
}

type merger struct {
	copies  map[*yaml.Node]*yaml.Node // node before -> its copy
	added   map[*yaml.Node]int        // item added -> by which sibling
	sibling int
}

func (m *merger) apply(c Change) {
	at := m.copies[c.base]
	switch c.op {
	case remove:
		if i := find(at, c.steps[c.depth].id[1:]); i >= 0 {
			at.Content = slices.Delete(at.Content, i, i+2)
		}
	case drop:
		m.drop(at)
	case set:
		m.set(m.descend(at, c), c.value)
	case add:
		m.add(m.descend(at, c), c)
	}
}

// drop takes an item out of the list that holds it.
func (m *merger) drop(item *yaml.Node) {
	for _, n := range m.copies {
		if i := slices.Index(n.Content, item); i >= 0 && n.Kind == yaml.SequenceNode {
			n.Content = slices.Delete(n.Content, i, i+1)
			return
		}
	}
}

// descend goes the steps of c that were not there before, and makes what is
// still missing.
func (m *merger) descend(n *yaml.Node, c Change) *yaml.Node {
	for i, s := range c.steps[c.depth:] {
		from := c.chain[i]
		if n.Kind != yaml.MappingNode {
			fill(n, from, yaml.MappingNode, "!!map")
		}
		k := find(n, s.id[1:])
		if k < 0 {
			k = m.insert(n, from, s.id[1:])
		}
		n = n.Content[k+1]
	}
	if c.op == add && n.Kind != yaml.SequenceNode {
		fill(n, c.chain[len(c.chain)-1], yaml.SequenceNode, "!!seq")
	}
	return n
}

// fill makes a null, or what is not there yet, a collection in another's style.
func fill(n, like *yaml.Node, kind yaml.Kind, tag string) {
	*n = yaml.Node{Kind: kind, Tag: tag, Style: like.Style, Anchor: n.Anchor, Line: n.Line, Column: n.Column}
}

// insert adds a key where from has it: behind the nearest sibling before it
// that is there, or else before the nearest behind it.
func (m *merger) insert(n, from *yaml.Node, key string) int {
	j := find(from, key)
	at := len(n.Content)
	found := false
	for k := j - 2; k >= 0 && !found; k -= 2 {
		if i := find(n, keyText(from.Content[k])); i >= 0 {
			at, found = i+2, true
		}
	}
	for k := j + 2; k < len(from.Content) && !found; k += 2 {
		if i := find(n, keyText(from.Content[k])); i >= 0 {
			at, found = i, true
		}
	}
	n.Content = slices.Insert(n.Content, at, Clone(from.Content[j]), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"})
	return at
}

func (m *merger) set(n, value *yaml.Node) {
	if len(n.Content) > 0 && len(value.Content) == 0 && n.Kind == value.Kind && value.Kind == yaml.MappingNode && n.Line == 0 {
		return // one sibling creates it empty, another with fields
	}
	c := Clone(value)
	if n.Anchor != "" && c.Anchor == "" {
		c.Anchor = n.Anchor
	}
	*n = *c
}

// add puts an item where its sibling had it, unless another put it there.
func (m *merger) add(n *yaml.Node, c Change) {
	for _, item := range n.Content {
		if by, ok := m.added[item]; ok && by != m.sibling && same(item, c.value) {
			return
		}
	}
	at := 0
	if c.prev != nil {
		at = slices.Index(n.Content, m.copies[c.prev]) + 1
	}
	for at < len(n.Content) {
		if _, ok := m.added[n.Content[at]]; !ok {
			break
		}
		at++
	}
	item := Clone(c.value)
	m.added[item] = m.sibling
	n.Content = slices.Insert(n.Content, at, item)
}
