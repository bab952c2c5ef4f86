package yamledit

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// pair writes a key and its value, at column 0.
func (s style) pair(key, value *yaml.Node) []string {
	head := s.scalar(key, nil, false, false) + ":"
	props := s.props(value)
	switch {
	case s.isInline(value):
		return []string{join(head, props, s.inline(value, nil))}
	case value.Kind == yaml.ScalarNode:
		indicator, lines := literal(value.Value)
		return append([]string{join(head, props, indicator)}, shifted(lines, s.step)...)
	case value.Kind == yaml.SequenceNode:
		return append([]string{join(head, props)}, shifted(s.block(value), s.sequence)...)
	}
	return append([]string{join(head, props)}, shifted(s.block(value), s.step)...)
}

// entry writes an item of a list with its dash at column 0.
func (s style) entry(n *yaml.Node) []string {
	props := s.props(n)
	width := max(s.width, 2)
	dash := "-" + spaces(width-1)
	switch {
	case s.isInline(n):
		if text := join(props, s.inline(n, nil)); text != "" {
			return []string{dash + text}
		}
		return []string{"-"}
	case n.Kind == yaml.ScalarNode:
		indicator, lines := literal(n.Value)
		return append([]string{dash + join(props, indicator)}, shifted(lines, width)...)
	case props != "":
		return append([]string{dash + props}, shifted(s.block(n), width)...)
	}
	lines := shifted(s.block(n), width)
	lines[0] = dash + lines[0][width:]
	return lines
}

// block writes a block collection at column 0.
func (s style) block(n *yaml.Node) []string {
	var out []string
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			out = append(out, s.entry(c)...)
		}
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		out = append(out, s.pair(n.Content[i], n.Content[i+1])...)
	}
	return out
}

// document writes a root.
func (s style) document(n *yaml.Node) []string {
	if s.isInline(n) {
		return []string{join(s.props(n), s.inline(n, nil))}
	}
	if n.Kind == yaml.ScalarNode {
		return []string{quote(n.Value)}
	}
	return s.block(n)
}

func shifted(lines []string, by int) []string {
	for i, l := range lines {
		if l != "" {
			lines[i] = spaces(by) + l
		}
	}
	return lines
}

// isInline tells a value that is written on the line of its key or dash.
func (s style) isInline(n *yaml.Node) bool {
	if n.Kind == yaml.ScalarNode {
		return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 || !literalSafe(n.Value)
	}
	return n.Kind == yaml.AliasNode || n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0
}

// inline writes a value without its properties on one line. old is the scalar
// whose quotes it takes over.
func (s style) inline(n, old *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return s.scalar(n, old, false, false)
	}
	return s.compact(n, old, false)
}

// flow writes a value in flow style, with its properties.
func (s style) flow(n, old *yaml.Node, json bool) string {
	if n.Kind == yaml.ScalarNode {
		return join(s.props(n), s.scalar(n, old, true, json))
	}
	return join(s.props(n), s.compact(n, old, json))
}

func (s style) compact(n, old *yaml.Node, json bool) string {
	var parts []string
	colon, comma := ": ", ", "
	if s.tight {
		colon, comma = ":", ","
	}
	switch n.Kind {
	case yaml.AliasNode:
		return "*" + n.Value
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := s.flow(n.Content[i], nil, json)
			if n.Content[i].Kind == yaml.AliasNode {
				key += " "
			}
			parts = append(parts, key+colon+s.flow(n.Content[i+1], nil, json))
		}
		return "{" + strings.Join(parts, comma) + "}"
	case yaml.SequenceNode:
		for _, c := range n.Content {
			parts = append(parts, s.flow(c, nil, json))
		}
		return "[" + strings.Join(parts, comma) + "]"
	}
	return s.scalar(n, old, true, json)
}

// props writes anchor and tag. Tags that the text itself tells are left out.
func (s style) props(n *yaml.Node) string {
	anchor, tag := "", ""
	if n.Anchor != "" && n.Kind != yaml.AliasNode {
		anchor = "&" + n.Anchor
	}
	short := n.ShortTag()
	switch {
	case n.Kind == yaml.AliasNode || short == "!!merge":
	case n.Kind == yaml.ScalarNode:
		plain := yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}
		if short != "!!str" && (n.Style&quoted != 0 || plain.ShortTag() != short) {
			tag = short
		}
	case short != "!!map" && short != "!!seq":
		tag = short
	}
	if tag != "" && !strings.HasPrefix(tag, "!") {
		tag = "!<" + tag + ">"
	}
	return join(anchor, tag)
}
