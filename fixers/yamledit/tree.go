package yamledit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Clone copies a tree; aliases inside it point to the copies of their anchors.
// The copies keep Line and Column, by which Rewrite knows them again.
func Clone(n *yaml.Node) *yaml.Node {
	out, _ := cloneWith(n)
	return out
}

// cloneWith also tells which node is the copy of which.
func cloneWith(n *yaml.Node) (*yaml.Node, map[*yaml.Node]*yaml.Node) {
	copies := map[*yaml.Node]*yaml.Node{}
	out := clone(n, copies)
	for _, c := range copies {
		if to := copies[c.Alias]; c.Alias != nil && to != nil {
			c.Alias = to
		}
	}
	return out, copies
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

// Concrete makes an alias in a desired state into a copy of what it stands
// for, so that it can be changed for this user alone. When all users of an
// anchor, made concrete, are given the same change as the anchor itself, the
// change is made once, at the anchor, and the aliases stay.
func Concrete(n *yaml.Node) {
	if n.Kind != yaml.AliasNode {
		return
	}
	copies := map[*yaml.Node]*yaml.Node{}
	c := clone(n.Alias, copies) // aliases inside go on meaning the originals
	for _, m := range copies {
		m.Anchor = "" // a name is given once
	}
	c.Line, c.Column = n.Line, n.Column
	*n = *c
}

// keyText identifies a key within its mapping. Keys that kubectl reads as one
// (1 and "1") are one.
func keyText(k *yaml.Node) string {
	switch k.Kind {
	case yaml.ScalarNode:
		return k.Value
	case yaml.AliasNode:
		return "*" + k.Value
	}
	return "\x00" + fingerprint(k)
}

// find is the index of a key in a mapping's Content, or -1.
func find(m *yaml.Node, key string) int {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if keyText(m.Content[i]) == key {
			return i
		}
	}
	return -1
}

// value is what a mapping has at a key, or nil.
func value(m *yaml.Node, key string) *yaml.Node {
	if i := find(m, key); i >= 0 {
		return m.Content[i+1]
	}
	return nil
}

// duplicate is the second of two equal keys, or nil.
func duplicate(m *yaml.Node) *yaml.Node {
	seen := make(map[string]bool, len(m.Content)/2)
	for i := 0; i+1 < len(m.Content); i += 2 {
		k := keyText(m.Content[i])
		if seen[k] {
			return m.Content[i]
		}
		seen[k] = true
	}
	return nil
}

// same tells whether two trees mean the same to kubectl: order of keys and
// style do not matter, and an alias means what it stands for.
func same(a, b *yaml.Node) bool {
	return (&comparison{seen: map[[2]*yaml.Node]bool{}}).equal(a, b, 0)
}

// reads tells whether a text that reads as got is what want asks for. It is
// same, but that a plain word such as on, which YAML 1.1 takes for a boolean,
// may be asked for and quoted when it is written.
func reads(got, want *yaml.Node) bool {
	return (&comparison{seen: map[[2]*yaml.Node]bool{}, written: true}).equal(got, want, 0)
}

// comparison remembers the pairs behind aliases, so that aliases to aliases
// cost no more than their nodes.
type comparison struct {
	seen    map[[2]*yaml.Node]bool
	written bool
}

func (c *comparison) equal(a, b *yaml.Node, depth int) bool {
	if a == b {
		return true
	}
	if depth > maxDepth {
		return false
	}
	if a.Kind == yaml.AliasNode || b.Kind == yaml.AliasNode {
		a, b = resolve(a), resolve(b)
		if a == nil || b == nil {
			return false
		}
		pair := [2]*yaml.Node{a, b}
		if c.seen[pair] {
			return true // compared before, or being compared: a difference ends it all
		}
		c.seen[pair] = true
	}
	if a.Kind == yaml.MappingNode && b.Kind == yaml.MappingNode && (slices.ContainsFunc(a.Content, isMerge) || slices.ContainsFunc(b.Content, isMerge)) {
		return c.merged(a, b, depth)
	}
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) {
		return false
	}
	if a.Kind == yaml.ScalarNode {
		return c.scalar(a, b)
	}
	if a.ShortTag() != b.ShortTag() {
		return false
	}
	for i := range a.Content {
		j := i
		if a.Kind == yaml.MappingNode {
			if i%2 == 0 {
				continue
			}
			// Mostly the keys are in the same order.
			if k := keyText(a.Content[i-1]); keyText(b.Content[i-1]) != k {
				if j = find(b, k) + 1; j == 0 {
					return false
				}
			}
		}
		if !c.equal(a.Content[i], b.Content[j], depth+1) {
			return false
		}
	}
	return true
}

// merged compares mappings of which one has a merge key.
func (c *comparison) merged(a, b *yaml.Node, depth int) bool {
	left, right := effective(a, 0), effective(b, 0)
	if len(left) != len(right) {
		return false
	}
	at := map[string]*yaml.Node{}
	for _, p := range right {
		at[keyText(p.key)] = p.value
	}
	for _, p := range left {
		if v := at[keyText(p.key)]; v == nil || !c.equal(p.value, v, depth+1) {
			return false
		}
	}
	return true
}

// maxDepth bounds recursion; it is more than source.Parse lets pass.
const maxDepth = 1000

// resolve follows aliases, nil for one that leads to itself or nowhere.
func resolve(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n == nil || n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return nil
}

const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// scalar compares as YAML 1.1 reads, which is what kubectl does: yes is true.
func (c *comparison) scalar(a, b *yaml.Node) bool {
	if a.Value == b.Value && a.ShortTag() == b.ShortTag() {
		return c.written || word(a) == "" || plain(a) == plain(b)
	}
	ta, va := meaning(a)
	tb, vb := meaning(b)
	return ta == tb && va == vb
}

// plain tells a scalar that the file has without quotes.
func plain(n *yaml.Node) bool { return n.Style&quoted == 0 && n.Line != 0 }

func meaning(n *yaml.Node) (tag, value string) {
	switch tag = n.ShortTag(); {
	case tag == "!!null":
		return tag, ""
	case tag == "!!bool":
		return tag, boolean[strings.ToLower(n.Value)]
	case tag == "!!str" && plain(n) && n.Style&yaml.TaggedStyle == 0 && word(n) != "":
		return "!!bool", word(n)
	}
	return tag, n.Value
}

// word is the boolean that kubectl takes a plain string for, or "".
func word(n *yaml.Node) string {
	l := strings.ToLower(n.Value)
	b := boolean[l]
	if b == "" {
		return ""
	}
	if n.Value == l || n.Value == strings.ToUpper(l) || n.Value == strings.ToUpper(l[:1])+l[1:] {
		return b
	}
	return ""
}

// boolean are the words of YAML 1.1 (tag:yaml.org,2002:bool), lower case.
var boolean = map[string]string{
	"true": "true", "yes": "true", "y": "true", "on": "true",
	"false": "false", "no": "false", "n": "false", "off": "false",
}

// fingerprint is equal for trees that mean the same and are written in one order.
func fingerprint(n *yaml.Node) string {
	var b strings.Builder
	var walk func(*yaml.Node, int)
	walk = func(n *yaml.Node, depth int) {
		if depth > maxDepth {
			return
		}
		switch n.Kind {
		case yaml.ScalarNode:
			tag, value := meaning(n)
			b.WriteString(tag + "\x01" + value)
		case yaml.AliasNode:
			b.WriteString("*" + n.Value)
		default:
			b.WriteString(n.Tag)
		}
		b.WriteString("\x02")
		for _, c := range n.Content {
			walk(c, depth+1)
		}
		b.WriteString("\x03")
	}
	walk(n, 0)
	return b.String()
}
