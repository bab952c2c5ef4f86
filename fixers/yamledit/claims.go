package yamledit

import (
	"bytes"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/source"
)

// foreign are the words by which comments tell that another tool writes, or
// reads, the line they stand on or above.
var foreign = []string{
	"$imagepolicy", "kpt-set", "renovate:", "x-release-please", "yaml-language-server",
	"checkov:skip", "kics-scan", "trivy:ignore", "nosemgrep", "kube-linter",
}

// HasClaims tells whether some comment of a file may claim a line.
func HasClaims(src []byte) bool {
	return slices.ContainsFunc(foreign, func(word string) bool { return bytes.Contains(src, []byte(word)) })
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
