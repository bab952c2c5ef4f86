package yamledit

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// replace writes another value in the place of b. The comment behind a value
// on its line stays; those inside it go.
func (w *writer) replace(at place, b, a *yaml.Node) {
	if at.flow || w.json {
		w.replaceFlow(at, b, a)
		return
	}
	st := w.near(b)
	if at.parent != nil {
		st = w.near(at.parent)
	}
	a = w.restyled(b, a)
	h := w.old(at, b, a)
	if a.Kind == yaml.ScalarNode && !st.isInline(a) && w.swallows(max(h.stop, nextLine(w.src, h.end)), max(at.column, 0)) {
		a.Style = yaml.DoubleQuotedStyle
	}
	props := st.props(a)
	switch {
	case st.isInline(a):
		text := join(props, st.inline(a, b))
		if text == "" && at.parent == nil {
			text = "null"
		}
		if text == "" {
			w.edit(h.trimmed(w.src), h.end, "")
		} else {
			w.edit(h.start, h.end, h.blank(w.src)+text)
		}
		w.edit(h.body, h.stop, "")
	case a.Kind == yaml.ScalarNode:
		column := h.column
		if column < 0 || b.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
			column = max(at.column, 0) + st.step
		}
		head, lines := literal(a.Value)
		w.edit(h.start, h.end, h.blank(w.src)+join(props, head))
		w.replaceLines(h, column, lines, a)
	case at.key() == nil && (h.body == h.stop || h.mid) && props == "":
		// An item: its first line goes behind the dash.
		lines := st.block(a)
		column := at.column + st.width
		if at.parent == nil {
			column = 0
		}
		if at.parent == nil && !own(w.src, h.start) {
			w.edit(h.trimmed(w.src), h.end, "")
			w.replaceLines(h, 0, lines, a)
			return
		}
		if at.parent == nil {
			h.start = lineStart(w.src, h.start) // a root in block style begins in the first column
		}
		w.edit(h.start, h.end, h.blank(w.src)+lines[0])
		if len(lines) > 1 {
			w.replaceLines(h, column, lines[1:], a)
		}
	default:
		text := ""
		if props != "" {
			text = " " + props
		}
		if h.end < len(w.src) && w.src[h.end] == '#' {
			text += " " // or the comment would become part of what is before it
		}
		w.edit(h.trimmed(w.src), h.end, text)
		column := at.column + st.step
		if a.Kind == yaml.SequenceNode && at.key() != nil {
			column = at.column + st.sequence
		}
		if at.parent == nil {
			column = 0
		}
		w.replaceLines(h, column, st.block(a), a)
	}
}

// swallows tells whether a literal in the line before p would take the comment
// at p, which is indented deeper than column, for its text.
func (w *writer) swallows(p, column int) bool {
	for ; p < len(w.src); p = nextLine(w.src, p) {
		if indent, body := line(w.src, p); len(body) > 0 {
			return body[0] == '#' && indent > column
		}
	}
	return false
}

// restyled gives a mapping that was empty, and could only be {} so far, the
// style of a block; and one that takes over an anchor, the anchor.
func (w *writer) restyled(b, a *yaml.Node) *yaml.Node {
	c := *a
	if b.Kind == yaml.MappingNode && len(b.Content) == 0 && a.Kind == yaml.MappingNode && a.Line == b.Line && a.Column == b.Column && a.Line != 0 {
		c.Style &^= yaml.FlowStyle
	}
	if len(w.users[b]) > 0 {
		c.Anchor = b.Anchor
	}
	return &c
}

// old is where a value stands that is to be replaced: [start,end) on the line
// of its key or dash, and whole lines [body,stop) below.
type old struct {
	start, end int
	body, stop int
	column     int  // of the content of a block scalar, -1 otherwise
	mid        bool // a block collection that begins on the line of its dash
}

// blank is the space that a value needs to the left of it.
func (o old) blank(src []byte) string {
	if o.start > 0 && (src[o.start-1] == ':' || src[o.start-1] == '-') && o.start == o.end {
		return " "
	}
	return ""
}

// trimmed is start without the blanks before it.
func (o old) trimmed(src []byte) int {
	p := o.start
	for p > 0 && source.Blank(src[p-1]) {
		p--
	}
	return p
}

func (w *writer) old(at place, b, a *yaml.Node) old {
	span := w.Of(b)
	o := old{start: span.Start, end: span.End, column: -1}
	switch {
	case bare(b):
		o.start = w.unwritten(at, b)
		o.end = o.start
	case b.Kind == yaml.ScalarNode && b.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		o.end = w.header(w.Body(b))
		o.body, o.stop = nextLine(w.src, o.end), nextLine(w.src, span.End)
		if o.body < o.stop {
			for p := o.body; p < o.stop; p = nextLine(w.src, p) {
				if indent, body := line(w.src, p); len(body) > 0 {
					o.column = indent
					break
				}
			}
		}
		o.stop = max(o.stop, o.body)
		return o
	case b.Kind != yaml.ScalarNode && b.Kind != yaml.AliasNode && b.Style&yaml.FlowStyle == 0:
		body := w.Body(b)
		o.mid = !own(w.src, body)
		if at.parent == nil || o.mid {
			// The comment behind the last line goes with it.
			o.start, o.end = body, lineEnd(w.src, span.End)
			return o
		}
		if b.Anchor == "" && b.Style&yaml.TaggedStyle == 0 {
			o.start = w.unwritten(at, b)
			o.end = o.start
		} else {
			o.end = o.start + len(strings.TrimRight(propsText(w.src[o.start:body]), " \t\r\n"))
		}
		o.body, o.stop = nextLine(w.src, o.end), tail(w.src, span.End, at.column, false)
		if a.Kind == b.Kind && len(a.Content) > 0 {
			// What stands above the first element and is not its own speaks of the whole.
			o.body = headComment(w.src, lineStart(w.src, body), body-lineStart(w.src, body), o.body)
		}
		return o
	}
	o.body = nextLine(w.src, o.end)
	o.stop = o.body
	return o
}

// propsText is the anchor and the tag that text begins with.
func propsText(text []byte) string {
	s := string(text)
	end := 0
	for rest := s; rest != "" && (rest[0] == '&' || rest[0] == '!'); {
		n := strings.IndexAny(rest, " \t\r\n")
		if n < 0 {
			return s
		}
		end = len(s) - len(rest) + n
		rest = strings.TrimLeft(rest[n:], " \t")
	}
	return s[:end]
}

// unwritten is the offset behind the colon or dash of a value.
func (w *writer) unwritten(at place, b *yaml.Node) int {
	if key := at.key(); key != nil {
		end := w.Of(key).End
		if colon := source.SkipBlank(w.src, end); colon < len(w.src) && w.src[colon] == ':' {
			return colon + 1
		}
		w.refuse(Unproved, key, "the key %q has no colon", key.Value)
		return end
	}
	if at.parent == nil {
		return w.Of(b).Start
	}
	return items(w.src, w.Spans, at.parent)[at.index].start + 1
}

// replaceLines writes lines where o had its own, or below the line of its end.
func (w *writer) replaceLines(o old, column int, lines []string, value *yaml.Node) {
	if o.body < o.stop {
		text := w.indented(lines, column)
		if o.stop < len(w.src) || endsInBreak(w.src) || opens(value) {
			text += w.eol
		}
		w.edit(o.body, o.stop, text)
		return
	}
	w.linesAt(nextLine(w.src, o.end), column, lines, value)
}

// join puts blanks between the texts that are there.
func join(texts ...string) string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return strings.Join(out, " ")
}
