package source

import "bytes"

// Document is the bytes [Start,End) of one document, with its directives and
// the comments before it. Line is the line of Start.
type Document struct{ Start, End, Line int }

// Documents splits the text without decoding it. Empty documents count, as
// they do for the parser. The split is exact: at the start of a line, --- and
// ... with a blank or a break behind them mark documents wherever they stand
// (YAML 1.2.2, section 9.1.2).
func (t *Text) Documents() []Document {
	b := t.src
	var out []Document
	start, startLine, line := 0, 1, 1
	const (
		nothing  = iota // only comments and blanks so far
		directed        // and directives, which ask for a document
		marked          // behind ---
		content         // a document without ---
	)
	state := nothing
	i := 0
	if bytes.HasPrefix(b, []byte(BOM)) {
		i = len(BOM)
	}
	for i < len(b) {
		next, lines := nextLine(b, i)
		switch l := b[i:next]; {
		case marker(l, "---"):
			if state > directed {
				out = append(out, Document{start, i, startLine})
				start, startLine = i, line
			}
			state = marked
		case marker(l, "..."):
			if state != nothing {
				out = append(out, Document{start, next, startLine})
			}
			start, startLine, state = next, line+lines, nothing
		case state < marked && l[0] == '%':
			state = directed
		case state < marked && !prologue(l):
			state = content
		}
		i, line = next, line+lines
	}
	if state != nothing {
		out = append(out, Document{start, len(b), startLine})
	}
	return out
}

// nextLine is the offset behind the line that starts at i, and how many breaks
// that passes.
func nextLine(b []byte, i int) (next, lines int) {
	j := bytes.IndexByte(b[i:], '\n')
	if j < 0 {
		j = len(b) - i - 1
	}
	l := b[i : i+j+1]
	// The rare breaks are looked for only where their bytes occur.
	if bytes.IndexByte(l, '\r') >= 0 || bytes.IndexByte(l, 0xc2) >= 0 || bytes.IndexByte(l, 0xe2) >= 0 {
		for k := range l {
			if n := BreakLen(l[k:]); n > 0 {
				return i + k + n, 1
			}
		}
		return i + len(l), 0
	}
	if l[len(l)-1] != '\n' {
		return i + len(l), 0
	}
	return i + len(l), 1
}

func marker(l []byte, mark string) bool {
	if len(l) < 3 || l[0] != mark[0] || string(l[:3]) != mark {
		return false
	}
	return len(l) == 3 || l[3] == ' ' || l[3] == '\t' || BreakLen(l[3:]) > 0
}

// prologue tells comments and blank lines.
func prologue(l []byte) bool {
	l = bytes.TrimLeft(l, " \t")
	return len(l) == 0 || l[0] == '#' || BreakLen(l) > 0
}
