package yamledit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// insertFlow adds a pair (or an item, where key is nil) to a flow collection
// that is not empty.
func (w *writer) insertFlow(b *yaml.Node, behind int, quoted bool, key, value *yaml.Node) {
	text := w.flow(value)
	if w.json {
		text = w.pretty(b, value)
	}
	if key != nil {
		k := w.scalar(key, nil, true)
		if quoted {
			k = quote(key.Value)
		}
		text = k + ": " + text
	}
	if behind < 0 {
		first := w.start(b.Content[0])
		w.edit(first, first, text+","+w.between(b))
		return
	}
	width := 1
	if key != nil {
		width = 2
	}
	end := w.end(b.Content[behind+width-1])
	w.edit(end, end, ","+w.between(b)+text)
}

// between is what separates the members of a flow collection: a blank, or a
// break and the members' indentation.
func (w *writer) between(b *yaml.Node) string {
	first := w.start(b.Content[0])
	line := lineStart(w.src, first)
	if line > w.start(b) && strings.TrimSpace(string(w.src[line:first])) == "" {
		return w.eol + string(w.src[line:first])
	}
	if w.json && !bytes.Contains(w.src[w.start(b):w.end(b)], []byte(", ")) && len(b.Content) > 2 {
		return ""
	}
	return " "
}

// pretty writes a value for a JSON file: over several lines where its
// neighbours are.
func (w *writer) pretty(b, n *yaml.Node) string {
	sep := w.between(b)
	if !strings.HasPrefix(sep, w.eol) || n.Kind == yaml.ScalarNode || len(n.Content) == 0 {
		return w.flow(n)
	}
	base := strings.TrimPrefix(sep, w.eol)
	return w.prettyAt(n, base, w.jsonStep(b))
}

func (w *writer) jsonStep(b *yaml.Node) string {
	first := w.start(b.Content[0])
	inner := w.src[lineStart(w.src, first):first]
	open := w.start(b)
	outer := w.src[lineStart(w.src, open):open]
	outer = outer[:len(outer)-len(bytes.TrimLeft(outer, " \t"))]
	if len(inner) > len(outer) {
		return string(inner[len(outer):])
	}
	return "  "
}

func (w *writer) prettyAt(n *yaml.Node, base, step string) string {
	if n.Kind == yaml.ScalarNode || len(n.Content) == 0 {
		return w.flow(n)
	}
	var parts []string
	open, stop := "{", "}"
	if n.Kind == yaml.SequenceNode {
		open, stop = "[", "]"
		for _, c := range n.Content {
			parts = append(parts, base+step+w.prettyAt(c, base+step, step))
		}
	} else {
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, base+step+quote(n.Content[i].Value)+": "+w.prettyAt(n.Content[i+1], base+step, step))
		}
	}
	return open + w.eol + strings.Join(parts, ","+w.eol) + w.eol + base + stop
}

// removeFlow cuts the members from Content index i to last out of a flow
// collection, with one comma.
func (w *writer) removeFlow(b *yaml.Node, i, last, width int) {
	start, end := w.start(b.Content[i]), w.end(b.Content[last])
	if last+1 < len(b.Content) {
		w.edit(start, w.start(b.Content[last+1]), "")
		return
	}
	if i == 0 {
		w.edit(start, end, "")
		return
	}
	w.edit(w.end(b.Content[i-1]), end, "")
	_ = width
}

func quotedKeys(b *yaml.Node) bool {
	return len(b.Content) > 0 && b.Kind == yaml.MappingNode && b.Content[0].Style&yaml.DoubleQuotedStyle != 0
}
