package source_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

func TestSpans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		src   string
		spans []string // of every node, parents first
	}{
		{"a: 1 # c\nb:  'x''y' \n", []string{"a: 1 # c\nb:  'x''y'", "a", "1", "b", "'x''y'"}},
		{"a: \"x\\\"y\" # \"\n", []string{"a: \"x\\\"y\"", "a", "\"x\\\"y\""}},
		{"a: one\n  two\n\n  three # c\n", []string{"a: one\n  two\n\n  three", "a", "one\n  two\n\n  three"}},
		{"a: |\n  x\n\n# c\n", []string{"a: |\n  x", "a", "|\n  x"}},
		{"a: |+ # c\n  x\n\nb: 1\n", []string{"a: |+ # c\n  x\n\nb: 1", "a", "|+ # c\n  x\n", "b", "1"}},
		{"a: >-\n  x\n  y\n\n\n  z\n", []string{"a: >-\n  x\n  y\n\n\n  z", "a", ">-\n  x\n  y\n\n\n  z"}},
		{"a: |2\n   x\n    \n", []string{"a: |2\n   x\n    ", "a", "|2\n   x\n    "}},
		{"a: |\nb: |-\n", []string{"a: |\nb: |-", "a", "|", "b", "|-"}},
		{"a:   # c\nb:\n", []string{"a:   # c\nb:", "a", "", "b", ""}},
		{"- \n-\n", []string{"- \n-", "", ""}},
		{"a: &x !!map # c\n  b: *x\n", []string{"a: &x !!map # c\n  b: *x", "a", "&x !!map # c\n  b: *x", "b", "*x"}},
		{"a: &x\nb: !!null\n", []string{"a: &x\nb: !!null", "a", "&x", "b", "!!null"}},
		{"{a: [b, {c: }], # ]\n d}", []string{"{a: [b, {c: }], # ]\n d}", "a", "[b, {c: }]", "b", "{c: }", "c", "", "d", ""}},
		{"[a: b, {c: d}: e, ]", []string{"[a: b, {c: d}: e, ]", "a: b", "a", "b", "{c: d}: e", "{c: d}", "c", "d", "e"}},
		{"名: {\"é\": 'ü'} \n", []string{"名: {\"é\": 'ü'}", "名", "{\"é\": 'ü'}", "\"é\"", "'ü'"}},
		{"- - a\n  - b\n", []string{"- - a\n  - b", "- a\n  - b", "a", "b"}},
		{"\ufeffa: b", []string{"a: b", "a", "b"}},
		{"a: x\u2028  y\r\nb: z", []string{"a: x\u2028  y\r\nb: z", "a", "x\u2028  y", "b", "z"}},
	} {
		text := source.New([]byte(c.src))
		root, err := text.Parse(text.Documents()[0])
		if err != nil {
			t.Errorf("%q: %v", c.src, err)
			continue
		}
		var got []string
		var walk func(*yaml.Node)
		walk = func(n *yaml.Node) {
			s := text.Span(n)
			got = append(got, c.src[s.Start:s.End])
			for _, k := range n.Content {
				walk(k)
			}
		}
		walk(root)
		if !slices.Equal(got, c.spans) {
			t.Errorf("%q:\n got %q\nwant %q", c.src, got, c.spans)
		}
	}
}

func TestSpansOfTheCorpus(t *testing.T) {
	t.Parallel()
	nodes := 0
	corpus.Manifests(t, func(name string, src []byte) {
		nodes += spansTile(t, name, src)
		nodes += spansTile(t, name, []byte(strings.ReplaceAll(string(src), "\n", "\r\n")))
	})
	t.Logf("%d nodes", nodes)
}

// spansTile checks that what stands between the scalars of a document is
// syntax and comments only, and that every collection holds its parts.
func spansTile(t *testing.T, name string, src []byte) (nodes int) {
	t.Helper()
	text := source.New(src)
	for _, d := range text.Documents() {
		root, err := text.Parse(d)
		if err != nil || root == nil {
			continue
		}
		spans := text.Spans()
		var leaves []source.Span
		var walk func(n *yaml.Node, within source.Span)
		walk = func(n *yaml.Node, within source.Span) {
			nodes++
			s := spans.Of(n)
			if s.Start > s.End || source.Written(n) && (s.Start < within.Start || s.End > within.End) {
				t.Fatalf("%s: %d:%d: span %v is not within %v", name, n.Line, n.Column, s, within)
			}
			if source.Written(n) && len(n.Content) == 0 && n.Style&yaml.FlowStyle == 0 {
				leaves = append(leaves, source.Span{Start: spans.Body(n), End: s.End})
			}
			for _, c := range n.Content {
				walk(c, s)
			}
		}
		walk(root, source.Span{Start: d.Start, End: d.End})
		slices.SortFunc(leaves, func(a, b source.Span) int { return cmp.Compare(a.Start, b.Start) })
		at := d.Start
		for _, l := range append(leaves, source.Span{Start: d.End, End: d.End}) {
			if l.Start < at {
				t.Fatalf("%s: spans overlap at byte %d", name, l.Start)
			}
			if err := onlySyntax(string(src[at:l.Start])); err != nil {
				t.Fatalf("%s: behind byte %d: %v", name, at, err)
			}
			at = l.End
		}
	}
	return nodes
}

func onlySyntax(gap string) error {
	gap = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n", source.BOM, " ").Replace(gap)
	for line := range strings.Lines(gap) {
		if strings.HasPrefix(line, "%") || strings.HasPrefix(line, "...") {
			continue
		}
		for _, r := range line {
			if strings.ContainsRune("#&!", r) {
				break // comments, anchors and tags
			}
			if !strings.ContainsRune(" \t\n:-?,{}[]", r) {
				return fmt.Errorf("%q is not syntax", line)
			}
		}
	}
	return nil
}
