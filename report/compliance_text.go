package report

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/detect/compliance"
)

// mostEvidence is how many findings of a control the formats for people list.
const mostEvidence = 5

var verdictColor = map[compliance.Verdict]string{
	compliance.Fail: "31", compliance.Exempted: "35", compliance.Manual: "33", compliance.NotEvaluated: "2", compliance.Pass: "32",
}

// table prints how many controls have which verdict; then, unless the report
// is brief, each control with the first of its evidence.
func (r *Compliance) table(w io.Writer, o Options) error {
	b := bufio.NewWriter(w)
	paint := func(v compliance.Verdict, s string) string { return o.paint(verdictColor[v], s) }
	r.overview(b)
	for _, f := range r.Frameworks {
		if r.brief {
			break
		}
		fmt.Fprintf(b, "\n%s: %s\n", printable(f.Name), printable(f.full()))
		for _, c := range f.Controls {
			fmt.Fprintf(b, "  %s  %s  %s\n", paint(c.Verdict, fmt.Sprintf("%-13s", word(c.Verdict))), printable(c.ID), printable(c.Title))
			if c.Verdict != compliance.Pass && c.Verdict != compliance.Fail && c.why() != "" {
				fmt.Fprintf(b, "                 %s\n", printable(c.why()))
			}
			shown, left := c.shown(mostEvidence)
			for _, e := range shown {
				fmt.Fprintf(b, "                 %s  %s  [%s]\n", printable(e.place()), printable(e.says()), e.Policy)
			}
			if left > 0 {
				fmt.Fprintf(b, "                 … and %d more\n", left)
			}
		}
	}
	fmt.Fprintln(b)
	for _, e := range r.Errors {
		fmt.Fprintf(b, "%s: error: %s\n", lineStart(where(e)), printable(e.Message))
	}
	for _, s := range r.head() {
		fmt.Fprintln(b, s)
	}
	if r.brief {
		fmt.Fprintln(b, "'oakum report --framework NAME' shows each control with its evidence.")
	}
	return b.Flush()
}

// full is the title with its version.
func (f Framework) full() string {
	if f.Version == "" {
		return f.Title
	}
	return fmt.Sprintf("%s (%s)", f.Title, f.Version)
}

// overview has a row for each framework, and one for each of its levels unless
// the report is brief.
func (r *Compliance) overview(w io.Writer) {
	width := len("FRAMEWORK")
	for _, f := range r.Frameworks {
		width = max(width, len(printable(f.Name)))
		for _, l := range f.Levels {
			width = max(width, len(printable(l.Level))+2)
		}
	}
	fmt.Fprintf(w, "%-*s", width, "FRAMEWORK")
	for _, v := range compliance.Verdicts {
		fmt.Fprintf(w, "  %s", strings.ToUpper(word(v)))
	}
	fmt.Fprintln(w)
	row := func(name string, n Counts) {
		fmt.Fprintf(w, "%-*s", width, name)
		for _, v := range compliance.Verdicts {
			fmt.Fprintf(w, "  %*d", len(word(v)), n[v])
		}
		fmt.Fprintln(w)
	}
	for _, f := range r.Frameworks {
		row(printable(f.Name), f.Counts)
		for _, l := range f.Levels {
			if !r.brief {
				row("  "+printable(l.Level), l.Counts)
			}
		}
	}
}

func (r *Compliance) markdown() string {
	var b strings.Builder
	b.WriteString("# Compliance report\n\n")
	for _, s := range r.head() {
		fmt.Fprintf(&b, "%s\n", cell(s))
	}
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "\n- `%s`: %s\n", code(where(e)), cell(e.Message))
	}
	b.WriteString("\n| Framework |")
	for _, v := range compliance.Verdicts {
		fmt.Fprintf(&b, " %s |", word(v))
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(compliance.Verdicts)) + "\n")
	row := func(name string, n Counts) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, v := range compliance.Verdicts {
			fmt.Fprintf(&b, " %d |", n[v])
		}
		b.WriteString("\n")
	}
	for _, f := range r.Frameworks {
		row(cell(f.full()), f.Counts)
		for _, l := range f.Levels {
			if !r.brief {
				row("level "+cell(l.Level), l.Counts)
			}
		}
	}
	for _, f := range r.Frameworks {
		if r.brief {
			break
		}
		fmt.Fprintf(&b, "\n## %s\n\n", cell(f.full()))
		if f.Note != "" {
			fmt.Fprintf(&b, "%s\n\n", cell(f.Note))
		}
		b.WriteString("| Control | Verdict | Evidence |\n|---|---|---|\n")
		for _, c := range f.Controls {
			fmt.Fprintf(&b, "| **%s** %s | %s | %s |\n", cell(c.ID), cell(c.Title), word(c.Verdict), c.markdownEvidence())
		}
	}
	return b.String()
}

func (c Control) markdownEvidence() string {
	var parts []string
	if why := c.why(); why != "" && c.Verdict != compliance.Pass && c.Verdict != compliance.Fail {
		parts = append(parts, cell(why))
	}
	shown, left := c.shown(mostEvidence)
	for _, e := range shown {
		parts = append(parts, fmt.Sprintf("`%s` %s", code(e.place()), cell(e.says())))
	}
	if left > 0 {
		parts = append(parts, fmt.Sprintf("… and %d more", left))
	}
	if c.Verdict == compliance.Pass {
		parts = append(parts, c.judged())
	}
	return strings.Join(parts, "<br>")
}

// csv prints a row for each finding of each control, and one for a control
// that has none.
func (r *Compliance) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	err := c.Write([]string{
		"framework", "control", "level", "title", "verdict", "reason", "policy", "severity", "file", "line", "column",
		"kind", "namespace", "name", "container", "message", "fingerprint", "exemption", "commit", "time",
	})
	if err != nil {
		return err
	}
	for _, f := range r.Frameworks {
		for _, control := range f.Controls {
			first := []string{f.Name, control.ID, control.Level, control.Title, string(control.Verdict), control.Reason}
			rows := [][]string{}
			for _, e := range control.found {
				reason := ""
				if e.Exemption != nil {
					reason = e.Exemption.Reason
				}
				rows = append(rows, []string{
					e.Policy, string(e.Severity), e.Location.File, strconv.Itoa(e.Location.Line), strconv.Itoa(e.Location.Column),
					e.Resource.Kind, e.Resource.Namespace, e.Resource.Name, e.Container, e.Message, e.Fingerprint, reason,
				})
			}
			if len(rows) == 0 {
				rows = append(rows, make([]string, 12))
			}
			for _, row := range rows {
				row = append(append(append([]string{}, first...), row...), r.commit(), r.Time)
				for i, s := range row {
					row[i] = csvCell(s)
				}
				if err := c.Write(row); err != nil {
					return err
				}
			}
		}
	}
	c.Flush()
	return c.Error()
}
