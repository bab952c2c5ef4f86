package yamledit

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// blockMembers removes elements of a block collection and adds members: whole
// lines, but where the first element stands behind a dash. At least one
// element stays. inserts are keyed by the kept element they follow, -1 for none.
func (w *writer) blockMembers(b *yaml.Node, els []element, inserts map[int][]member) {
	first := els[0].start
	column := first - lineStart(w.src, first)
	if b.Kind == yaml.MappingNode {
		column = b.Content[0].Column - 1
	}
	for i, e := range els {
		prefix := strings.Trim(string(w.src[lineStart(w.src, e.start):e.start]), " ")
		if i > 0 && prefix != "" || strings.Trim(prefix, "- ") != "" {
			w.refuse(Unproved, e.node, "the mapping is written with explicit keys (?)")
			return
		}
	}
	inline := !own(w.src, first)
	start := 0 // index of the first element whose lines are its own
	if inline {
		for start = 0; els[start].removed; start++ {
		}
		w.behindDash(b, els[:start+1], column, inserts[-1])
		start++
	}
	for i := start; i < len(els); i++ {
		if els[i].removed {
			w.edit(w.head(b, els, i, column), w.tail(els[i], column), "")
		}
	}
	if !inline && len(inserts[-1]) > 0 {
		w.atTop(b, els, column, inserts[-1])
	}
	for i := range els {
		if len(inserts[i]) > 0 {
			w.behind(b, els[i], column, inserts[i])
		}
	}
}

// head is where the lines of an element start, with the comment above it. What
// stands above a document's first line speaks of the document.
func (w *writer) head(b *yaml.Node, els []element, i, column int) int {
	p := lineStart(w.src, els[i].start)
	if i == 0 {
		if b == w.root {
			return p
		}
		return headComment(w.src, p, column, 0)
	}
	return headComment(w.src, p, column, w.tail(els[i-1], column))
}

// tail is where the lines of an element end.
func (w *writer) tail(e element, column int) int {
	dashes := e.node.Kind == yaml.SequenceNode && e.node.Style&yaml.FlowStyle == 0 && e.node.Column-1 == column
	return tail(w.src, e.end, column, dashes)
}

func (w *writer) behind(b *yaml.Node, e element, column int, members []member) {
	p := w.tail(e, column)
	if b != w.root {
		p = remarks(w.src, p, column)
	}
	if p == len(w.src) && !endsInBreak(w.src) {
		w.unended(e.node)
	}
	w.linesAt(p, column, w.lines(b, members), members[len(members)-1].value)
}

// atTop adds members before the first element that stays.
func (w *writer) atTop(b *yaml.Node, els []element, column int, members []member) {
	p := w.head(b, els, 0, column)
	if b == w.root && b.Kind == yaml.MappingNode && !els[0].removed && headComment(w.src, p, column, 0) != p {
		// Between a header and the first line it speaks of is no place.
		w.behind(b, els[0], column, members)
		return
	}
	w.linesAt(p, column, w.lines(b, members), members[len(members)-1].value)
}

// behindDash handles the elements up to the first that stays, where the first
// shares its line with a dash: what stays, or is new, moves up to the dash.
func (w *writer) behindDash(b *yaml.Node, els []element, column int, members []member) {
	kept := len(els) - 1
	from, to := els[0].start, els[kept].start
	text := ""
	if len(members) > 0 {
		text = strings.TrimLeft(w.indented(w.lines(b, members), column), " ")
	}
	if kept == 0 {
		if text != "" {
			w.edit(from, from, text+w.eol+spaces(column))
		}
		return
	}
	head := w.head(b, els, kept, column)
	if headed := head != lineStart(w.src, to); !headed && text == "" {
		w.edit(from, to, "")
		return
	}
	// Up to the break before the comment or the line of what stays.
	end := max(lineEnd(w.src, lineStart(w.src, head-1)), els[kept-1].end)
	if text == "" {
		for from > 0 && w.src[from-1] == ' ' {
			from--
		}
	}
	w.edit(from, end, text)
}

// lines writes new members of a block collection, at column 0.
func (w *writer) lines(b *yaml.Node, members []member) []string {
	st := w.near(b)
	var out []string
	for _, m := range members {
		if m.key != nil {
			out = append(out, st.pair(m.key, m.value)...)
		} else {
			out = append(out, st.entry(m.value)...)
		}
	}
	return out
}
