package yamledit

import (
	"bytes"
	"strings"

	"github.com/oakum-dev/oakum/detect/source"
)

// Lines here are the parser's: they end at every break that YAML knows.

// lineEnd is the offset of the break that ends the line of p.
func lineEnd(src []byte, p int) int {
	for p < len(src) && source.BreakLen(src[p:]) == 0 {
		p++
	}
	return p
}

// nextLine is the offset behind the break that ends the line of p.
func nextLine(src []byte, p int) int {
	p = lineEnd(src, p)
	return p + source.BreakLen(src[p:])
}

// lineStart is the offset of the first byte of the line of p, behind a byte
// order mark.
func lineStart(src []byte, p int) int {
	for p > 0 {
		if src[p-1] == '\n' || src[p-1] == '\r' && src[min(p, len(src)-1)] != '\n' ||
			p >= 2 && src[p-1] >= 0x80 && source.BreakLen(src[p-2:p]) == 2 ||
			p >= 3 && src[p-1] >= 0x80 && source.BreakLen(src[p-3:p]) == 3 {
			return p
		}
		if p == len(source.BOM) && bytes.HasPrefix(src, []byte(source.BOM)) {
			return p
		}
		p--
	}
	return 0
}

// line is one line without its break: its indentation and the rest.
func line(src []byte, p int) (indent int, body []byte) {
	text := src[p:lineEnd(src, p)]
	body = bytes.TrimLeft(text, " ")
	return len(text) - len(body), bytes.TrimRight(body, " \t")
}

// own tells whether nothing but blanks stands before p on its line.
func own(src []byte, p int) bool {
	return strings.TrimLeft(string(src[lineStart(src, p):p]), " ") == ""
}

// headComment is the start of the comment lines directly above the line that
// starts at p, as far as they are indented by column and not before floor.
func headComment(src []byte, p, column, floor int) int {
	for p > floor {
		above := lineStart(src, p-1)
		if bytes.HasSuffix(src[:p], []byte("\r\n")) {
			above = lineStart(src, p-2)
		}
		indent, body := line(src, above)
		if above < floor || indent != column || len(body) == 0 || body[0] != '#' {
			return p
		}
		p = above
	}
	return p
}

// tail is where the lines of an element end that ends at end: behind its last
// line, and behind comments that are indented deeper than column. dashes tells
// that commented-out items at column itself are deeper too.
func tail(src []byte, end, column int, dashes bool) int {
	p := nextLine(src, end)
	for q := p; q < len(src); q = nextLine(src, q) {
		indent, body := line(src, q)
		switch {
		case len(body) == 0:
			continue
		case body[0] != '#' || indent < column:
			return p
		case indent == column && !(dashes && bytes.HasPrefix(bytes.TrimLeft(body, "# "), []byte("- "))):
			return p
		}
		p = nextLine(src, q)
	}
	return p
}

// longComment is the number of lines from which a comment is no longer taken
// for a remark on the line above it.
const longComment = 6

// remarks goes on behind a short comment at column itself that directly follows
// p, and does not speak of a line below it.
func remarks(src []byte, p, column int) int {
	q := p
	for n := 0; q < len(src); n++ {
		indent, body := line(src, q)
		switch {
		case len(body) == 0 || indent < column:
			if n < longComment {
				return q
			}
			return p
		case indent > column || body[0] != '#':
			return p
		}
		q = nextLine(src, q)
	}
	return p
}
