package yamledit

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Clone copies a tree; aliases inside it point to the copies of their anchors.
func Clone(n *yaml.Node) *yaml.Node {
	copies := map[*yaml.Node]*yaml.Node{}
	out := clone(n, copies)
	for _, c := range copies {
		if c.Alias != nil && copies[c.Alias] != nil {
			c.Alias = copies[c.Alias]
		}
	}
	return out
}

func clone(n *yaml.Node, copies map[*yaml.Node]*yaml.Node) *yaml.Node {
	c := *n
	copies[n] = &c
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, k := range n.Content {
		c.Content[i] = clone(k, copies)
	}
	return &c
}

// Change is one difference between two trees, at the level of leaves: a value
// set, or removed, at a path; or an item added to a list.
type Change struct {
	path  []string
	op    string // set, remove, add, drop
	value *yaml.Node
}

// Path is where the change is: spec.containers[name=web].securityContext.
func (c Change) Path() string {
	var b strings.Builder
	for i, s := range c.path {
		if i > 0 && !strings.HasPrefix(s, "[") {
			b.WriteByte('.')
		}
		b.WriteString(s)
	}
	return b.String()
}

// Diff lists the changes from before to after. New mappings are taken apart,
// so that two fixes that both create one can be merged.
func Diff(before, after *yaml.Node) []Change {
	var out []Change
	diff(nil, before, after, &out)
	return out
}

func diff(path []string, b, a *yaml.Node, out *[]Change) {
	if same(b, a) {
		return
	}
	switch {
	case b.Kind == yaml.MappingNode && a.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(b.Content); i += 2 {
			p := with(path, b.Content[i].Value)
			if j := find(a, b.Content[i].Value); j >= 0 {
				diff(p, b.Content[i+1], a.Content[j+1], out)
			} else {
				*out = append(*out, Change{p, "remove", nil})
			}
		}
		for j := 0; j+1 < len(a.Content); j += 2 {
			if find(b, a.Content[j].Value) < 0 {
				leaves(with(path, a.Content[j].Value), a.Content[j+1], out)
			}
		}
	case b.Kind == yaml.SequenceNode && a.Kind == yaml.SequenceNode:
		kept := map[int]bool{}
		for i, j := range align(b.Content, a.Content) {
			p := with(path, itemName(b.Content, i))
			if j < 0 {
				*out = append(*out, Change{p, "drop", nil})
				continue
			}
			kept[j] = true
			diff(p, b.Content[i], a.Content[j], out)
		}
		for j, n := range a.Content {
			if !kept[j] {
				*out = append(*out, Change{path, "add", n})
			}
		}
	case a.Kind == yaml.MappingNode && (implicit(b) || len(b.Content) == 0 && b.Kind == yaml.MappingNode):
		leaves(path, a, out)
	default:
		*out = append(*out, Change{path, "set", a})
	}
}

func leaves(path []string, n *yaml.Node, out *[]Change) {
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		for i := 0; i+1 < len(n.Content); i += 2 {
			leaves(with(path, n.Content[i].Value), n.Content[i+1], out)
		}
		return
	}
	*out = append(*out, Change{path, "set", n})
}

func with(path []string, s string) []string { return append(slices.Clone(path), s) }

// Conflict is a sibling that contradicts an earlier one.
type Conflict struct {
	Index, With int
	Path        string
}

// Conflicts finds the siblings on one baseline that contradict an earlier one
// that is kept: another value at the same place, or a change inside what the
// other removes or replaces. The same change twice is no contradiction.
func Conflicts(siblings [][]Change) []Conflict {
	var out []Conflict
	kept := map[string][]claim{} // by every prefix of a path that is claimed
	for i, changes := range siblings {
		if c, ok := contradiction(changes, kept); ok {
			out = append(out, Conflict{i, c.sibling, c.change.Path()})
			continue
		}
		for _, c := range changes {
			for n := range len(c.path) + 1 {
				key := strings.Join(c.path[:n], "\x00")
				kept[key] = append(kept[key], claim{c, i, n == len(c.path)})
			}
		}
	}
	return out
}

type claim struct {
	change  Change
	sibling int
	here    bool // the change itself, not something below
}

func contradiction(changes []Change, kept map[string][]claim) (claim, bool) {
	for _, c := range changes {
		for n := range len(c.path) + 1 {
			for _, k := range kept[strings.Join(c.path[:n], "\x00")] {
				if !k.here && n < len(c.path) || k.change.op == "add" && n < len(c.path) {
					continue
				}
				if clash(c, k.change) {
					return claim{c, k.sibling, true}, true
				}
			}
		}
	}
	return claim{}, false
}

// clash tells whether two changes, one of which is at or above the other, contradict.
func clash(a, b Change) bool {
	if len(a.path) != len(b.path) {
		if len(a.path) > len(b.path) {
			a, b = b, a
		}
		return a.op != "add" // a removes or replaces what b changes
	}
	if a.op != b.op {
		return true
	}
	switch a.op {
	case "set":
		return !same(a.value, b.value)
	}
	return false
}

// find is the index of a key in a mapping's Content, or -1.
func find(m *yaml.Node, key string) int {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return i
		}
	}
	return -1
}

func duplicate(m *yaml.Node) *yaml.Node {
	seen := map[string]bool{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if k := m.Content[i]; seen[k.Value] {
			return k
		}
		seen[m.Content[i].Value] = true
	}
	return nil
}

// same tells whether two trees mean the same.
func same(a, b *yaml.Node) bool {
	if a == b {
		return true
	}
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) {
		return false
	}
	switch a.Kind {
	case yaml.AliasNode:
		return a.Value == b.Value
	case yaml.ScalarNode:
		return a.Value == b.Value && a.ShortTag() == b.ShortTag()
	case yaml.MappingNode:
		for i := 0; i+1 < len(a.Content); i += 2 {
			j := find(b, a.Content[i].Value)
			if j < 0 || !same(a.Content[i+1], b.Content[j+1]) {
				return false
			}
		}
		return true
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

// align pairs the items of two lists, in order: for each of b the index in a,
// or -1. Items are the same by name, or by being equal.
func align(b, a []*yaml.Node) []int {
	out := make([]int, len(b))
	next := 0
	for i, n := range b {
		out[i] = -1
		for j := next; j < len(a); j++ {
			if alike(n, a[j]) {
				out[i], next = j, j+1
				break
			}
		}
	}
	if len(a) == len(b) && !slices.ContainsFunc(out, func(j int) bool { return j >= 0 }) {
		for i := range out {
			out[i] = i
		}
	}
	if len(a) == len(b) {
		// What is between two pairs of the same number is the same item, changed.
		for i := range out {
			if out[i] < 0 && (i == 0 || out[i-1] == i-1) && !slices.Contains(out, i) {
				out[i] = i
			}
		}
	}
	return out
}

func alike(a, b *yaml.Node) bool {
	if a.Kind == yaml.MappingNode && b.Kind == yaml.MappingNode {
		for _, k := range []string{"name", "mountPath", "containerPort", "port"} {
			i, j := find(a, k), find(b, k)
			if i >= 0 && j >= 0 && a.Content[i+1].Kind == yaml.ScalarNode {
				return a.Content[i+1].Value == b.Content[j+1].Value
			}
		}
	}
	return same(a, b)
}

func itemName(items []*yaml.Node, i int) string {
	if n := items[i]; n.Kind == yaml.MappingNode {
		if k := find(n, "name"); k >= 0 {
			return fmt.Sprintf("[name=%s]", n.Content[k+1].Value)
		}
	} else if n.Kind == yaml.ScalarNode {
		return fmt.Sprintf("[=%s]", n.Value)
	}
	return fmt.Sprintf("[%d]", i)
}

// aliasUsers lists, by anchored node, the lines of its aliases.
func aliasUsers(root *yaml.Node) map[*yaml.Node][]int {
	out := map[*yaml.Node][]int{}
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.AliasNode {
			out[n.Alias] = append(out[n.Alias], n.Line)
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(root)
	return out
}
