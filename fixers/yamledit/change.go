package yamledit

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Change is one difference between two trees, as small as it can be told: a
// value set or removed at a path, an item added to or dropped from a list.
type Change struct {
	steps []step
	op    op
	value *yaml.Node // what is set or added
}

type op string

const (
	set    op = "set"    // a field gets a value
	remove op = "remove" // a field goes
	add    op = "add"    // a list gets an item
	drop   op = "drop"   // a list loses an item
)

// step is a key, or an item by its index before.
type step struct {
	id   string // unique in its parent
	text string // readable
	item bool
}

// Path is where the change is: spec.containers[name=web].securityContext.
func (c Change) Path() string {
	var b strings.Builder
	for i, s := range c.steps {
		if i > 0 && !s.item {
			b.WriteByte('.')
		}
		b.WriteString(s.text)
	}
	return b.String()
}

// key identifies the place of the change.
func (c Change) key(n int) string {
	var b strings.Builder
	for _, s := range c.steps[:n] {
		b.WriteString(s.id)
		b.WriteByte(0)
	}
	return b.String()
}

// Diff lists the changes from before to after, in the order of the file. New
// mappings and lists are taken apart, so that two fixes that both create one
// can be merged.
func Diff(before, after *yaml.Node) []Change {
	d := &differ{}
	d.node(nil, before, after)
	return d.out
}

type differ struct{ out []Change }

func (d *differ) node(path []step, b, a *yaml.Node) {
	if same(b, a) {
		return
	}
	switch {
	case b.Kind == yaml.MappingNode && a.Kind == yaml.MappingNode && b.ShortTag() == a.ShortTag():
		for i := 0; i+1 < len(b.Content); i += 2 {
			p := with(path, keyStep(b.Content[i]))
			if j := find(a, keyText(b.Content[i])); j >= 0 {
				d.node(p, b.Content[i+1], a.Content[j+1])
			} else {
				d.out = append(d.out, Change{steps: p, op: remove})
			}
		}
		for j := 0; j+1 < len(a.Content); j += 2 {
			if find(b, keyText(a.Content[j])) < 0 {
				d.leaves(with(path, keyStep(a.Content[j])), a.Content[j+1])
			}
		}
	case b.Kind == yaml.SequenceNode && a.Kind == yaml.SequenceNode && b.ShortTag() == a.ShortTag():
		stays := map[int]bool{}
		for i, j := range align(b.Content, a.Content) {
			p := with(path, itemStep(b.Content, i))
			if j < 0 {
				d.out = append(d.out, Change{steps: p, op: drop})
				continue
			}
			stays[j] = true
			d.node(p, b.Content[i], a.Content[j])
		}
		for j, n := range a.Content {
			if !stays[j] {
				d.out = append(d.out, Change{steps: path, op: add, value: n})
			}
		}
	case vacant(b) && (a.Kind == yaml.MappingNode || a.Kind == yaml.SequenceNode):
		d.leaves(path, a)
	default:
		d.out = append(d.out, Change{steps: path, op: set, value: a})
	}
}

// leaves takes a new value apart.
func (d *differ) leaves(path []step, n *yaml.Node) {
	switch {
	case n.ShortTag() == "!!map" && n.Kind == yaml.MappingNode && n.Anchor == "" && len(n.Content) > 0 && duplicate(n) == nil:
		for i := 0; i+1 < len(n.Content); i += 2 {
			d.leaves(with(path, keyStep(n.Content[i])), n.Content[i+1])
		}
	case n.ShortTag() == "!!seq" && n.Kind == yaml.SequenceNode && n.Anchor == "" && len(n.Content) > 0:
		for _, item := range n.Content {
			d.out = append(d.out, Change{steps: path, op: add, value: item})
		}
	default:
		d.out = append(d.out, Change{steps: path, op: set, value: n})
	}
}

// vacant tells null and what is empty: a place to fill.
func vacant(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" || n.Kind != yaml.ScalarNode && n.Kind != yaml.AliasNode && len(n.Content) == 0
}

func with[T any](path []T, s T) []T { return append(slices.Clip(path), s) }

func keyStep(k *yaml.Node) step { return step{id: "k" + keyText(k), text: keyText(k)} }

func itemStep(items []*yaml.Node, i int) step {
	s := step{id: fmt.Sprintf("i%d", i), text: fmt.Sprintf("[%d]", i), item: true}
	n := items[i]
	if n.Kind == yaml.ScalarNode {
		s.text = fmt.Sprintf("[=%s]", n.Value)
	}
	for _, field := range []string{"name", "mountPath", "containerPort", "port"} {
		if v := n; n.Kind == yaml.MappingNode {
			if v = value(n, field); v != nil && v.Kind == yaml.ScalarNode {
				s.text = fmt.Sprintf("[%s=%s]", field, v.Value)
				break
			}
		}
	}
	return s
}
