package yamledit

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// aliases finds the users of every anchor and, where there are any, what
// became of each node. It refuses the removal of an anchor that is still used.
func (w *writer) aliases(root, after *yaml.Node) map[*yaml.Node]*yaml.Node {
	w.users = map[*yaml.Node][]*yaml.Node{}
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.AliasNode {
			w.users[n.Alias] = append(w.users[n.Alias], n)
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(root)
	if len(w.users) == 0 {
		return nil
	}
	match := map[*yaml.Node]*yaml.Node{}
	lockstep(root, after, func(b, a *yaml.Node) { match[b] = a })
	for anchored, users := range w.users {
		if match[anchored] != nil {
			continue
		}
		for _, u := range users {
			if a := match[u]; a != nil && a.Kind == yaml.AliasNode {
				w.refuse(SharedAnchor, anchored, "the value at anchor &%s is used by %s, so it cannot be removed", anchored.Anchor, lines(users))
				break
			}
		}
	}
	for anchored := range w.users {
		w.stirred = w.stirred || match[anchored] == nil || !same(anchored, match[anchored])
	}
	return match
}

// parts tells a made-concrete alias that no longer means what its anchor does.
func (w *writer) parts(alias, a *yaml.Node, match map[*yaml.Node]*yaml.Node) bool {
	at := match[alias.Alias]
	return at == nil || !same(at, a)
}

// stays tells whether a value's bytes may stay as they are.
func (w *writer) stays(b, a *yaml.Node) bool {
	switch {
	case !same(b, a), a.Kind == yaml.AliasNode && b.Kind != yaml.AliasNode:
		return false
	case !w.stirred:
		return true
	case b.Kind == yaml.AliasNode:
		return a.Kind == yaml.AliasNode || !w.parts(b, a, w.match)
	}
	return len(b.Content) == 0 // an alias inside may have to be written out
}

// lockstep calls f with every node that stays and what it becomes.
func lockstep(b, a *yaml.Node, f func(b, a *yaml.Node)) {
	f(b, a)
	if b.Kind != a.Kind {
		return
	}
	switch b.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(b.Content); i += 2 {
			if j := find(a, keyText(b.Content[i])); j >= 0 {
				f(b.Content[i], a.Content[j])
				lockstep(b.Content[i+1], a.Content[j+1], f)
			}
		}
	case yaml.SequenceNode:
		for i, j := range align(b.Content, a.Content) {
			if j >= 0 {
				lockstep(b.Content[i], a.Content[j], f)
			}
		}
	}
}

func lines(nodes []*yaml.Node) string {
	if len(nodes) == 1 {
		return fmt.Sprintf("the alias on line %d", nodes[0].Line)
	}
	var out []string
	for _, n := range nodes {
		out = append(out, fmt.Sprint(n.Line))
	}
	return "the aliases on lines " + strings.Join(out, ", ")
}

// mayChange tells whether the bytes of b are to be edited: what an alias
// stands for is edited at its anchor, and there only when all users want it.
func (w *writer) mayChange(b, a *yaml.Node) bool {
	if b.Kind == yaml.AliasNode {
		if a.Kind == yaml.AliasNode {
			w.refuse(SharedAnchor, b, "the value is the alias *%s of what stands on line %d", b.Value, b.Alias.Line)
			return false
		}
		return w.parts(b, a, w.match)
	}
	users := w.users[b]
	if slices.ContainsFunc(users, func(u *yaml.Node) bool { return w.match[u] != nil && w.match[u].Kind == yaml.AliasNode }) {
		w.refuse(SharedAnchor, b, "the value at anchor &%s is used by %s too: changing it changes them all", b.Anchor, lines(users))
		return false
	}
	return true
}

// hides refuses a new key that would hide a collection that a merge key (<<)
// brings in, unless the new value holds all of it.
func (w *writer) hides(b, key, value *yaml.Node) {
	merged := mergedValue(b, keyText(key), 0)
	if merged == nil || merged.Kind == yaml.ScalarNode || holds(value, merged) {
		return
	}
	w.refuse(SharedAnchor, b, "%q comes from the merge key (<<), its bytes stand on line %d: a key of its own would hide all of it", key.Value, merged.Line)
}

// mergedValue is what a mapping has at a key by its merge keys alone.
func mergedValue(m *yaml.Node, key string, depth int) *yaml.Node {
	from := resolve(value(m, "<<"))
	if from == nil || depth > maxDepth {
		return nil
	}
	sources := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		sources = from.Content
	}
	for _, s := range sources {
		if s = resolve(s); s == nil || s.Kind != yaml.MappingNode {
			continue
		}
		if v := value(s, key); v != nil {
			return resolve(v)
		}
		if v := mergedValue(s, key, depth+1); v != nil {
			return v
		}
	}
	return nil
}

// holds tells whether a has all that b has.
func holds(a, b *yaml.Node) bool {
	if a.Kind != yaml.MappingNode || b.Kind != yaml.MappingNode {
		return same(a, b)
	}
	for i := 0; i+1 < len(b.Content); i += 2 {
		if v := value(a, keyText(b.Content[i])); v == nil || !holds(v, b.Content[i+1]) {
			return false
		}
	}
	return true
}
