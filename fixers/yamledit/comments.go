package yamledit

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// comment is one comment of a document.
type comment struct {
	offset int
	text   string // with its sign, without blanks behind
}

// comments are the comments of a document in order: what begins with # behind
// a blank or a break, outside of all scalars (YAML 1.2.2, section 6.6).
func comments(t *source.Text, spans *source.Spans, d source.Document, root *yaml.Node) []comment {
	src := t.Bytes()
	var leaves []source.Span
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && source.Written(n) {
			body, end := spans.Body(n), spans.Of(n).End
			if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
				body = min(nextLine(src, body), end) // its header may have one
			}
			leaves = append(leaves, source.Span{Start: body, End: end})
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	if root != nil {
		walk(root)
	}
	slices.SortFunc(leaves, func(a, b source.Span) int { return a.Start - b.Start })
	leaves = append(leaves, source.Span{Start: d.End, End: d.End})
	var out []comment
	p := d.Start
	for _, leaf := range leaves {
		for p < leaf.Start {
			if src[p] != '#' || p > d.Start && !source.Blank(src[p-1]) && bytes.IndexByte([]byte("}],:"), src[p-1]) < 0 && lineStart(src, p) != p {
				p++
				continue
			}
			end := lineEnd(src, p)
			out = append(out, comment{p, strings.TrimRight(string(src[p:end]), " \t")})
			p = end
		}
		p = max(p, leaf.End)
	}
	return out
}

// sameComments refuses an edit that loses a comment or makes one.
func sameComments(before *source.Text, was source.Document, root *yaml.Node, after *source.Text, is source.Document, got, want *yaml.Node) error {
	spans := before.Spans()
	count := map[string]int{}
	for _, c := range comments(after, after.Spans(), is, got) {
		count[c.text]++
	}
	var lost []comment
	old := comments(before, spans, was, root)
	for _, c := range old {
		if count[c.text]--; count[c.text] < 0 {
			lost = append(lost, c)
		}
	}
	if len(lost) > 0 {
		// Equal comments are one to count: any of them may have gone with its value.
		gone := removed(before, spans, root, want)
		may := map[string]int{}
		for _, c := range old {
			if slices.ContainsFunc(gone, func(s source.Span) bool { return s.Start <= c.offset && c.offset < s.End }) {
				may[c.text]++
			}
		}
		for _, c := range lost {
			if may[c.text]--; may[c.text] < 0 {
				line, _ := before.Position(c.offset)
				return refusal(Unproved, line, "the comment %q would be lost", c.text)
			}
		}
	}
	for text, n := range count {
		if n > 0 {
			return refusal(Unproved, is.Line, "the comment %q would be new", text)
		}
	}
	return nil
}

// removed is where the values stand that want has no more, with the comments
// directly above and behind them.
func removed(t *source.Text, spans *source.Spans, root, want *yaml.Node) []source.Span {
	src := t.Bytes()
	stays := map[*yaml.Node]*yaml.Node{}
	lockstep(root, want, func(b, a *yaml.Node) { stays[b] = a })
	var out []source.Span
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		var els []element
		if n.Kind == yaml.SequenceNode {
			els = items(src, spans, n)
		}
		for i, c := range n.Content {
			a := stays[c]
			if a != nil && (len(c.Content) == 0 && a.Kind == c.Kind || slices.ContainsFunc(c.Content, func(k *yaml.Node) bool { return stays[k] != nil })) {
				walk(c)
				continue
			}
			s := spans.Of(c)
			from := s.Start
			column := from - lineStart(src, from)
			switch {
			case n.Kind == yaml.SequenceNode:
				s.Start, s.End = els[i].start, els[i].end
				column = s.Start - lineStart(src, s.Start)
				from = s.Start
			case i%2 == 1:
				s.End = max(s.End, spans.PairEnd(n, i-1))
				key := spans.Of(n.Content[i-1])
				column = n.Content[i-1].Column - 1
				from = min(from, nextLine(src, key.End)) // the comment behind the key is the key's
				if a == nil {
					from = key.Start
				}
			}
			if a == nil {
				from = headComment(src, lineStart(src, from), column, 0)
			}
			out = append(out, source.Span{Start: from, End: max(tail(src, s.End, column, true), s.End)})
		}
	}
	walk(root)
	return out
}
