package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

func TestPositions(t *testing.T) {
	t.Parallel()
	text := source.New([]byte("\ufeffa: 名x\r\nb\rc\u0085d\u2028e\n"))
	for _, c := range []struct{ line, column, offset int }{
		{1, 1, 3}, {1, 4, 6}, {1, 5, 9}, {2, 1, 12}, {3, 1, 14}, {4, 1, 17}, {5, 1, 21}, {6, 1, 23},
	} {
		if got := text.Offset(c.line, c.column); got != c.offset {
			t.Errorf("Offset(%d, %d) = %d, want %d", c.line, c.column, got, c.offset)
		}
		if line, column := text.Position(c.offset); line != c.line || column != c.column {
			t.Errorf("Position(%d) = %d:%d, want %d:%d", c.offset, line, column, c.line, c.column)
		}
	}
}

// hard are streams that split in ways that are easy to get wrong.
var hard = []string{
	"", "\n", "# c\n", "---", "---\n", "---\n---\n", "--- # c\na: 1\n", "--- {a: b}\n", "--- |\n text\n--- >-\n x\n",
	"a: 1\n...\n# tail\n", "a: 1\n...\n---\nb: 2\n", "a: 1\n... # c\nb: 2\n", "# p\n%YAML 1.1\n---\na: 1\n",
	"# licence\n\n---\n# more\na: 1\n---\n\n---\nb: 2", "\ufeff---\na: 1\r\n---\r\nb: 2\r\n", "---a: 1\n", "a: |\n  ---\n  x\nb: 1\n",
	"{\"a\": [1, 2]}\n", "a: 1\n---", "a: 1\r---\rb: 2\r", "a: 1\u2028---\u2028b: 2\n", "---\t\na: 1\n", "...\n", "...\n...\na: 1\n",
	"- a\n...\n...\n- b\n", "a: \"x\n ---\n y\"\n", "--- !!map\na: b\n", "--- &a\n", "--- ~\n", "a: 1\n... b\n", "[a]\nb\n", "{a: 1}\n{b: 1}\n",
	"a: &x 1\n---\nb: *x\n", "%TAG ! tag:x,2000:\n---\na: !y z\n", "x: 1\n%YAML 1.2\n---\n", "\"a\u0085--- b\"", "a: 1\n\ufeff---\nb: 1\n",
	"0000\n---\n0: \ufeff\n0", "a: \"x\ufeffy\"\n",
}

func TestDocumentsAgreeWithTheParser(t *testing.T) {
	t.Parallel()
	for _, src := range hard {
		agree(t, src, []byte(src))
	}
}

func TestDocumentsOfTheCorpus(t *testing.T) {
	t.Parallel()
	files, documents := 0, 0
	corpus.Manifests(t, func(name string, src []byte) {
		crlf := bytes.ReplaceAll(src, []byte("\n"), []byte("\r\n"))
		for _, v := range [][]byte{src, crlf, append([]byte(source.BOM), src...), bytes.TrimRight(src, "\n")} {
			files++
			documents += agree(t, name, v)
		}
	})
	t.Logf("%d texts, %d documents", files, documents)
}

func FuzzDocuments(f *testing.F) {
	for _, src := range hard {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) < 1<<16 {
			agree(t, fmt.Sprintf("%q", src), src)
			spansTile(t, fmt.Sprintf("%q", src), src)
		}
	})
}

// agree compares the documents, decoded one by one, with those that one
// decoder of the whole text gives. Where a document is refused the decoder may
// be more lenient: it keeps anchors over documents and reads on behind ones
// that end without a marker.
func agree(t *testing.T, name string, src []byte) int {
	t.Helper()
	text := source.New(src)
	docs := text.Documents()
	var got []*yaml.Node
	for _, d := range docs {
		root, err := text.Parse(d)
		if err != nil {
			var s *source.SyntaxError
			if !errors.As(err, &s) || s.Line < 1 || s.Column < 1 || s.Message == "" {
				t.Fatalf("%s: %v", name, err)
			}
			return 0
		}
		got = append(got, root)
	}
	want, err := decode(src)
	if err != nil && (bytes.Contains(src, []byte("...")) || len(docs) == 0) {
		return 0 // YAML 1.2 allows more behind ... than the parser of a stream does
	}
	if err != nil {
		t.Fatalf("%s: every document parses, the whole does not: %v", name, err)
	}
	if len(want) != len(got) {
		t.Fatalf("%s: %d documents, the parser has %d", name, len(got), len(want))
	}
	for i := range want {
		if err := equal(got[i], want[i]); err != nil {
			t.Fatalf("%s: document %d: %v", name, i, err)
		}
	}
	return len(docs)
}

func decode(src []byte) (roots []*yaml.Node, err error) {
	for decoder := yaml.NewDecoder(bytes.NewReader(src)); ; {
		var n yaml.Node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			return nil, err
		}
		roots = append(roots, n.Content[0])
	}
}

func equal(got, want *yaml.Node) error {
	if got == nil {
		if want.Kind == yaml.ScalarNode && want.ShortTag() == "!!null" && want.Value == "" {
			return nil
		}
		return fmt.Errorf("empty, the parser has %q", want.Value)
	}
	if got.Kind != want.Kind || got.Value != want.Value || got.Tag != want.Tag || got.Style != want.Style || len(got.Content) != len(want.Content) {
		return fmt.Errorf("%d:%d: %q, the parser has %q", got.Line, got.Column, got.Value, want.Value)
	}
	if got.Line != want.Line || got.Column != want.Column {
		return fmt.Errorf("%q is at %d:%d, the parser has it at %d:%d", got.Value, got.Line, got.Column, want.Line, want.Column)
	}
	for i := range got.Content {
		if err := equal(got.Content[i], want.Content[i]); err != nil {
			return err
		}
	}
	return nil
}

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", source.MaxDepth+2) + strings.Repeat("]", source.MaxDepth+2)
	for _, c := range []struct {
		src       string
		line, col int
	}{
		{"a: 1\n---\nb: [\n", 4, 1},
		{"a: 1\n---\nb: c: d\n", 3, 1},
		{"a: 1\nb:\n- c\n d: e\n", 4, 1},
		{"a: 1\nb: \x01\n", 2, 4},
		{"a: 1\nb: \xff\n", 2, 4},
		{"x: *nobody\n", 1, 1},
		{deep, 1, source.MaxDepth + 2},
	} {
		text := source.New([]byte(c.src))
		docs := text.Documents()
		_, err := text.Parse(docs[len(docs)-1])
		var s *source.SyntaxError
		if !errors.As(err, &s) {
			t.Errorf("%.20q: got %v, want a SyntaxError", c.src, err)
		} else if s.Line != c.line || s.Column != c.col {
			t.Errorf("%.20q: %v, want it at %d:%d", c.src, s, c.line, c.col)
		}
	}
}

func BenchmarkDocuments(b *testing.B) {
	src := bytes.Repeat([]byte("---\n# c\napiVersion: v1\nkind: ConfigMap\ndata:\n  key: value of some length\n"), 10000)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if n := len(source.New(src).Documents()); n != 10000 {
			b.Fatal(n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: {a: b}\ndata:\n  key: value of some length\n")
	text := source.New(src)
	d := text.Documents()[0]
	b.ReportAllocs()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := text.Parse(d); err != nil {
			b.Fatal(err)
		}
	}
}
