package report

import (
	"fmt"
	"strings"
)

// maxMarkdown keeps the text below what GitHub takes as a comment, in bytes.
const maxMarkdown = 60_000

func (r *Report) markdown() string {
	var b strings.Builder
	b.WriteString("## oakum\n\n" + cell(strings.ReplaceAll(r.summary(), "\n", ". ")) + "\n")
	if len(r.Errors) > 0 {
		b.WriteString("\n")
	}
	for i, e := range r.Errors {
		if b.Len() > maxMarkdown/4 {
			fmt.Fprintf(&b, "- %s more, left out for length\n", plural(len(r.Errors)-i, "error"))
			break
		}
		fmt.Fprintf(&b, "- `%s` %s\n", code(where(e)), cell(e.Message))
	}
	if first := r.First(); len(first) > 0 {
		b.WriteString("\n| Risk | Look at these first | Because |\n|---|---|---|\n")
		for _, f := range first {
			fmt.Fprintf(&b, "| %d | `%s` %s | %s |\n", f.score(), code(f.Location.String()), cell(f.says()), cell(f.Because()))
		}
	}
	findings, count := r.Open(), map[string]int{}
	for _, f := range findings {
		count[f.Location.File]++
	}
	const end = "\n</details>\n"
	printed, file := 0, ""
	for i, f := range findings {
		row := markdownRow(f)
		if i == 0 || f.Location.File != file {
			file = f.Location.File
			row = fmt.Sprintf("\n<details><summary>%s: %s</summary>\n\n| Line | Severity | Finding | Fix | Policy |\n|---|---|---|---|---|\n%s",
				cell(file), plural(count[file], "finding"), row)
			if i > 0 {
				row = end + row
			}
		}
		if b.Len()+len(row)+len(end) > maxMarkdown {
			break
		}
		b.WriteString(row)
		printed++
	}
	if printed > 0 {
		b.WriteString(end)
	}
	if n := len(findings) - printed; n > 0 {
		fmt.Fprintf(&b, "\n%s more, left out for length.\n", plural(n, "finding"))
	}
	return b.String()
}

func markdownRow(f Finding) string {
	fix := cell(f.Fix.Reason)
	if f.Fix.Available {
		fix = fmt.Sprintf("%s (%s)", cell(f.Fix.Title), f.Fix.Safety)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | `%s` |\n", f.Location.line(), f.Severity, cell(f.says()), fix, code(f.Policy))
}
