package yamledit

import "go.yaml.in/yaml/v3"

// isMerge tells the merge key << (tag:yaml.org,2002:merge).
func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Style&quoted == 0
}

// merged is what a mapping has at a key by its merge keys alone, or nil.
func merged(m *yaml.Node, key string) *yaml.Node {
	for from := range sources(m) {
		if v := value(from, key); v != nil {
			return v
		}
		if v := merged(from, key); v != nil {
			return v
		}
	}
	return nil
}

// sources are the mappings that a mapping's merge keys name, in order of
// precedence. An alias to what it stands in merges nothing.
func sources(m *yaml.Node) func(yield func(*yaml.Node) bool) {
	return func(yield func(*yaml.Node) bool) {
		for i := 0; i+1 < len(m.Content); i += 2 {
			if !isMerge(m.Content[i]) {
				continue
			}
			from := []*yaml.Node{m.Content[i+1]}
			if from[0].Kind == yaml.SequenceNode {
				from = from[0].Content
			}
			for _, s := range from {
				if s = resolve(s); s != nil && s.Kind == yaml.MappingNode && !within(s, m, 0) && !yield(s) {
					return
				}
			}
		}
	}
}

// within tells whether n stands in root, by aliases too.
func within(root, n *yaml.Node, depth int) bool {
	if root == n || depth > 50 {
		return true
	}
	for _, c := range root.Content {
		if c.Kind == yaml.AliasNode {
			c = resolve(c)
		}
		if c != nil && (c.Kind != yaml.ScalarNode || c == n) && within(c, n, depth+1) {
			return true
		}
	}
	return false
}

// Own gives a mapping in a desired state a copy of what its merge keys bring
// at a key, so that it can be changed for this user alone; it returns the
// copy, nil where they bring nothing. When the mapping that is merged is given
// the same change, the change is made once, there.
func Own(m *yaml.Node, key string) *yaml.Node {
	from := merged(m, key)
	if from == nil {
		return nil
	}
	c := &yaml.Node{Kind: yaml.AliasNode, Value: "own", Alias: resolve(from)}
	if c.Alias == nil {
		return nil
	}
	Concrete(c)
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, c)
	return c
}

// brought tells a new key that the merge keys of the desired state bring just so.
func brought(a *yaml.Node, key string, value *yaml.Node) bool {
	from := merged(a, key)
	return from != nil && same(from, value)
}

// hides refuses a new key that would hide part of a collection that a merge
// key brings in.
func (w *writer) hides(b, key, value *yaml.Node) {
	from := resolve(merged(b, keyText(key)))
	if from == nil || covers(value, from) {
		return
	}
	w.refuse(SharedAnchor, b, "%q comes from the merge key (<<), its bytes stand on line %d: a key of its own would hide all of it", key.Value, from.Line)
}

// covers tells whether a has every field that b has.
func covers(a, b *yaml.Node) bool {
	if b.Kind != yaml.MappingNode {
		return a.Kind == b.Kind
	}
	if a.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(b.Content); i += 2 {
		if v := value(a, keyText(b.Content[i])); v == nil || !covers(v, b.Content[i+1]) {
			return false
		}
	}
	return true
}

// agrees tells whether an alias below a merge key lets its anchor's mapping
// turn from b into a: where the two differ, the merging mapping says itself
// what it wants.
func (w *writer) agrees(alias, b, a *yaml.Node) bool {
	m := w.match[w.mergers[alias]]
	if m == nil || b.Kind != yaml.MappingNode || a.Kind != yaml.MappingNode {
		return false
	}
	said := func(from, other *yaml.Node) bool {
		for i := 0; i+1 < len(from.Content); i += 2 {
			key := keyText(from.Content[i])
			if v := value(other, key); (v == nil || !same(from.Content[i+1], v)) && value(m, key) == nil {
				return false
			}
		}
		return true
	}
	return said(b, a) && said(a, b)
}

// effective lists the pairs of a mapping as kubectl reads them: its own first,
// then what merge keys bring.
func effective(m *yaml.Node, depth int) []member {
	var out []member
	has := map[string]bool{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if k := m.Content[i]; !isMerge(k) {
			out = append(out, member{k, m.Content[i+1]})
			has[keyText(k)] = true
		}
	}
	if depth > 50 {
		return out
	}
	for from := range sources(m) {
		for _, p := range effective(from, depth+1) {
			if k := keyText(p.key); !has[k] {
				has[k] = true
				out = append(out, p)
			}
		}
	}
	return out
}
