package report

import (
	"fmt"
	"strings"

	"github.com/oakum-dev/oakum/detect/policy"
)

// pageWidth is where paragraphs for a terminal break, in characters.
const pageWidth = 100

// plain keeps the text of policies from being markup.
var plain = strings.NewReplacer("<", "&lt;", "*", "\\*", "_", "\\_", "|", "\\|")

// page is a text that is written as Markdown or for a terminal.
type page struct {
	strings.Builder
	markdown bool
	listed   bool // the last thing written is an item
}

func (b *page) title(name, title string) {
	if b.markdown {
		fmt.Fprintf(b, "# %s\n\n**%s**\n", name, plain.Replace(title))
		return
	}
	fmt.Fprintf(b, "%s: %s\n", name, title)
}

func (b *page) heading(s string) {
	b.listed = false
	if b.markdown {
		fmt.Fprintf(b, "\n## %s\n", s)
		return
	}
	fmt.Fprintf(b, "\n%s\n", strings.ToUpper(s))
}

func (b *page) paragraph(s string) {
	b.listed = false
	if b.markdown {
		fmt.Fprintf(b, "\n%s\n", plain.Replace(s))
		return
	}
	for _, l := range wrapped(s, pageWidth-2) {
		fmt.Fprintf(b, "  %s\n", l)
	}
}

// item is a term of a list with what is said of it and the condition on which
// it holds; both may be empty.
func (b *page) item(term, s, when string) {
	if b.markdown {
		if !b.listed {
			b.WriteString("\n")
		}
		b.listed = true
		fmt.Fprintf(b, "- `%s`", code(term))
		if s != "" {
			b.WriteString(": " + plain.Replace(s))
		}
		if when != "" {
			fmt.Fprintf(b, ", when `%s`", when)
		}
		b.WriteString("\n")
		return
	}
	fmt.Fprintf(b, "  %s\n", term)
	if when != "" {
		s = strings.TrimSpace(s + " (when " + when + ")")
	}
	for _, l := range wrapped(s, pageWidth-6) {
		fmt.Fprintf(b, "      %s\n", l)
	}
}

func (b *page) code(lang, s string) {
	b.listed = false
	s = strings.TrimRight(s, "\n")
	if b.markdown {
		fmt.Fprintf(b, "\n```%s\n%s\n```\n", lang, s)
		return
	}
	fmt.Fprintf(b, "    %s\n", strings.ReplaceAll(s, "\n", "\n    "))
}

// fix tells what a fix does, and how bold it is.
func (b *page) fix(f *policy.Fix) {
	if f.Title != "" {
		b.paragraph("To " + oneLine(f.Title) + ":")
	}
	for _, e := range f.Edits {
		value := inline(e.Value)
		if e.Expression != "" {
			value = oneLine(e.Expression)
		}
		var op string
		switch {
		case e.Set != "":
			op = fmt.Sprintf("set %s to %s", e.Set, value)
		case e.Append != "":
			op = fmt.Sprintf("append %s to %s", value, e.Append)
		default:
			op = "remove " + e.Remove
		}
		b.item(op, "", oneLine(e.When))
	}
	for _, s := range f.Safety {
		b.item(string(s.Level), oneLine(s.Because), oneLine(s.When))
	}
	if f.Advice != "" {
		b.paragraph(oneLine(f.Advice))
	}
}

func wrapped(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line == "" {
		return lines
	}
	return append(lines, line)
}
