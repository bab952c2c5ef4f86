package report

import (
	"fmt"
	"strings"
)

// maxMarkdown keeps the text below what GitHub takes as a comment.
const maxMarkdown = 60_000

func (r *Report) markdown() string {
	var b strings.Builder
	b.WriteString("## oakum\n\n" + cell(strings.ReplaceAll(r.summary(), "\n", ". ")) + "\n")
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "\n- `%s:%d:%d` %s\n", code(e.File), e.Line, e.Column, cell(e.Message))
	}
	for i := 0; i < len(r.Findings); {
		j := i
		var rows strings.Builder
		for ; j < len(r.Findings) && r.Findings[j].Location.File == r.Findings[i].Location.File; j++ {
			f := r.Findings[j]
			fix := cell(f.Fix.Title)
			if f.Fix.Available {
				fix += fmt.Sprintf(" (%s)", f.Fix.Safety)
			} else {
				fix = cell(f.Fix.Reason)
			}
			fmt.Fprintf(&rows, "| %d | %s | %s | %s | `%s` |\n", f.Location.Line, f.Severity, cell(f.Message), fix, code(f.Policy))
		}
		block := fmt.Sprintf("\n<details><summary>%s: %s</summary>\n\n| Line | Severity | Finding | Fix | Policy |\n|---|---|---|---|---|\n%s\n</details>\n",
			cell(r.Findings[i].Location.File), plural(j-i, "finding"), rows.String())
		if b.Len()+len(block) > maxMarkdown {
			fmt.Fprintf(&b, "\n%s more, left out for length.\n", plural(len(r.Findings)-i, "finding"))
			break
		}
		b.WriteString(block)
		i = j
	}
	return b.String()
}

var harmless = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "&#124;", "@", "&#64;", "`", "&#96;",
	"*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "~", "\\~", "://", ":&#47;&#47;", "#", "&#35;")

// cell makes text that others chose harmless in Markdown: no markup, no HTML,
// no mention, no link, no end of a table cell.
func cell(s string) string { return harmless.Replace(printable(strings.ReplaceAll(s, "\n", " "))) }

// code is for text between single backticks.
func code(s string) string {
	return strings.NewReplacer("`", "'", "|", "\\|").Replace(printable(s))
}
