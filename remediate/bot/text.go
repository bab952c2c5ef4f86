package bot

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/report/markdown"
)

// bounded is a text with a mark behind it, which a forge takes whole.
func bounded(text, mark string) string {
	return remediate.Shorten(strings.TrimSpace(text), remediate.MaxBody-200-len(mark)) + "\n\n" + mark
}

// plain is text of strangers on one line, for where Markdown is read.
func plain(s string) string { return markdown.Text(line(s)) }

// code is text of strangers between backticks.
func code(s string) string { return "`" + markdown.Code(line(s)) + "`" }

// line keeps text on one line and without characters that do something.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, s)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// numbered reads the number of a pull request or an issue.
func numbered(key string) (int, error) {
	n, err := strconv.Atoi(key)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no number of a pull request", key)
	}
	return n, nil
}
