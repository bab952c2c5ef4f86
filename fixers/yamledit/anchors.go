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
	w.mergers = map[*yaml.Node]*yaml.Node{}
	var walk func(n, merger *yaml.Node)
	walk = func(n, merger *yaml.Node) {
		if n.Kind == yaml.AliasNode {
			w.users[n.Alias] = append(w.users[n.Alias], n)
			w.mergers[n] = merger
		}
		for i, c := range n.Content {
			switch {
			case n.Kind == yaml.MappingNode && i%2 == 1 && isMerge(n.Content[i-1]):
				walk(c, n)
			case n.Kind == yaml.SequenceNode && c.Kind == yaml.AliasNode:
				walk(c, merger)
			default:
				walk(c, nil)
			}
		}
	}
	walk(root, nil)
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
	case a.Kind == yaml.AliasNode:
		return b.Kind == yaml.AliasNode && a.Value == b.Value // what it stands for is judged at its anchor
	case !same(b, a):
		return false
	case !w.stirred:
		return true
	case b.Kind == yaml.AliasNode:
		return !w.parts(b, a, w.match)
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
	if slices.ContainsFunc(users, func(u *yaml.Node) bool {
		return w.match[u] != nil && w.match[u].Kind == yaml.AliasNode && !w.agrees(u, b, a)
	}) {
		w.refuse(SharedAnchor, b, "the value at anchor &%s is used by %s too: changing it changes them all", b.Anchor, lines(users))
		return false
	}
	return true
}
