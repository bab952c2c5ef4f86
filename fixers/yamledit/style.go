package yamledit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// dominantBreak is the line break most lines of a file end with.
func dominantBreak(src []byte) string {
	if crlf := bytes.Count(src, []byte("\r\n")); crlf > 0 && crlf*2 > bytes.Count(src, []byte("\n")) {
		return "\r\n"
	}
	return "\n"
}

func isJSON(root *yaml.Node, src []byte) bool {
	return root.Style&yaml.FlowStyle != 0 && quotedKeys(root) && !bytes.Contains(src, []byte("\n---"))
}

// indentStep is the number of columns that nested mappings move right by.
func indentStep(root *yaml.Node) int {
	counts := map[int]int{}
	walkBlock(root, func(parent, key, value *yaml.Node) {
		if value.Kind == yaml.MappingNode {
			if d := value.Column - key.Column; d > 0 {
				counts[d]++
			}
		}
	})
	return most(counts, 2)
}

// sequenceIndent is the number of columns from a key to the dashes below it.
func sequenceIndent(root *yaml.Node) int {
	counts := map[int]int{}
	walkBlock(root, func(parent, key, value *yaml.Node) {
		if value.Kind == yaml.SequenceNode {
			counts[value.Column-key.Column]++
		}
	})
	return most(counts, 2)
}

func most(counts map[int]int, otherwise int) int {
	best, n := otherwise, 0
	for d, c := range counts {
		if c > n || c == n && d < best {
			best, n = d, c
		}
	}
	return best
}

func walkBlock(n *yaml.Node, f func(parent, key, value *yaml.Node)) {
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if v := n.Content[i+1]; v.Style&yaml.FlowStyle == 0 && len(v.Content) > 0 && v.Anchor == "" {
				f(n, n.Content[i], v)
			}
		}
	}
	for _, c := range n.Content {
		walkBlock(c, f)
	}
}

// Style is how a repository writes its manifests.
type Style struct {
	Break          string
	Indent         int
	SequenceIndent int
	Start          bool // files begin with ---
}

// DetectStyle takes the style of the files next to a new one.
func DetectStyle(texts ...*source.Text) Style {
	s := Style{Break: "\n", Indent: 2, SequenceIndent: 2}
	start, crlf, n := 0, 0, 0
	indents, sequences := map[int]int{}, map[int]int{}
	for _, t := range texts {
		b := bytes.TrimPrefix(t.Bytes(), []byte("\ufeff"))
		n++
		if bytes.HasPrefix(b, []byte("---")) {
			start++
		}
		if dominantBreak(b) == "\r\n" {
			crlf++
		}
		for _, d := range t.Documents() {
			if root, err := t.Parse(d); err == nil && root != nil {
				indents[indentStep(root)]++
				sequences[sequenceIndent(root)]++
			}
		}
	}
	s.Start = start*2 > n
	if crlf*2 > n {
		s.Break = "\r\n"
	}
	s.Indent, s.SequenceIndent = most(indents, 2), most(sequences, 2)
	return s
}

// Encode writes the documents of a new file.
func (s Style) Encode(documents ...*yaml.Node) []byte {
	w := &writer{eol: s.Break, step: s.Indent, sequenceIndent: s.SequenceIndent}
	var b strings.Builder
	for i, n := range documents {
		if s.Start || i > 0 {
			b.WriteString("---" + s.Break)
		}
		b.WriteString(w.indent(strings.Join(w.lines(n), "\n"), 0) + s.Break)
	}
	return []byte(b.String())
}
