// Package source maps the bytes of a YAML or JSON file to lines, documents and
// node spans.
//
// It knows about bytes what the parser does not tell: where one document ends
// and the next begins, and where a node ends. Nothing here changes a byte.
package source

import (
	"bytes"
	"sort"
	"sync"
	"unicode/utf8"
)

// BOM is the byte order mark, which may open a file.
const BOM = "\ufeff"

// Text is the bytes of a file. The index of its lines is made when a position
// is first asked for. A Text may be used by several goroutines.
type Text struct {
	src   []byte
	once  sync.Once
	lines []int // offset of each line's first byte
	ascii bool  // columns are bytes
}

// New wraps the bytes of a file, which must not change afterwards.
func New(src []byte) *Text { return &Text{src: src} }

// Bytes is the file as it was given.
func (t *Text) Bytes() []byte { return t.src }

// index finds the lines as the parser counts them: LF, CRLF, CR, and the
// breaks that YAML 1.1 had besides (NEL, LS and PS; YAML 1.1, 5.4).
func (t *Text) index() {
	t.once.Do(func() {
		t.ascii = true
		t.lines = make([]int, 1, bytes.Count(t.src, []byte("\n"))+2)
		for i := 0; i < len(t.src); {
			if t.src[i] >= utf8.RuneSelf {
				t.ascii = false
			}
			n := BreakLen(t.src[i:])
			if n == 0 {
				i++
				continue
			}
			i += n
			t.lines = append(t.lines, i)
		}
	})
}

// BreakLen is the length of the line break that b begins with, or 0.
func BreakLen(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '\n':
		return 1
	case '\r':
		if len(b) > 1 && b[1] == '\n' {
			return 2
		}
		return 1
	case 0xc2:
		if len(b) > 1 && b[1] == 0x85 {
			return 2
		}
	case 0xe2:
		if len(b) > 2 && b[1] == 0x80 && (b[2] == 0xa8 || b[2] == 0xa9) {
			return 3
		}
	}
	return 0
}

// Offset is the byte at a position as the parser gives it: line and column
// from 1, the column in characters, a byte order mark not counted.
func (t *Text) Offset(line, column int) int {
	p := t.lineStart(line)
	if t.ascii {
		return min(p+max(column-1, 0), len(t.src))
	}
	return t.forward(p, column-1)
}

// lineStart is the offset of column 1 of a line.
func (t *Text) lineStart(line int) int {
	t.index()
	if line > len(t.lines) {
		return len(t.src)
	}
	line = max(line, 1)
	if line == 1 && bytes.HasPrefix(t.src, []byte(BOM)) {
		return len(BOM)
	}
	return t.lines[line-1]
}

// forward is the offset n characters behind p.
func (t *Text) forward(p, n int) int {
	for ; n > 0 && p < len(t.src); n-- {
		_, size := utf8.DecodeRune(t.src[p:])
		p += size
	}
	return p
}

// Position is the reverse of Offset.
func (t *Text) Position(offset int) (line, column int) {
	t.index()
	offset = min(offset, len(t.src))
	line = sort.SearchInts(t.lines, offset+1)
	start := min(t.lineStart(line), offset)
	return line, utf8.RuneCount(t.src[start:offset]) + 1
}
