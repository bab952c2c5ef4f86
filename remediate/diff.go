package remediate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/fixers/yamledit"
)

// hunk is one difference of lines: lines [from,to) of the text before, counted
// from 0, become others. Lines keep their breaks.
type hunk struct {
	from, to int
	with     []string
}

// hunks turns the edits of a text into differences of its lines, in order.
// Lines here are git's: they end in LF.
func hunks(lines []string, edits []yamledit.Edit) []hunk {
	src := strings.Join(lines, "")
	starts := make([]int, len(lines)+1)
	for i, l := range lines {
		starts[i+1] = starts[i] + len(l)
	}
	// touched are the lines that an edit changes: none where it adds whole ones.
	touched := func(e yamledit.Edit) (from, to int) {
		from, begins := slices.BinarySearch(starts, e.Start)
		to, ends := slices.BinarySearch(starts, e.End)
		if !begins || from == len(lines) && from > 0 && !strings.HasSuffix(src, "\n") {
			from--
		}
		if ends && (!begins || e.Text != "" && !strings.HasSuffix(e.Text, "\n")) {
			to++
		}
		return from, min(max(from, to), len(lines))
	}
	var out []hunk
	for i := 0; i < len(edits); {
		from, to := touched(edits[i])
		var text strings.Builder
		text.WriteString(src[starts[from]:edits[i].Start])
		for {
			text.WriteString(edits[i].Text)
			at := edits[i].End
			if i++; i < len(edits) {
				if next, end := touched(edits[i]); next < to {
					text.WriteString(src[at:edits[i].Start])
					to = end
					continue
				}
			}
			text.WriteString(src[at:max(at, starts[to])])
			break
		}
		if h := trimmed(lines, hunk{from, to, splitLines(text.String())}); h.from < h.to || len(h.with) > 0 {
			out = append(out, h)
		}
	}
	return out
}

// trimmed leaves out the lines at both ends that stay as they are.
func trimmed(lines []string, h hunk) hunk {
	for h.from < h.to && len(h.with) > 0 && lines[h.from] == h.with[0] {
		h.from, h.with = h.from+1, h.with[1:]
	}
	for h.from < h.to && len(h.with) > 0 && lines[h.to-1] == h.with[len(h.with)-1] {
		h.to, h.with = h.to-1, h.with[:len(h.with)-1]
	}
	return h
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// around is how many lines before and behind a difference are shown.
const around = 3

// unified writes differences of lines as a unified diff, without its header.
func unified(lines []string, all []hunk) string {
	var b bytes.Buffer
	shift := 0
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].from-all[n-1].to <= 2*around {
			n++
		}
		group := all[:n]
		all = all[n:]
		from := max(group[0].from-around, 0)
		to := min(group[n-1].to+around, len(lines))
		grown := 0
		for _, h := range group {
			grown += len(h.with) - (h.to - h.from)
		}
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", span(from, to-from), span(from+shift, to-from+grown))
		shift += grown
		at := from
		for _, h := range group {
			write(&b, ' ', lines[at:h.from])
			write(&b, '-', lines[h.from:h.to])
			write(&b, '+', h.with)
			at = h.to
		}
		write(&b, ' ', lines[at:to])
	}
	return b.String()
}

// span is a range of lines as diffs write it: from 1, and the line before an
// empty one.
func span(from, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprint(from + 1)
	}
	return fmt.Sprintf("%d,%d", from+1, n)
}

func write(b *bytes.Buffer, sign byte, lines []string) {
	for _, l := range lines {
		b.WriteByte(sign)
		b.WriteString(l)
		if !strings.HasSuffix(l, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// Hunk is a difference of a file's lines: From to To (counted from 1, To not
// included) become With, whose lines keep their breaks. Where From is To, lines
// are put in before From.
type Hunk struct {
	From, To int
	With     []string
}

// Hunks are the differences that the change makes, in order; none for a new file.
func (c Change) Hunks() []Hunk {
	if c.Before == nil {
		return nil
	}
	var out []Hunk
	for _, h := range c.hunks(splitLines(string(c.Before))) {
		out = append(out, Hunk{h.from + 1, h.to + 1, h.with})
	}
	return out
}
