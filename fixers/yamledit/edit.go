// Package yamledit changes YAML and JSON files by the smallest edits of their bytes.
//
// Files are never encoded again. A desired state is a changed copy (Clone) of a
// document's parsed tree; Rewrite finds what differs and gives the splices that
// realise just that in the style of the file; Verify proves the result. What
// cannot be done safely is refused with a reason, never guessed.
package yamledit

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Edit replaces the bytes [Start,End) of a file by Text.
type Edit struct {
	Start, End int
	Text       string
}

// Apply makes the edits on a copy of src. Edits that overlap, or that reach
// out of src, are an error. Insertions at one offset keep their order.
func Apply(src []byte, edits []Edit) ([]byte, error) {
	edits = slices.Clone(edits)
	sortEdits(edits)
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(src) {
			return nil, fmt.Errorf("applying edits: they overlap or leave the file at byte %d", e.Start)
		}
		out.Write(src[at:e.Start])
		out.WriteString(e.Text)
		at = e.End
	}
	out.Write(src[at:])
	return out.Bytes(), nil
}

func sortEdits(edits []Edit) {
	slices.SortStableFunc(edits, func(a, b Edit) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
	})
}

// Reasons of a Refusal, as plans print them.
const (
	SharedAnchor = "shared-anchor" // the bytes are used by aliases too
	Template     = "template"      // the text is a template, not YAML
	Encrypted    = "encrypted"     // SOPS: an edit would break the authentication code
	Unproved     = "unproved"      // everything else: the edit could not be shown to be right
)

// Refusal is the error of an edit that is not made: why, and at which line of
// the file (from 1; 0 for the file as a whole).
type Refusal struct {
	Reason string
	Detail string
	Line   int
}

func (r *Refusal) Error() string {
	if r.Line == 0 {
		return r.Detail
	}
	return fmt.Sprintf("line %d: %s", r.Line, r.Detail)
}

func refusal(reason string, line int, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Line: line, Detail: fmt.Sprintf(format, args...)}
}
