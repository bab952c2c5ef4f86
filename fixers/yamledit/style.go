package yamledit

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// style is how new text is written at one place of a file.
type style struct {
	eol      string
	json     bool
	tight    bool // JSON without blanks behind colons and commas
	oneLine  bool // lists of scalars stay on one line where others have lines of their own
	step     int  // columns of one level
	sequence int  // columns from a key to the dashes of its list
	width    int  // columns from a dash to its item
}

// near takes the style of the neighbours of what is added to a collection.
func (w *writer) near(b *yaml.Node) style {
	s := w.style
	s.width = 2
	switch {
	case b == nil || b.Style&yaml.FlowStyle != 0:
	case b.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(b.Content); i += 2 {
			v := b.Content[i+1]
			by := v.Column - b.Content[i].Column
			if v.Style&yaml.FlowStyle != 0 || len(v.Content) == 0 || v.Anchor != "" || v.Line == b.Content[i].Line {
				continue
			}
			if v.Kind == yaml.MappingNode && by > 0 {
				s.step = by
			} else if v.Kind == yaml.SequenceNode && by >= 0 {
				s.sequence = by
			}
		}
	case b.Kind == yaml.SequenceNode:
		column := b.Column
		if b.Anchor != "" || b.Style&yaml.TaggedStyle != 0 {
			break
		}
		for _, c := range b.Content {
			if by := c.Column - column; c.Kind == yaml.MappingNode && c.Style&yaml.FlowStyle == 0 && by > 1 && by < 10 {
				s.width = by
			}
		}
	}
	return s
}

// dominantBreak is the line break most lines of a file end with.
func dominantBreak(src []byte) string {
	if crlf := bytes.Count(src, []byte("\r\n")); crlf > 0 && crlf*2 > bytes.Count(src, []byte("\n")) {
		return "\r\n"
	}
	return "\n"
}

// isJSON tells a document that is JSON: its root is in flow style, and the
// first key is quoted.
func isJSON(root *yaml.Node) bool {
	for n := root; n.Style&yaml.FlowStyle != 0 && len(n.Content) > 0; n = n.Content[0] {
		if n.Kind == yaml.MappingNode {
			return n.Content[0].Style&yaml.DoubleQuotedStyle != 0
		}
	}
	return false
}

// hasOneLine tells a document in flow style that has a list on one line.
func hasOneLine(n *yaml.Node) bool {
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[len(n.Content)-1].Line == n.Line {
		return true
	}
	return slices.ContainsFunc(n.Content, hasOneLine)
}

// indentStep is the number of columns that nested mappings move right by.
func indentStep(roots ...*yaml.Node) int {
	counts := map[int]int{}
	for _, root := range roots {
		walkBlock(root, func(key, value *yaml.Node) {
			if d := value.Column - key.Column; value.Kind == yaml.MappingNode && d > 0 {
				counts[d]++
			}
		})
	}
	return most(counts, 2)
}

// sequenceIndent is the number of columns from a key to the dashes below it.
func sequenceIndent(roots ...*yaml.Node) int {
	counts := map[int]int{}
	for _, root := range roots {
		walkBlock(root, func(key, value *yaml.Node) {
			if d := value.Column - key.Column; value.Kind == yaml.SequenceNode && d >= 0 {
				counts[d]++
			}
		})
	}
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

// walkBlock calls f with the pairs whose value is a block collection on lines of its own.
func walkBlock(n *yaml.Node, f func(key, value *yaml.Node)) {
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 {
		for i := 0; i+1 < len(n.Content); i += 2 {
			v := n.Content[i+1]
			if v.Style&yaml.FlowStyle == 0 && len(v.Content) > 0 && v.Anchor == "" && v.Line > n.Content[i].Line {
				f(n.Content[i], v)
			}
		}
	}
	for _, c := range n.Content {
		walkBlock(c, f)
	}
}

// Style is how a repository writes its manifests, for files that are new.
type Style struct {
	Break          string // of lines: LF or CRLF
	Indent         int    // columns of one level
	SequenceIndent int    // columns from a key to the dashes of its list
	Start          bool   // files begin with ---
}

// Sample is a file whose style is asked for: its text, and the documents that
// were parsed of it.
type Sample struct {
	Text  *source.Text
	Roots []*yaml.Node
}

// DetectStyle takes the style of the files next to a new one: what most of
// them do.
func DetectStyle(samples ...Sample) Style {
	s := Style{Break: "\n"}
	start, crlf := 0, 0
	var roots []*yaml.Node
	for _, f := range samples {
		b := bytes.TrimPrefix(f.Text.Bytes(), []byte(source.BOM))
		if bytes.HasPrefix(b, []byte("---")) {
			start++
		}
		if dominantBreak(b) == "\r\n" {
			crlf++
		}
		roots = append(roots, f.Roots...)
	}
	s.Start = start*2 > len(samples)
	if crlf*2 > len(samples) {
		s.Break = "\r\n"
	}
	s.Indent, s.SequenceIndent = indentStep(roots...), sequenceIndent(roots...)
	return s
}

// Encode writes the documents of a new file.
func (s Style) Encode(documents ...*yaml.Node) []byte {
	st := style{eol: s.Break, step: s.Indent, sequence: s.SequenceIndent, width: 2}
	var b strings.Builder
	for i, n := range documents {
		if s.Start || i > 0 {
			b.WriteString("---" + s.Break)
		}
		for _, l := range st.document(n) {
			b.WriteString(l + s.Break)
		}
	}
	return []byte(b.String())
}
