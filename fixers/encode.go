package fixers

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// encode makes the node of a new value. Small collections are written inline,
// which keeps a fix short, unless the file writes that field out in block
// style elsewhere.
func encode(root *yaml.Node, path manifest.Path, value any) *yaml.Node {
	n := node(value)
	name := ""
	for _, s := range slices.Backward(path) {
		if !s.Item {
			name = s.Key
			break
		}
	}
	inline(root, name, n)
	return n
}

func node(value any) *yaml.Node {
	switch v := value.(type) {
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, node(k), node(v[k]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, e := range v {
			n.Content = append(n.Content, node(e))
		}
		return n
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case int64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v, 10)}
	case float64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: strconv.FormatFloat(v, 'g', -1, 64)}
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: fmt.Sprint(value)}
	if _, ok := manifest.Scalar(n).(string); !ok {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// inline gives flow style to collections that stay short on one line: lists
// of at most three scalars, and mappings of at most two fields that are
// themselves short.
// It tells whether n is short.
func inline(root *yaml.Node, name string, n *yaml.Node) bool {
	short := true
	switch n.Kind {
	case yaml.ScalarNode:
		return len(n.Value) <= 40
	case yaml.SequenceNode:
		short = len(n.Content) <= 3
		for _, c := range n.Content {
			short = inline(root, name, c) && short && c.Kind == yaml.ScalarNode
		}
	case yaml.MappingNode:
		short = len(n.Content) <= 2
		for i := 0; i+1 < len(n.Content); i += 2 {
			short = inline(root, n.Content[i].Value, n.Content[i+1]) && short
		}
		short = short && !grows[name]
	}
	if short && len(n.Content) > 0 && !writtenOut(root, name, n.Kind) {
		n.Style = yaml.FlowStyle
		return true
	}
	return short && len(n.Content) == 0
}

// grows are mappings that usually hold several fields: they are written out.
var grows = map[string]bool{"securityContext": true, "resources": true, "limits": true, "requests": true, "annotations": true, "labels": true, "metadata": true, "spec": true, "extraArgs": true, "kubeletExtraArgs": true}

// writtenOut tells whether the document has a field of that name and kind in block style.
func writtenOut(n *yaml.Node, name string, kind yaml.Kind) bool {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			v := n.Content[i+1]
			if n.Content[i].Value == name && v.Kind == kind && v.Line != 0 && v.Style&yaml.FlowStyle == 0 && len(v.Content) > 0 {
				return true
			}
		}
	}
	return slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return writtenOut(c, name, kind) })
}
