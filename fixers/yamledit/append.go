package yamledit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// AppendDocument returns the edits that add a document to the end of a file,
// in the style of the last one. A JSON file holds one document: a Refusal.
func AppendDocument(t *source.Text, n *yaml.Node) ([]Edit, error) {
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
	text := strings.Join(w.document(n), w.eol) + w.eol
	if len(docs) > 0 || bytes.HasPrefix(src, []byte("---")) {
		text = "---" + w.eol + text
	}
	if !endsInBreak(src) && len(src) > 0 {
		if last != nil {
			w.unended(last)
		}
		text = w.eol + strings.TrimSuffix(text, w.eol)
		if opens(n) {
			text += w.eol
		}
	}
	w.edit(len(src), len(src), text)
	return w.finish(), nil
}

// foreign are the words by which comments tell that another tool writes, or
// reads, the line they stand on or above.
var foreign = []string{
	"$imagepolicy", "kpt-set", "renovate:", "x-release-please", "yaml-language-server",
	"checkov:skip", "kics-scan", "trivy:ignore", "nosemgrep", "kube-linter",
}

// Claimed lists the lines (from 1) that the edits touch and that a comment
// claims for another tool, on the line itself or, for renovate, above it: a
// person should judge such an edit.
func Claimed(t *source.Text, edits []Edit) []int {
	src := t.Bytes()
	var out []int
	for _, e := range edits {
		if e.Start == e.End && strings.Contains(e.Text, "\n") {
			continue // whole lines come between
		}
		p := lineStart(src, e.Start)
		if above := lineStart(src, max(p-1, 0)); p > 0 && bytes.Contains(src[above:p], []byte("renovate:")) {
			p = above
		}
		for ; p <= e.End; p = nextLine(src, p) {
			text := src[p:lineEnd(src, p)]
			comment := bytes.IndexByte(text, '#')
			for _, word := range foreign {
				if number, _ := t.Position(p); comment >= 0 && bytes.Contains(text[comment:], []byte(word)) && (len(out) == 0 || out[len(out)-1] != number) {
					out = append(out, number)
				}
			}
			if nextLine(src, p) == p || nextLine(src, p) >= e.End {
				break
			}
		}
	}
	return out
}
