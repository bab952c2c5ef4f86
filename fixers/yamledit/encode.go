package yamledit

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// indent moves lines to a column and joins them with the file's break.
func (w *writer) indent(text string, column int) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = strings.Repeat(" ", column) + l
		}
	}
	return strings.Join(lines, w.eol)
}

// pair writes a key and its value at column 0.
func (w *writer) pair(key, value *yaml.Node) string {
	k := w.scalar(key, nil, false)
	if w.isInline(value) {
		if text := w.inline(value, nil); text != "" {
			return k + ": " + text
		}
		return k + ":"
	}
	if value.Kind == yaml.ScalarNode {
		return k + ": " + literal(value.Value, w.step)
	}
	return k + ":\n" + w.block(0, value)
}

// block writes a collection below a key at column 0.
func (w *writer) block(_ int, n *yaml.Node) string {
	step := w.step
	if n.Kind == yaml.SequenceNode {
		step = w.sequenceIndent
	}
	lines := w.lines(n)
	for i, l := range lines {
		if l != "" {
			lines[i] = strings.Repeat(" ", step) + l
		}
	}
	return strings.Join(lines, "\n")
}

// lines writes a block collection at column 0.
func (w *writer) lines(n *yaml.Node) []string {
	var out []string
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			out = append(out, strings.Split(w.item(c), "\n")...)
		}
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		out = append(out, strings.Split(w.pair(n.Content[i], n.Content[i+1]), "\n")...)
	}
	return out
}

// item writes an item of a list with its dash at column 0.
func (w *writer) item(n *yaml.Node) string {
	if w.isInline(n) {
		return "- " + w.inline(n, nil)
	}
	if n.Kind == yaml.ScalarNode {
		return "- " + literal(n.Value, 2)
	}
	lines := w.lines(n)
	for i := range lines {
		switch {
		case i == 0:
			lines[i] = "- " + lines[i]
		case lines[i] != "":
			lines[i] = "  " + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}

func (w *writer) isInline(n *yaml.Node) bool {
	if n.Kind == yaml.ScalarNode {
		return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 || !literalSafe(n.Value)
	}
	return n.Kind == yaml.AliasNode || n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0
}

// inline writes a value on one line; old is the scalar whose quotes it takes over.
func (w *writer) inline(n, old *yaml.Node) string {
	switch n.Kind {
	case yaml.AliasNode:
		return "*" + n.Value
	case yaml.ScalarNode:
		return w.scalar(n, old, false)
	}
	return w.flow(n)
}

// flow writes a value in flow style.
func (w *writer) flow(n *yaml.Node) string {
	var parts []string
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, w.scalar(n.Content[i], nil, true)+": "+w.flow(n.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		for _, c := range n.Content {
			parts = append(parts, w.flow(c))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return w.scalar(n, nil, true)
}

// scalar writes a scalar so that YAML 1.1, YAML 1.2 and JSON readers agree on it.
func (w *writer) scalar(n, old *yaml.Node, flow bool) string {
	isString := n.Tag == "!!str" || n.Tag == "" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if !isString && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		if w.json && n.Value == "" {
			return "null"
		}
		return n.Value
	}
	style := n.Style
	if old != nil && old.Kind == yaml.ScalarNode {
		style = old.Style
	}
	switch {
	case w.json:
		return quote(n.Value)
	case style&yaml.SingleQuotedStyle != 0 && printable(n.Value):
		return "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
	case style&yaml.DoubleQuotedStyle != 0:
		return quote(n.Value)
	case plainSafe(n.Value, flow):
		return n.Value
	}
	return quote(n.Value)
}

// quote writes a JSON string, which is a YAML double-quoted scalar too.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff
	})
}

var (
	plainStart = regexp.MustCompile(`^[A-Za-z_/.$(][^\x00-\x1f\x7f-\x{9f}\x{2028}\x{2029}\x{feff}]*$`)
	numberLike = regexp.MustCompile(`^[-+.]?[0-9][0-9_,.:eExXoOa-fA-F+-]*$|^[-+]?\.(inf|Inf|INF|nan|NaN|NAN)$|^\.[0-9]`)
	reserved   = []string{"", "~", "null", "y", "n", "yes", "no", "true", "false", "on", "off", ".inf", ".nan"}
)

// plainSafe tells whether a string may stand without quotes, for readers of
// YAML 1.1 (kubectl) and 1.2 alike.
func plainSafe(s string, flow bool) bool {
	if slices.Contains(reserved, strings.ToLower(s)) || numberLike.MatchString(s) {
		return false
	}
	start := s
	if len(s) > 1 && s[0] >= '0' && s[0] <= '9' {
		start = "a" + s // digits may lead what is no number: 10.0.0.0/8 is caught above
	}
	if !plainStart.MatchString(start) || strings.Contains(s, ": ") || strings.Contains(s, " #") || strings.HasSuffix(s, ":") ||
		strings.TrimSpace(s) != s || strings.HasPrefix(s, "...") {
		return false
	}
	return !flow || !strings.ContainsAny(s, ",[]{}")
}

// literalSafe tells a text of several lines that a literal block scalar can hold.
func literalSafe(s string) bool {
	if !strings.Contains(strings.TrimSuffix(s, "\n"), "\n") || strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\n") || strings.HasPrefix(s, "\t") {
		return false
	}
	for _, line := range strings.Split(s, "\n") {
		if !printable(strings.ReplaceAll(line, "\t", " ")) || strings.TrimRight(line, " \t") != line {
			return false
		}
	}
	return !strings.HasSuffix(s, "\n\n")
}

func literal(s string, step int) string {
	head := "|"
	if !strings.HasSuffix(s, "\n") {
		head = "|-"
	}
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = strings.Repeat(" ", step) + l
		}
	}
	return head + "\n" + strings.Join(lines, "\n")
}
