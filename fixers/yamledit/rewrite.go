package yamledit

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// Edit replaces the bytes [Start,End) of a file by Text.
type Edit struct {
	Start, End int
	Text       string
}

// Refusal is an edit that is not made. Reason is one of the words that plans print.
type Refusal struct {
	Reason string
	Detail string
	Line   int
}

func (r *Refusal) Error() string { return fmt.Sprintf("line %d: %s", r.Line, r.Detail) }

// Reasons of a Refusal.
const (
	SharedAnchor = "shared-anchor"
	Unproved     = "unproved"
)

// Rewrite returns the smallest edits that turn one document of a file, whose
// parsed content is root, into after: a changed copy of root. Order of keys is
// kept as written; new keys go where after has them.
func Rewrite(t *source.Text, root, after *yaml.Node) ([]Edit, error) {
	w := &writer{shared: aliasUsers(root)}
	w.spans = spans{src: t.Bytes(), offset: t.Offset, ends: map[*yaml.Node]int{}}
	w.eol = dominantBreak(w.src)
	w.json = isJSON(root, w.src)
	w.sequenceIndent = sequenceIndent(root)
	w.step = indentStep(root)
	w.value(place{column: -1}, root, after)
	if w.err != nil {
		return nil, w.err
	}
	slices.SortStableFunc(w.edits, compare)
	return w.edits, nil
}

type writer struct {
	spans
	shared         map[*yaml.Node][]int // anchored node -> lines of its aliases
	edits          []Edit
	err            error
	eol            string
	json           bool
	step           int // columns of one level
	sequenceIndent int // columns from a key to the dashes of its list
}

// place is where a value stands.
type place struct {
	key    *yaml.Node // nil for items and the root
	column int        // of the key or dash, 0-based; -1 for the root
	flow   bool
}

func (w *writer) refuse(reason string, n *yaml.Node, format string, args ...any) {
	if w.err == nil {
		w.err = &Refusal{Reason: reason, Line: n.Line, Detail: fmt.Sprintf(format, args...)}
	}
}

func (w *writer) edit(start, end int, text string) {
	w.edits = append(w.edits, Edit{start, end, text})
}

// value turns one value into another.
func (w *writer) value(at place, b, a *yaml.Node) {
	if w.err != nil || same(b, a) {
		return
	}
	if lines := w.shared[b]; len(lines) > 0 {
		w.refuse(SharedAnchor, b, "the value at anchor &%s is used by aliases on lines %v too: changing it changes all of them", b.Anchor, lines)
		return
	}
	if b.Kind == yaml.AliasNode {
		w.refuse(SharedAnchor, b, "the value is the alias *%s: its bytes stand at the anchor on line %d", b.Value, b.Alias.Line)
		return
	}
	flow := at.flow || b.Style&yaml.FlowStyle != 0
	switch {
	case b.Kind == yaml.MappingNode && a.Kind == yaml.MappingNode && len(b.Content) > 0 && len(a.Content) > 0:
		if dup := duplicate(b); dup != nil {
			w.refuse(Unproved, dup, "key %q is given twice in the mapping that would change", dup.Value)
			return
		}
		w.mapping(flow, b, a)
	case b.Kind == yaml.SequenceNode && a.Kind == yaml.SequenceNode && len(b.Content) > 0 && len(a.Content) > 0:
		w.sequence(flow, b, a)
	default:
		w.replace(at, b, a)
	}
}

func (w *writer) mapping(flow bool, b, a *yaml.Node) {
	for i := 0; i+1 < len(b.Content); i += 2 {
		if j := find(a, b.Content[i].Value); j >= 0 {
			w.value(place{key: b.Content[i], column: b.Content[i].Column - 1, flow: flow}, b.Content[i+1], a.Content[j+1])
		}
	}
	removed := func(i int) bool { return find(a, b.Content[i].Value) < 0 }
	for i := 0; i+1 < len(b.Content); i += 2 {
		if removed(i) {
			w.removePair(flow, b, i, removed)
		}
	}
	// New keys go behind the kept key that they follow.
	behind := -1
	for j := 0; j+1 < len(a.Content); j += 2 {
		if i := find(b, a.Content[j].Value); i >= 0 {
			behind = i
			continue
		}
		w.insertPair(flow, b, w.settle(flow, b, behind), a.Content[j], a.Content[j+1])
	}
}

// settle moves a new last key before the old one where the old one's line
// would change with it: it has no comma yet, or the file ends on it.
func (w *writer) settle(flow bool, b *yaml.Node, behind int) int {
	if behind != len(b.Content)-2 || behind < 0 {
		return behind
	}
	switch {
	case flow && strings.HasPrefix(w.between(b), w.eol), !flow && behind > 0 && nextLine(w.src, w.end(b)) == lineEnd(w.src, w.end(b)):
		return behind - 2
	}
	return behind
}

func (w *writer) insertPair(flow bool, b *yaml.Node, behind int, key, value *yaml.Node) {
	if flow {
		w.insertFlow(b, behind, w.json || quotedKeys(b), key, value)
		return
	}
	column := b.Content[0].Column - 1
	text := w.pair(key, value)
	if behind >= 0 {
		w.insertAfter(w.pairEnd(b, behind), column, w.indent(text, column), b.Content[behind+1])
		return
	}
	first := w.start(b.Content[0])
	line := lineStart(w.src, first)
	if strings.TrimSpace(string(w.src[line:first])) != "" {
		// The first key shares its line with a dash.
		w.edit(first, first, strings.TrimLeft(w.indent(text, column), " ")+w.eol+strings.Repeat(" ", column))
		return
	}
	at := w.aboveComments(line, column)
	if at == 0 || at != line && column == 0 {
		w.insertAfter(w.pairEnd(b, 0), column, w.indent(text, column), b.Content[1])
		return
	}
	w.edit(at, at, w.indent(text, column)+w.eol)
}

// aboveComments is the start of the comment block right above a line, or of
// the line itself.
func (w *writer) aboveComments(line, column int) int {
	for line > 0 {
		prev := lineStart(w.src, prevLine(w.src, line))
		text := w.src[prev:lineEnd(w.src, prev)]
		body := bytes.TrimLeft(text, " \t")
		if len(body) == 0 || body[0] != '#' || len(text)-len(body) != column {
			return line
		}
		line = prev
	}
	return line
}

// prevLine is an offset inside the line before the one that starts at p.
func prevLine(src []byte, p int) int {
	if p >= 2 && src[p-1] == '\n' && src[p-2] == '\r' {
		return p - 2
	}
	return p - 1
}

// pairEnd is the end of a pair of a block mapping.
func (w *writer) pairEnd(b *yaml.Node, i int) int {
	v := b.Content[i+1]
	e := w.end(v)
	if implicit(v) {
		key := w.end(b.Content[i])
		if c := bytes.IndexByte(w.src[key:], ':'); c >= 0 {
			e = max(e, key+c+1)
		}
	}
	return e
}

// insertAfter adds whole lines behind the physical line that holds end, and
// behind comments that are indented deeper than column: they belong to what
// stands above.
func (w *writer) insertAfter(end, column int, lines string, above *yaml.Node) {
	if n := lastScalar(above); n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		for {
			next := nextLine(w.src, end)
			if next >= len(w.src) || next == end {
				break
			}
			text := w.src[next:lineEnd(w.src, next)]
			body := bytes.TrimLeft(text, " \t")
			if len(body) == 0 || body[0] != '#' || len(text)-len(body) <= column {
				break
			}
			end = next
		}
	}
	at := lineEnd(w.src, end)
	if next := nextLine(w.src, at); next > at {
		w.edit(next, next, lines+w.eol)
		return
	}
	w.edit(at, at, w.eol+lines)
}

func lastScalar(n *yaml.Node) *yaml.Node {
	for n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return n
}

func (w *writer) removePair(flow bool, b *yaml.Node, i int, removed func(int) bool) {
	if flow {
		w.removeFlow(b, i, i+1, 2)
		return
	}
	key := b.Content[i]
	start, line := w.start(key), lineStart(w.src, w.start(key))
	if strings.TrimSpace(string(w.src[line:start])) != "" {
		// It shares its line with a dash: the next key that stays moves up.
		j := i + 2
		for j < len(b.Content) && removed(j) {
			j += 2
		}
		if j >= len(b.Content) {
			w.refuse(Unproved, key, "removing the only key of the item")
			return
		}
		next := w.start(b.Content[j])
		if bytes.IndexByte(w.src[w.pairEnd(b, j-2):next], '#') >= 0 {
			w.refuse(Unproved, key, "a comment stands between the key to remove and the next one")
			return
		}
		w.edit(start, next, "")
		return
	}
	if prev := i - 2; prev >= 0 && removed(prev) && w.firstOnDash(b) && allRemoved(b, prev, removed) {
		return // removed together with the first key
	}
	w.removeLines(w.aboveComments(line, key.Column-1), w.pairEnd(b, i))
}

func (w *writer) firstOnDash(b *yaml.Node) bool {
	start := w.start(b.Content[0])
	return strings.TrimSpace(string(w.src[lineStart(w.src, start):start])) != ""
}

func allRemoved(b *yaml.Node, upto int, removed func(int) bool) bool {
	for i := 0; i <= upto; i += 2 {
		if !removed(i) {
			return false
		}
	}
	return true
}

// removeLines deletes the physical lines of [start,end].
func (w *writer) removeLines(start, end int) {
	stop := nextLine(w.src, end)
	if stop == lineEnd(w.src, end) && start > 0 {
		start = lineEnd(w.src, prevLine(w.src, start)) // no final newline: take the break before
	}
	w.edit(start, stop, "")
}

func (w *writer) sequence(flow bool, b, a *yaml.Node) {
	pairs := align(b.Content, a.Content)
	kept := map[int]int{} // index in a -> index in b
	for i, j := range pairs {
		if j >= 0 {
			kept[j] = i
			w.value(place{column: w.dash(b, i), flow: flow}, b.Content[i], a.Content[j])
		} else if flow {
			w.removeFlow(b, i, i, 1)
		} else {
			w.removeItem(b, i)
		}
	}
	behind := -1
	for j, n := range a.Content {
		if i, ok := kept[j]; ok {
			behind = i
			continue
		}
		if flow {
			w.insertFlow(b, behind, w.json, nil, n)
			continue
		}
		column := w.dash(b, max(behind, 0))
		text := w.item(n)
		if behind >= 0 {
			w.insertAfter(w.end(b.Content[behind]), column, w.indent(text, column), b.Content[behind])
			continue
		}
		dash := w.dashAt(b, 0)
		line := lineStart(w.src, dash)
		if strings.TrimSpace(string(w.src[line:dash])) != "" {
			w.edit(dash, dash, strings.TrimLeft(w.indent(text, column), " ")+w.eol+strings.Repeat(" ", column))
			continue
		}
		at := w.aboveComments(line, column)
		w.edit(at, at, w.indent(text, column)+w.eol)
	}
}

// dashAt is the offset of the dash of an item.
func (w *writer) dashAt(b *yaml.Node, i int) int {
	if i == 0 {
		return w.body(b)
	}
	p := w.start(b.Content[i])
	if implicit(b.Content[i]) {
		return bytes.LastIndexByte(w.src[:p], '-')
	}
	for q := p - 1; q >= 0; q-- {
		if w.src[q] == '-' {
			// Not a dash inside a comment between dash and item.
			if line := w.src[lineStart(w.src, q):q]; bytes.IndexByte(line, '#') < 0 {
				return q
			}
		}
	}
	return p
}

func (w *writer) dash(b *yaml.Node, i int) int {
	if b.Style&yaml.FlowStyle != 0 {
		return b.Column - 1
	}
	d := w.dashAt(b, i)
	return len([]rune(string(w.src[lineStart(w.src, d):d])))
}

func (w *writer) removeItem(b *yaml.Node, i int) {
	dash := w.dashAt(b, i)
	line := lineStart(w.src, dash)
	if strings.TrimSpace(string(w.src[line:dash])) != "" {
		w.refuse(Unproved, b.Content[i], "the item shares its line with the list above it")
		return
	}
	w.removeLines(w.aboveComments(line, w.dash(b, i)), max(w.end(b.Content[i]), dash+1))
}

func (w *writer) replace(at place, b, a *yaml.Node) {
	start, end := w.start(b), w.end(b)
	if b.Anchor != "" || w.body(b) != start && b.Kind != yaml.ScalarNode {
		start = w.body(b)
	}
	blockBefore := b.Kind != yaml.ScalarNode && b.Style&yaml.FlowStyle == 0
	blockAfter := !at.flow && !w.json && a.Kind != yaml.ScalarNode && a.Style&yaml.FlowStyle == 0 && len(a.Content) > 0
	switch {
	case at.flow || w.json:
		w.edit(start, end, w.flow(a))
	case !blockBefore && !blockAfter:
		text := w.inline(a, b)
		if start == end && start > 0 && !isBlank(w.src[start-1]) && !isBreak(w.src[start-1]) {
			text = " " + text
		}
		w.edit(start, end, text)
	case !blockBefore && at.key != nil:
		// key: {}   # why
		s := start
		for s > 0 && isBlank(w.src[s-1]) {
			s--
		}
		w.edit(s, end, "")
		w.insertAfter(end, at.column, w.indent(w.block(at.column, a), at.column), &yaml.Node{Kind: yaml.ScalarNode})
	case blockBefore && at.key != nil:
		colon := bytes.IndexByte(w.src[w.end(at.key):], ':') + w.end(at.key) + 1
		if blockAfter {
			line := lineStart(w.src, start)
			w.edit(line, end, w.indent(w.block(at.column, a), at.column))
			return
		}
		w.edit(colon, colon, " "+w.inline(a, b))
		w.removeLines(nextLine(w.src, colon), end)
	case blockAfter:
		w.edit(start, end, strings.TrimLeft(w.indent(strings.Join(w.lines(a), "\n"), at.column+2), " "))
	default:
		w.edit(start, end, w.inline(a, b))
	}
}

// compare puts an insertion before the removal of what stands behind it.
func compare(a, b Edit) int { return cmp.Or(a.Start-b.Start, a.End-b.End) }
