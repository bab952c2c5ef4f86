package yamledit_test

import (
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
	"github.com/oakum-dev/oakum/fixers/yamledit"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

// sample is one document of the folder of real manifests and a change of it.
type sample struct {
	text        *source.Text
	index       int
	root, after *yaml.Node
	edited      []byte
}

func samples(b *testing.B) []sample {
	b.Helper()
	var out []sample
	corpus.Manifests(b, func(_ string, src []byte) {
		text := source.New(src)
		docs := text.Documents()
		if len(docs) == 0 || len(src) > 50_000 || len(out) == 500 {
			return
		}
		root, err := text.Parse(docs[0])
		if err != nil || root == nil || root.Kind != yaml.MappingNode {
			return
		}
		after := yamledit.Clone(root)
		deep := after
		for deep.Content[len(deep.Content)-1].Kind == yaml.MappingNode && len(deep.Content[len(deep.Content)-1].Content) > 0 {
			deep = deep.Content[len(deep.Content)-1]
		}
		deep.Content = append(deep.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "added"}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
		edits, err := yamledit.Rewrite(text, root, after)
		if err != nil {
			return
		}
		edited, err := yamledit.Apply(src, edits)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, sample{text, 0, root, after, edited})
	})
	return out
}

// BenchmarkRewrite adds one key, deep in a document: a document an operation.
func BenchmarkRewrite(b *testing.B) {
	all := samples(b)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		s := all[i%len(all)]
		if _, err := yamledit.Rewrite(s.text, s.root, s.after); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify proves the same edits: both texts are parsed and compared.
func BenchmarkVerify(b *testing.B) {
	all := samples(b)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		s := all[i%len(all)]
		if err := yamledit.Verify(s.text.Bytes(), s.edited, map[int]*yaml.Node{s.index: s.after}); err != nil {
			b.Fatal(err)
		}
	}
}
