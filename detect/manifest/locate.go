package manifest

import (
	"go.yaml.in/yaml/v3"
)

// Position is a place in a file, 1-based, columns in characters.
type Position struct {
	File   string
	Line   int
	Column int
}

// Field is where a path leads in a resource as written.
type Field struct {
	Path    Path
	Present bool       // the field itself is written
	Node    *yaml.Node // its value, or when absent the deepest value written on the way
	Key     *yaml.Node // its key, nil for list items and the root
	Aliased bool       // an alias or merge key is on the way: other places share these bytes
}

// Field follows path from the resource's root, through aliases.
func (r *Resource) Field(path Path) Field {
	if r.Node == nil {
		return r.liveField(path)
	}
	f := Field{Path: path, Node: r.Node}
	for _, s := range path {
		key, next, aliased := child(f.Node, s)
		if next == nil {
			return f
		}
		f.Key, f.Node = key, next
		f.Aliased = f.Aliased || aliased
	}
	f.Present = true
	return f
}

// Position is where a person would point: the field's value, or when it is
// absent the key or item that should hold it. What stands in no file has no line.
func (r *Resource) Position(path Path) Position {
	if r.Node == nil {
		return Position{File: r.File.Path}
	}
	f := r.Field(path)
	n := f.Node
	if (!f.Present || empty(n)) && f.Key != nil {
		n = f.Key
	}
	return Position{File: r.File.Path, Line: n.Line, Column: n.Column}
}

func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0 }

func child(n *yaml.Node, s Step) (key, value *yaml.Node, aliased bool) {
	if n.Kind == yaml.AliasNode {
		n, aliased = n.Alias, true
	}
	switch {
	case n.Kind == yaml.MappingNode && !s.Item:
		var merged *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if isMerge(k) {
				merged = n.Content[i+1]
			} else if text, err := keyText(k); err == nil && text == s.Key {
				key, value = k, n.Content[i+1] // the last of duplicates counts
			}
		}
		if value == nil && merged != nil {
			if merged.Kind == yaml.SequenceNode {
				for _, m := range merged.Content {
					if key, value, _ = child(m, s); value != nil {
						break
					}
				}
			} else {
				key, value, _ = child(merged, s)
			}
			aliased = true
		}
	case n.Kind == yaml.SequenceNode && s.Item:
		for i, c := range n.Content {
			if ItemIs(c, i, s) {
				return nil, c, aliased
			}
		}
	}
	if value != nil && value.Kind == yaml.AliasNode {
		aliased = true
	}
	return key, value, aliased
}

// ItemIs tells whether item i of a list is the one that a step means.
func ItemIs(n *yaml.Node, i int, s Step) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case s.By != "":
		_, v, _ := child(n, Step{Key: s.By})
		return v != nil && v.Value == s.Value
	case s.Value != "":
		return n.Kind == yaml.ScalarNode && n.Value == s.Value
	default:
		return i == s.Index
	}
}
