// Package source maps the bytes of a YAML or JSON file to lines and documents.
//
// It knows about bytes what the parser does not tell: where a position of the
// parser lies, and where one document ends and the next begins.
package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxDepth bounds how deeply collections may be nested.
const MaxDepth = 500

var bom = []byte("\ufeff")

// Text is the bytes of a file. The index of its lines is made when it is first
// asked for.
type Text struct {
	src   []byte
	once  sync.Once
	lines []int // offset of each line's first byte
}

// New wraps the bytes of a file, which must not change afterwards.
func New(src []byte) *Text { return &Text{src: src} }

// Bytes is the file as it was given.
func (t *Text) Bytes() []byte { return t.src }

// index finds the lines as the parser counts them: LF, CRLF, CR, and the
// breaks that YAML 1.1 had besides (NEL, LS and PS).
func (t *Text) index() {
	t.once.Do(func() {
		t.lines = append(t.lines, 0)
		for i := 0; i < len(t.src); {
			n := breakLen(t.src[i:])
			if n == 0 {
				i++
				continue
			}
			i += n
			t.lines = append(t.lines, i)
		}
	})
}

// breakLen is the length of the line break that b begins with, or 0.
func breakLen(b []byte) int {
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
	t.index()
	if line < 1 {
		return 0
	}
	if line > len(t.lines) {
		return len(t.src)
	}
	p := t.lines[line-1]
	if line == 1 && bytes.HasPrefix(t.src, bom) {
		p += len(bom)
	}
	for ; column > 1 && p < len(t.src); column-- {
		_, n := utf8.DecodeRune(t.src[p:])
		p += n
	}
	return p
}

// Position is the reverse of Offset.
func (t *Text) Position(offset int) (line, column int) {
	t.index()
	offset = min(offset, len(t.src))
	line = sort.SearchInts(t.lines, offset+1)
	start := t.lines[line-1]
	if line == 1 && bytes.HasPrefix(t.src, bom) {
		start += len(bom)
	}
	return line, utf8.RuneCount(t.src[min(start, offset):offset]) + 1
}

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
		nothing = iota // only comments, directives and blanks so far
		marked         // behind ---
		content        // a document without ---
	)
	state := nothing
	i := 0
	if bytes.HasPrefix(b, bom) {
		i = len(bom)
	}
	for i < len(b) {
		next, lines := nextLine(b, i)
		switch l := b[i:next]; {
		case marker(l, "---"):
			if state != nothing {
				out = append(out, Document{start, i, startLine})
				start, startLine = i, line
			}
			state = marked
		case marker(l, "..."):
			if state != nothing {
				out = append(out, Document{start, next, startLine})
			}
			start, startLine, state = next, line+lines, nothing
		case state == nothing && !prologue(l):
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
			if n := breakLen(l[k:]); n > 0 {
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
	return len(l) == 3 || l[3] == ' ' || l[3] == '\t' || breakLen(l[3:]) > 0
}

// prologue tells lines that may stand before a document.
func prologue(l []byte) bool {
	if l[0] == '%' {
		return true
	}
	l = bytes.TrimLeft(l, " \t")
	return len(l) == 0 || l[0] == '#' || breakLen(l) > 0
}

// SyntaxError is text that is not YAML. Line and Column are 1-based.
type SyntaxError struct {
	Line, Column int
	Message      string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message) }

var parserLine = regexp.MustCompile(`^line (\d+): `)

// Parse decodes one document and returns its content, nil for an empty one.
// Lines and columns are those of the file. Errors are *SyntaxError.
func (t *Text) Parse(d Document) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, &SyntaxError{d.Line, 1, fmt.Sprintf("the parser failed: %v", r)}
		}
	}()
	if !utf8.Valid(t.src[d.Start:d.End]) {
		return nil, &SyntaxError{d.Line, 1, "the text is not UTF-8"}
	}
	var doc yaml.Node
	switch err := yaml.NewDecoder(bytes.NewReader(t.src[d.Start:d.End])).Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		message := strings.TrimPrefix(err.Error(), "yaml: ")
		e := &SyntaxError{Line: d.Line, Column: 1, Message: message}
		if m := parserLine.FindStringSubmatch(message); m != nil {
			n, _ := strconv.Atoi(m[1])
			e.Line, e.Message = d.Line+n-1, message[len(m[0]):]
		}
		return nil, e
	}
	if len(doc.Content) != 1 {
		return nil, nil
	}
	root = doc.Content[0]
	if e := settle(root, d.Line-1, 0); e != nil {
		return nil, e
	}
	if root.Kind == yaml.ScalarNode && root.Value == "" && root.Style == 0 && root.ShortTag() == "!!null" {
		return nil, nil
	}
	return root, nil
}

// settle moves the lines of a tree to where it stands in the file.
func settle(n *yaml.Node, by, depth int) *SyntaxError {
	n.Line += by
	if depth > MaxDepth {
		return &SyntaxError{n.Line, n.Column, fmt.Sprintf("nested more than %d deep", MaxDepth)}
	}
	for _, c := range n.Content {
		if e := settle(c, by, depth+1); e != nil {
			return e
		}
	}
	return nil
}
