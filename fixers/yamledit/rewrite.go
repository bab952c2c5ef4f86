package yamledit

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// Rewrite returns the smallest edits that turn one document of a file into
// what after means. root is what t.Parse gave for the document, after a changed
// copy (Clone) of it. The order of keys stays as written; new keys go behind
// the sibling that they follow in after. Errors are *Refusal.
func Rewrite(t *source.Text, root, after *yaml.Node) ([]Edit, error) {
	w := newWriter(t, root)
	if w.match = w.aliases(root, after); w.err == nil {
		w.value(place{column: -1, flow: root.Style&yaml.FlowStyle != 0}, root, after)
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.finish(), nil
}

type writer struct {
	*source.Spans
	style
	src     []byte
	root    *yaml.Node
	edits   []Edit
	err     error
	users   map[*yaml.Node][]*yaml.Node // anchored node -> its aliases
	mergers map[*yaml.Node]*yaml.Node   // alias below a merge key -> the mapping it is merged into
	match   map[*yaml.Node]*yaml.Node   // nodes before -> nodes after, where there are aliases
	stirred bool                        // what some anchor stands for goes or changes
}

func newWriter(t *source.Text, root *yaml.Node) *writer {
	w := &writer{Spans: t.Spans(), src: t.Bytes(), root: root}
	w.style = style{eol: dominantBreak(w.src), json: isJSON(root), step: indentStep(root), sequence: sequenceIndent(root)}
	w.tight = w.json && w.noBlanks(root)
	w.oneLine = w.json && hasOneLine(root)
	return w
}

// noBlanks tells whether the first colon of a JSON document has no blank behind it.
func (w *writer) noBlanks(root *yaml.Node) bool {
	for root.Kind == yaml.SequenceNode {
		root = root.Content[0]
	}
	colon := source.SkipBlank(w.src, w.Of(root.Content[0]).End)
	return colon+1 < len(w.src) && w.src[colon] == ':' && !source.Blank(w.src[colon+1]) && source.BreakLen(w.src[colon+1:]) == 0
}

// place is where a value stands.
type place struct {
	parent *yaml.Node // nil for the root
	index  int        // of the value in the parent's Content
	column int        // of the key or dash, from 0; -1 for the root
	flow   bool
}

// key is the value's key, nil for items and the root.
func (p place) key() *yaml.Node {
	if p.parent == nil || p.parent.Kind != yaml.MappingNode {
		return nil
	}
	return p.parent.Content[p.index-1]
}

func (w *writer) refuse(reason string, n *yaml.Node, format string, args ...any) {
	if w.err == nil {
		w.err = refusal(reason, n.Line, format, args...)
	}
}

func (w *writer) edit(start, end int, text string) {
	if start != end || text != "" {
		w.edits = append(w.edits, Edit{start, end, text})
	}
}

// value turns one value into another.
func (w *writer) value(at place, b, a *yaml.Node) {
	if w.err != nil || w.stays(b, a) {
		return
	}
	if !w.mayChange(b, a) {
		return
	}
	at.flow = at.flow || b.Style&yaml.FlowStyle != 0 && at.parent == nil
	switch {
	case b.Kind == yaml.MappingNode && a.Kind == yaml.MappingNode && len(b.Content) > 0 && len(a.Content) > 0 && w.sameTag(b, a):
		if dup := duplicate(b); dup != nil {
			w.refuse(Unproved, dup, "key %q is given twice in the mapping that would change", dup.Value)
			return
		}
		if dup := duplicate(a); dup != nil {
			w.refuse(Unproved, b, "key %q would be given twice", dup.Value)
			return
		}
		w.mapping(at, b, a)
	case b.Kind == yaml.SequenceNode && a.Kind == yaml.SequenceNode && len(b.Content) > 0 && len(a.Content) > 0 && w.sameTag(b, a):
		w.sequence(at, b, a)
	default:
		w.replace(at, b, a)
	}
}

func (w *writer) sameTag(b, a *yaml.Node) bool { return b.ShortTag() == a.ShortTag() }

func (w *writer) mapping(at place, b, a *yaml.Node) {
	flow := at.flow || b.Style&yaml.FlowStyle != 0
	if flow && w.braceless(b) {
		w.replace(at, b, a)
		return
	}
	els := make([]element, len(b.Content)/2)
	kept := 0
	index := make(map[string]int, len(els))
	for i := range els {
		els[i] = element{node: b.Content[2*i+1], start: w.Of(b.Content[2*i]).Start, end: w.PairEnd(b, 2*i), removed: true}
		index[keyText(b.Content[2*i])] = i
	}
	inserts := map[int][]member{}
	behind := -1
	for j := 0; j+1 < len(a.Content); j += 2 {
		key := a.Content[j]
		if i, ok := index[keyText(key)]; ok {
			els[i].removed = false
			behind = i
			kept++
			w.value(place{b, 2*i + 1, b.Content[2*i].Column - 1, flow}, b.Content[2*i+1], a.Content[j+1])
			continue
		}
		if brought(a, keyText(key), a.Content[j+1]) {
			continue
		}
		w.hides(b, key, a.Content[j+1])
		inserts[behind] = append(inserts[behind], member{key, a.Content[j+1]})
	}
	if w.err != nil || kept == len(els) && len(inserts) == 0 {
		return
	}
	if kept == 0 {
		w.replace(at, b, a)
		return
	}
	w.collection(flow, b, els, inserts)
}

func (w *writer) sequence(at place, b, a *yaml.Node) {
	flow := at.flow || b.Style&yaml.FlowStyle != 0
	els := items(w.src, w.Spans, b)
	column := w.Body(b) - lineStart(w.src, w.Body(b))
	before := make(map[int]int, len(els))
	for i, j := range align(b.Content, a.Content) {
		if j >= 0 {
			before[j] = i
		}
	}
	inserts := map[int][]member{}
	behind := -1
	for j, n := range a.Content {
		if i, ok := before[j]; ok {
			els[i].removed = false
			behind = i
			w.value(place{b, i, column, flow}, b.Content[i], n)
			continue
		}
		inserts[behind] = append(inserts[behind], member{nil, n})
	}
	if w.err != nil || len(before) == len(els) && len(inserts) == 0 {
		return
	}
	if len(before) == 0 {
		w.replace(at, b, a)
		return
	}
	w.collection(flow, b, els, inserts)
}

// element is a pair or an item as written.
type element struct {
	node       *yaml.Node // the value
	start, end int        // from key or dash to the last byte
	removed    bool
}

// items are the items of a list; those of a block list start at their dash.
func items(src []byte, spans *source.Spans, b *yaml.Node) []element {
	els := make([]element, len(b.Content))
	from := spans.Body(b)
	for i, n := range b.Content {
		els[i] = element{node: n, start: spans.Of(n).Start, end: spans.Of(n).End, removed: true}
		if b.Style&yaml.FlowStyle == 0 {
			// The dash is the first thing behind the item before that is no comment.
			dash := source.SkipBlank(src, from)
			els[i].start, els[i].end = dash, max(els[i].end, dash+1)
			if bare(n) {
				els[i].end = dash + 1
			}
			from = els[i].end
		}
	}
	return els
}

// bare tells a value of which nothing is written.
func bare(n *yaml.Node) bool {
	return !source.Written(n) && n.Anchor == "" && n.Style&yaml.TaggedStyle == 0
}

// member is a pair or, without a key, an item that is new.
type member struct{ key, value *yaml.Node }

func (w *writer) collection(flow bool, b *yaml.Node, els []element, inserts map[int][]member) {
	if flow {
		w.flowMembers(b, els, inserts)
	} else {
		w.blockMembers(b, els, inserts)
	}
}

// finish sorts the edits and cuts off what they leave as it is.
func (w *writer) finish() []Edit {
	sortEdits(w.edits)
	for i, e := range w.edits {
		// Where the last lines went, a break before new ones is there already.
		if i > 0 && e.Start == len(w.src) && e.End == e.Start && w.edits[i-1].End == e.Start &&
			w.edits[i-1].Text == "" && w.edits[i-1].Start == lineStart(w.src, w.edits[i-1].Start) {
			w.edits[i].Text = string(bytes.TrimPrefix([]byte(e.Text), []byte(w.eol)))
		}
	}
	var out []Edit
	for _, e := range w.edits {
		if e = trim(w.src, e); e.Start != e.End || e.Text != "" {
			out = append(out, e)
		}
	}
	return out
}

// trim takes from an edit what it would write as it is already.
func trim(src []byte, e Edit) Edit {
	for e.Start < e.End && e.Text != "" {
		_, n := utf8.DecodeRune(src[e.Start:e.End])
		if n > len(e.Text) || string(src[e.Start:e.Start+n]) != e.Text[:n] {
			break
		}
		e.Start, e.Text = e.Start+n, e.Text[n:]
	}
	for e.Start < e.End && e.Text != "" {
		_, n := utf8.DecodeLastRune(src[e.Start:e.End])
		if n > len(e.Text) || string(src[e.End-n:e.End]) != e.Text[len(e.Text)-n:] {
			break
		}
		e.End, e.Text = e.End-n, e.Text[:len(e.Text)-n]
	}
	return e
}

// spaces is an indentation.
func spaces(n int) string { return fmt.Sprintf("%*s", max(n, 0), "") }

// indented puts lines at a column and joins them.
func (w *writer) indented(lines []string, column int) string {
	var b bytes.Buffer
	for i, l := range lines {
		if i > 0 {
			b.WriteString(w.eol)
		}
		if l != "" {
			b.WriteString(spaces(column))
			b.WriteString(l)
		}
	}
	return b.String()
}

// after adds whole lines behind the line of p, or at p where a line starts.
func (w *writer) linesAt(p, column int, lines []string, last *yaml.Node) {
	text := w.indented(lines, column)
	if p == lineStart(w.src, p) && (p < len(w.src) || p == 0 || len(w.src) > 0 && endsInBreak(w.src)) {
		w.edit(p, p, text+w.eol)
		return
	}
	if opens(last) {
		text += w.eol // the value of a literal ends in a break
	}
	w.edit(p, p, w.eol+text)
}

func endsInBreak(src []byte) bool { return lineStart(src, len(src)) == len(src) }

// unended gives a block scalar that ends with the file, without a break, a
// header that lets lines follow it (YAML 1.2.2, section 8.1.1.2).
func (w *writer) unended(n *yaml.Node) {
	for n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 || endsInBreak(w.src) {
		return
	}
	start, end := w.Body(n), w.Of(n).End
	if end != len(w.src) || slices.ContainsFunc(w.edits, func(e Edit) bool { return e.Start < end && e.End > start }) {
		return
	}
	head := w.header(start)
	kept := bytes.Trim(w.src[start+1:head], "+-")
	w.edit(start+1, head, string(kept)+"-")
}

// header is the offset behind the indicators of a block scalar.
func (w *writer) header(p int) int {
	for p++; p < len(w.src) && bytes.IndexByte([]byte("+-0123456789"), w.src[p]) >= 0; p++ {
	}
	return p
}
