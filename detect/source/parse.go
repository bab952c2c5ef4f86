package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxDepth bounds how deeply collections may be nested.
const MaxDepth = 500

// SyntaxError is text that is not YAML, or is nested too deeply. Line and
// Column are 1-based and those of the file; Column is 1 where the parser does
// not tell it.
type SyntaxError struct {
	Line, Column int
	Message      string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message) }

// Parse decodes one document and returns its content, nil for an empty one.
// Lines and columns are those of the file. Anchors end with their document
// (YAML 1.2.2, section 3.2.2.2). Errors are *SyntaxError.
func (t *Text) Parse(d Document) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, &SyntaxError{d.Line, 1, fmt.Sprintf("the parser failed: %v", r)}
		}
	}()
	b := t.src[d.Start:d.End]
	if e := t.refused(d); e != nil {
		return nil, e
	}
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	var doc, more yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxError(d, err)
	}
	// What the parser left unread would otherwise be lost without a word.
	switch err := decoder.Decode(&more); {
	case err == nil:
		return nil, &SyntaxError{d.Line + max(more.Line, 1) - 1, 1, "text behind the end of the document"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(d, err)
	}
	if len(doc.Content) != 1 {
		return nil, nil
	}
	root = doc.Content[0]
	if e := settle(root, d.Line-1, 0); e != nil {
		return nil, e
	}
	if root.Kind == yaml.ScalarNode && root.Value == "" && root.Style == 0 && root.Anchor == "" && root.ShortTag() == "!!null" {
		return nil, nil
	}
	return root, nil
}

// refused finds characters that no document may hold (YAML 1.2.2, section
// 5.1), and a byte order mark that would hide a marker from Documents, or
// behind which the parser stops without a word.
func (t *Text) refused(d Document) error {
	b := t.src[d.Start:d.End]
	if d.Start == 0 {
		b = bytes.TrimPrefix(b, []byte(BOM))
	}
	for i := 0; ; i += len(BOM) {
		next := bytes.Index(b[i:], []byte(BOM))
		if next < 0 {
			break
		}
		if i += next; i == 0 || b[i-1] == ' ' || b[i-1] == '\t' || atLineStart(b, i) {
			line, column := t.Position(d.End - len(b) + i)
			return &SyntaxError{line, column, "a byte order mark in the middle of the file"}
		}
	}
	if utf8.Valid(b) && !bytes.ContainsFunc(b, control) {
		return nil
	}
	at := len(t.src[d.Start:d.End]) - len(b) + d.Start
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n < 2 || control(r) {
			break
		}
		b, at = b[n:], at+n
	}
	line, column := t.Position(at)
	if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
		return &SyntaxError{line, column, fmt.Sprintf("the control character %U", r)}
	}
	return &SyntaxError{line, column, "the text is not UTF-8"}
}

func control(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 && r != 0x85 ||
		r == 0xfffe || r == 0xffff
}

var parserLine = regexp.MustCompile(`^line (\d+): `)

// syntaxError gives an error of the parser the line in the file.
func syntaxError(d Document, err error) *SyntaxError {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &SyntaxError{Line: d.Line, Column: 1, Message: message}
	if m := parserLine.FindStringSubmatch(message); m != nil {
		n, _ := strconv.Atoi(m[1])
		e.Line, e.Message = d.Line+n-1, message[len(m[0]):]
		if strings.HasPrefix(e.Message, "did not find expected") {
			e.Line++ // its grammar, unlike its scanner, counts lines from 0
		}
	}
	return e
}

// settle moves the lines of a tree to where it stands in the file.
func settle(n *yaml.Node, by, depth int) error {
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
