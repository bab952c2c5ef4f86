package yamledit

import "go.yaml.in/yaml/v3"

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
