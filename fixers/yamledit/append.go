package yamledit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// AppendDocuments returns the edits that add documents, one or more, to the end
// of a file, in the style of the last one. A JSON file holds one document: a Refusal.
func AppendDocuments(t *source.Text, nodes ...*yaml.Node) ([]Edit, error) {
	src := t.Bytes()
	docs := t.Documents()
	w := &writer{src: src, style: style{eol: dominantBreak(src), step: 2, sequence: 2, width: 2}}
	var last *yaml.Node
	for _, d := range docs {
		root, err := t.Parse(d)
		if err != nil {
			return nil, err
		}
		if root != nil {
			last = root
		}
	}
	if last != nil {
		w = newWriter(t, last)
		w.width = 2
	}
	if w.json {
		return nil, refusal(Unproved, last.Line, "a JSON file holds one document")
	}
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = strings.Join(w.document(n), w.eol) + w.eol
	}
	text := strings.Join(parts, "---"+w.eol)
	if len(docs) > 0 || bytes.HasPrefix(src, []byte("---")) {
		text = "---" + w.eol + text
	}
	if !endsInBreak(src) && len(src) > 0 {
		if last != nil {
			w.unended(last)
		}
		text = w.eol + strings.TrimSuffix(text, w.eol)
		if opens(nodes[len(nodes)-1]) {
			text += w.eol
		}
	}
	w.edit(len(src), len(src), text)
	return w.finish(), nil
}
