package fixers

import (
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers/yamledit"
)

// Desired makes the edits of a fix on a copy of its resource's document:
// resource is the copy's node of the resource itself.
func Desired(resource *yaml.Node, edits []policy.Edit) error {
	for _, e := range edits {
		var err error
		switch e.Op {
		case policy.Set:
			err = set(resource, e.Path, e.Value)
		case policy.Remove:
			err = remove(resource, e.Path)
		case policy.Append:
			err = appendItem(resource, e.Path, e.Value)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", e.Op, e.Path, err)
		}
	}
	return nil
}

func set(n *yaml.Node, path manifest.Path, value any) error {
	root := n
	for i, s := range path {
		next, err := step(n, s)
		if err != nil {
			return err
		}
		if next != nil && (i < len(path)-1 || !isNull(next)) {
			if i < len(path)-1 && isNull(next) {
				*next = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			}
			if i == len(path)-1 {
				replace(next, encode(root, path, value))
				return nil
			}
			n = next
			continue
		}
		if s.Item {
			return fmt.Errorf("no item %s", manifest.Path{s})
		}
		// From here on everything is new: nest the value in what is missing.
		for j := len(path) - 1; j > i; j-- {
			if path[j].Item {
				return fmt.Errorf("no item %s", manifest.Path{path[j]})
			}
			value = map[string]any{path[j].Key: value}
		}
		made := encode(root, path[:i+1], value)
		if next != nil {
			replace(next, made)
			return nil
		}
		insertKey(n, path[:i], s.Key, made)
		return nil
	}
	return fmt.Errorf("the path is empty")
}

// replace keeps what the author wrote around a value.
func replace(n, made *yaml.Node) {
	if quotes := n.Style & (yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle); quotes != 0 && made.Kind == yaml.ScalarNode && made.Tag == "!!str" {
		made.Style = quotes
	}
	if n.Kind == yaml.SequenceNode && made.Kind == yaml.SequenceNode {
		made.Style = n.Style
	}
	made.Anchor = n.Anchor
	made.Line, made.Column = n.Line, n.Column
	*n = *made
}

func remove(n *yaml.Node, path manifest.Path) error {
	for _, s := range path[:len(path)-1] {
		next, err := step(n, s)
		if err != nil || next == nil {
			return err
		}
		n = next
	}
	cut(n, path[len(path)-1])
	return nil
}

// Prune removes what the removals among edits left empty: a mapping or list
// without content goes too, unless it is an item of a list or means something
// by being there. It comes last, when every fix of the document is made.
func Prune(resource *yaml.Node, edits []policy.Edit) {
	for _, e := range edits {
		if e.Op != policy.Remove {
			continue
		}
		for i := len(e.Path) - 1; i > 0; i-- {
			last := e.Path[i-1]
			n := resource
			for _, s := range e.Path[:i] {
				next, err := step(n, s)
				if err != nil || next == nil {
					n = nil
					break
				}
				n = next
			}
			if n != nil && (n.Kind == yaml.ScalarNode || len(n.Content) > 0) || last.Item || keptEmpty[last.Key] {
				break
			}
			if n != nil && remove(resource, e.Path[:i]) != nil {
				break
			}
		}
	}
}

// keptEmpty are fields whose absence would mean something else than their emptiness.
var keptEmpty = map[string]bool{"spec": true, "metadata": true, "emptyDir": true, "rules": true, "containers": true, "podSelector": true}

func cut(n *yaml.Node, s manifest.Step) bool {
	switch {
	case n.Kind == yaml.MappingNode && !s.Item:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == s.Key {
				n.Content = append(n.Content[:i], n.Content[i+2:]...)
				return true
			}
		}
	case n.Kind == yaml.SequenceNode && s.Item:
		for i, c := range n.Content {
			if manifest.ItemIs(c, i, s) {
				n.Content = append(n.Content[:i], n.Content[i+1:]...)
				return true
			}
		}
	}
	return false
}

func appendItem(root *yaml.Node, path manifest.Path, value any) error {
	n := root
	for _, s := range path {
		next, err := step(n, s)
		if err != nil {
			return err
		}
		if next == nil || isNull(next) {
			return set(root, path, []any{value})
		}
		n = next
	}
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("not a list")
	}
	for _, c := range n.Content {
		if v, err := manifest.ToValue(c); err == nil && reflect.DeepEqual(v, value) {
			return nil
		}
	}
	made := encode(root, path, value)
	if slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return c.Kind == made.Kind && c.Style&yaml.FlowStyle == 0 }) {
		made.Style &^= yaml.FlowStyle
	}
	n.Content = append(n.Content, made)
	return nil
}

// Expand gives a resource what the edits reach through aliases and merge keys
// as copies of its own. It comes first, before any fix of the document is made,
// so that what they copy is what the file says.
func Expand(resource *yaml.Node, edits []policy.Edit) {
	for _, e := range edits {
		n := resource
		for _, s := range e.Path {
			next, err := step(n, s)
			if err != nil || next == nil {
				break
			}
			n = next
		}
		if n.Kind == yaml.AliasNode {
			yamledit.Concrete(n)
		}
	}
}

// step follows one hop. What it crosses into is the resource's own.
func step(n *yaml.Node, s manifest.Step) (*yaml.Node, error) {
	if n.Kind == yaml.AliasNode {
		yamledit.Concrete(n)
	}
	switch {
	case n.Kind == yaml.MappingNode && !s.Item:
		for i := len(n.Content) - 2; i >= 0; i -= 2 {
			if n.Content[i].Value == s.Key {
				return n.Content[i+1], nil
			}
		}
		return yamledit.Own(n, s.Key), nil
	case n.Kind == yaml.SequenceNode && s.Item:
		for i, c := range n.Content {
			if manifest.ItemIs(c, i, s) {
				return c, nil
			}
		}
		return nil, nil
	case isNull(n):
		return nil, nil
	}
	return nil, fmt.Errorf("line %d: %s leads into a value of another shape", n.Line, manifest.Path{s})
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && manifest.Scalar(n) == nil
}
