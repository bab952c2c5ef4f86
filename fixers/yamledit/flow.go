package yamledit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// braceless tells a pair in a flow sequence that is a mapping by itself.
func (w *writer) braceless(b *yaml.Node) bool {
	p := w.Body(b)
	return b.Kind == yaml.MappingNode && (w.src[p] != '{' || w.Of(b.Content[0]).Start <= p)
}

// quotes tells whether the keys of the flow collection around are quoted.
func (w *writer) quotes(b *yaml.Node) bool {
	return w.json || b != nil && b.Kind == yaml.MappingNode && b.Style&yaml.FlowStyle != 0 && len(b.Content) > 0 &&
		b.Content[0].Style&yaml.DoubleQuotedStyle != 0
}

func (w *writer) replaceFlow(at place, b, a *yaml.Node) {
	span := w.Of(b)
	json := w.quotes(at.parent)
	if key := at.key(); key != nil && bare(b) {
		end := w.Of(key).End
		colon := source.SkipBlank(w.src, end)
		text := " " + w.flow(a, nil, json)
		if colon < len(w.src) && w.src[colon] == ':' {
			w.edit(colon+1, colon+1, text)
		} else {
			w.edit(end, end, ":"+text)
		}
		return
	}
	start := span.Start
	props := w.props(w.restyled(b, a))
	text := w.flow(a, b, json)
	if at.parent != nil && w.ownLine(at.parent) && a.Kind != yaml.ScalarNode {
		text = w.spread(a, w.baseIndent(at, span.Start), w.flowStep(at.parent), json)
	}
	if at.parent != nil && at.key() != nil && start > 0 && w.src[start-1] == ':' && !json {
		text = " " + text
	}
	w.edit(start, span.End, join(props, text))
}

// baseIndent is the indentation of the line that a value starts on.
func (w *writer) baseIndent(at place, p int) string {
	start := lineStart(w.src, p)
	text := w.src[start:p]
	return string(text[:len(text)-len(bytes.TrimLeft(text, " \t"))])
}

// ownLine tells whether the members of a flow collection have lines of their own.
func (w *writer) ownLine(b *yaml.Node) bool {
	first := w.Of(b.Content[0]).Start
	start := lineStart(w.src, first)
	return start > w.Body(b) && len(bytes.TrimLeft(w.src[start:first], " \t")) == 0
}

// flowStep is the indentation of the members of a flow collection against the
// line that opens it.
func (w *writer) flowStep(b *yaml.Node) string {
	inner := w.baseIndent(place{}, w.Of(b.Content[0]).Start)
	outer := w.baseIndent(place{}, w.Body(b))
	if step, ok := strings.CutPrefix(inner, outer); ok && step != "" {
		return step
	}
	return spaces(2)
}

// flowMembers removes elements of a flow collection and adds members.
// At least one element stays.
func (w *writer) flowMembers(b *yaml.Node, els []element, inserts map[int][]member) {
	for _, e := range els {
		if w.src[e.start] == '?' || bytes.HasSuffix(bytes.TrimRight(w.src[:e.start], " \t\r\n"), []byte("?")) {
			w.refuse(Unproved, e.node, "the mapping is written with explicit keys (?)")
			return
		}
	}
	// A new member takes the place of one that goes, where it can.
	kept := -1
	for i := range els {
		if !els[i].removed {
			kept = i
			continue
		}
		if news := inserts[kept]; len(news) > 0 {
			w.edit(els[i].start, els[i].end, w.member(b, news[0]))
			els[i].removed = false
			inserts[kept] = nil
			if len(news) > 1 {
				inserts[i] = append(news[1:], inserts[i]...)
			}
			kept = i
		}
	}
	last := len(els) - 1
	for last >= 0 && els[last].removed {
		last--
	}
	for i := 0; i < last; i++ {
		if els[i].removed {
			w.cutMember(els, i)
		}
	}
	if last+1 < len(els) {
		w.cutTail(els, last)
	}
	for i := -1; i < len(els); i++ {
		for k, m := range inserts[i] {
			w.addMember(b, els, i, k, w.member(b, m))
		}
	}
}

// member writes a new pair or item of a flow collection.
func (w *writer) member(b *yaml.Node, m member) string {
	json := w.quotes(b)
	text := w.flow(m.value, nil, json)
	if w.ownLine(b) {
		text = w.spread(m.value, w.baseIndent(place{}, w.Of(b.Content[0]).Start), w.flowStep(b), json)
	}
	if m.key == nil {
		return text
	}
	colon := ": "
	if w.tight {
		colon = ":"
	}
	return w.flow(m.key, nil, json) + colon + text
}

// crowded tells whether a flow collection has no blank behind its first comma.
func (w *writer) crowded(first element) bool {
	p := w.comma(first)
	return p >= 0 && p+1 < len(w.src) && !source.Blank(w.src[p+1]) && source.BreakLen(w.src[p+1:]) == 0
}

// comma is the offset of the comma behind an element, or -1.
func (w *writer) comma(e element) int {
	if p := source.SkipBlank(w.src, e.end); p < len(w.src) && w.src[p] == ',' {
		return p
	}
	return -1
}

// alone is the lines of an element that shares them with no other, ok if so.
func (w *writer) alone(e element) (start, stop int, ok bool) {
	start = lineStart(w.src, e.start)
	end := e.end
	if c := w.comma(e); c >= 0 {
		end = c + 1
	}
	rest := bytes.TrimLeft(w.src[end:lineEnd(w.src, end)], " \t")
	if len(bytes.TrimLeft(w.src[start:e.start], " \t")) > 0 || len(rest) > 0 && rest[0] != '#' {
		return 0, 0, false
	}
	return start, nextLine(w.src, end), true
}

// cutMember removes an element that others follow.
func (w *writer) cutMember(els []element, i int) {
	if start, stop, ok := w.alone(els[i]); ok {
		w.edit(start, stop, "")
		return
	}
	stop := els[i+1].start
	if bytes.IndexByte(w.src[els[i].end:stop], '#') >= 0 {
		stop = w.comma(els[i]) + 1
	}
	w.edit(els[i].start, stop, "")
}

// cutTail removes all elements behind the last that stays, and its comma.
func (w *writer) cutTail(els []element, last int) {
	end := els[len(els)-1]
	lines := true
	for _, e := range els[last+1:] {
		_, _, ok := w.alone(e)
		lines = lines && ok
	}
	if !lines {
		if bytes.IndexByte(w.src[els[last].end:els[last+1].start], '#') >= 0 {
			w.refuse(Unproved, end.node, "a comment stands between what stays and what is to be removed")
			return
		}
		w.edit(els[last].end, end.end, "")
		return
	}
	if c := w.comma(els[last]); c >= 0 && w.comma(end) < 0 {
		w.edit(c, c+1, "")
	}
	for _, e := range els[last+1:] {
		start, stop, _ := w.alone(e)
		w.edit(start, stop, "")
	}
}

// addMember adds a member behind the element at index i, -1 for the front. k is
// its number among those added there.
func (w *writer) addMember(b *yaml.Node, els []element, i, k int, text string) {
	lines := w.ownLine(b)
	indent := w.baseIndent(place{}, els[0].start)
	separator := " "
	if w.tight || len(els) > 1 && w.crowded(els[0]) {
		separator = ""
	}
	if lines {
		separator = w.eol + indent
	}
	if i < 0 {
		at := els[0].start
		w.edit(at, at, text+","+separator)
		return
	}
	end := els[i].end
	from := end
	c := w.comma(els[i])
	if c >= 0 {
		from = c + 1
	}
	rest := bytes.TrimLeft(w.src[from:lineEnd(w.src, from)], " \t")
	if !lines || len(rest) == 0 || rest[0] != '#' {
		w.edit(end, end, ","+separator+text)
		return
	}
	// The comment behind the element stays with it.
	at := nextLine(w.src, from)
	if c >= 0 {
		w.edit(at, at, indent+text+","+w.eol)
		return
	}
	if k == 0 {
		w.edit(end, end, ",")
	} else {
		w.edit(lineEnd(w.src, from), lineEnd(w.src, from), ",")
	}
	w.edit(lineEnd(w.src, from), lineEnd(w.src, from), w.eol+indent+text)
}

// spread writes a value in flow style over several lines.
func (s style) spread(n *yaml.Node, base, step string, json bool) string {
	if n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode || len(n.Content) == 0 ||
		s.oneLine && n.Kind == yaml.SequenceNode && n.Style&yaml.FlowStyle != 0 {
		return s.flow(n, nil, json)
	}
	var parts []string
	open, stop := "{", "}"
	if n.Kind == yaml.SequenceNode {
		open, stop = "[", "]"
		for _, c := range n.Content {
			parts = append(parts, base+step+s.spread(c, base+step, step, json))
		}
	} else {
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, base+step+s.flow(n.Content[i], nil, json)+": "+s.spread(n.Content[i+1], base+step, step, json))
		}
	}
	return join(s.props(n), open+s.eol+strings.Join(parts, ","+s.eol)+s.eol+base+stop)
}
