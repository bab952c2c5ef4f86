package report

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/report/markdown"
)

// maxText bounds, in characters, what people are shown of a text that
// strangers chose; JSON alone holds it whole.
const maxText = 500

// printable keeps names that strangers chose from driving a terminal, from
// reordering the text around them, and from filling the screen.
func printable(s string) string {
	if utf8.RuneCountInString(s) > maxText {
		s = string([]rune(s)[:maxText]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if r >= ' ' && r < 0x7f || !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return r
		}
		return '\ufffd'
	}, s)
}

// lineStart is printable text where a line begins. A CI runner takes a line
// that begins with two colons for a command to itself.
func lineStart(s string) string {
	s = printable(s)
	if strings.HasPrefix(strings.TrimSpace(s), "::") {
		return "./" + s
	}
	return s
}

// cell is text of strangers for a place in Markdown where one line is.
func cell(s string) string { return markdown.Text(printable(strings.ReplaceAll(s, "\n", " "))) }

// code is for text between single backticks.
func code(s string) string { return markdown.Code(printable(s)) }

// uri is a path as a relative reference; a colon would make its first segment
// a scheme (RFC 3986, section 4.2).
func uri(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(p), ":", "%3A")
	}
	return strings.Join(parts, "/")
}

// where names the place of an error as far as it is known.
func where(e manifest.Error) string {
	if e.Line == 0 {
		return e.File
	}
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
}
