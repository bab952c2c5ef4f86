package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/oakum-dev/oakum/detect/policy"
)

var severityColor = map[policy.Severity]string{
	"critical": "1;31", "high": "31", "medium": "33", "low": "36", "info": "2",
}

// paint is text in a colour of the terminal, where there are some.
func (o Options) paint(code, s string) string {
	if !o.Color || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// table prints findings by file, one a line, and how they can be mended.
func (r *Report) table(w io.Writer, o Options) error {
	b := bufio.NewWriter(w)
	paint := o.paint
	findings := r.Open()
	width := 0
	for _, f := range findings {
		width = max(width, len(position(f)))
	}
	file := ""
	for _, f := range findings {
		if f.Location.File != file {
			if file != "" {
				fmt.Fprintln(b)
			}
			file = f.Location.File
			fmt.Fprintln(b, paint("1", lineStart(file)))
		}
		fmt.Fprintf(b, "  %-*s  %s  %s  %s\n", width, position(f), paint(severityColor[f.Severity], fmt.Sprintf("%-8s", f.Severity)),
			printable(f.says()), paint("2", "["+f.Policy+"]"))
	}
	if len(findings) > 0 {
		fmt.Fprintln(b)
	}
	for _, e := range r.Errors {
		fmt.Fprintf(b, "%s\n", paint("31", lineStart(where(e))+": error: "+printable(e.Message)))
	}
	if first := r.First(); len(first) > 0 {
		fmt.Fprintln(b, paint("1", "look at these first (risk, of 100)"))
		for _, f := range first {
			fmt.Fprintf(b, "  %3d  %s  %s  %s\n       %s\n", f.score(), lineStart(f.Location.String()), printable(f.says()), paint("2", "["+f.Policy+"]"), paint("2", f.Because()))
		}
		fmt.Fprintln(b)
	}
	fmt.Fprintln(b, r.summary())
	return b.Flush()
}

func position(f Finding) string {
	if f.Location.Line == 0 {
		return "live"
	}
	return fmt.Sprintf("%d:%d", f.Location.Line, f.Location.Column)
}

// looked is what was looked at.
func (s Summary) looked() string {
	var out []string
	if s.Files > 0 || s.Objects == 0 {
		out = append(out, plural(s.Files, "file"), plural(s.Resources, "resource"), plural(s.Workloads, "workload"))
	}
	if s.Objects > 0 {
		out = append(out, plural(s.Objects, "live object"))
	}
	return strings.Join(out, ", ")
}

func (r *Report) summary() string {
	var b strings.Builder
	s, findings := r.Summary, r.Open()
	b.WriteString(s.looked() + ": ")
	if len(findings) == 0 {
		b.WriteString("nothing found")
	} else {
		var parts []string
		for _, severity := range policy.Severities {
			if n := s.BySeverity[severity]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, severity))
			}
		}
		fmt.Fprintf(&b, "%s (%s)", plural(len(findings), "finding"), strings.Join(parts, ", "))
	}
	if s.Exempted > 0 {
		fmt.Fprintf(&b, "; %d exempted", s.Exempted)
	}
	if s.Unchanged+s.Gone > 0 {
		fmt.Fprintf(&b, "; %d known from the baseline, %d of it gone", s.Unchanged, s.Gone)
	}
	if n := len(r.Errors); n > 0 {
		fmt.Fprintf(&b, "; %s", plural(n, "error"))
	}
	if s.Templates > 0 {
		fmt.Fprintf(&b, "; %s not judged", plural(s.Templates, "template"))
	}
	if s.Encrypted > 0 {
		fmt.Fprintf(&b, "; %s never edited", plural(s.Encrypted, "encrypted file"))
	}
	if n := len(r.NotEvaluated); n > 0 {
		fmt.Fprintf(&b, "; %d not evaluated", n)
	}
	if s.Fixable == 0 {
		return b.String()
	}
	at := map[policy.Safety]int{}
	for _, f := range findings {
		if f.Fix.Available {
			at[f.Fix.Safety]++
		}
	}
	var parts []string
	for _, safety := range policy.Safeties {
		if at[safety] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", at[safety], safety))
		}
	}
	fmt.Fprintf(&b, "\n%d can be mended (%s): see the diff with 'oakum fix'", s.Fixable, strings.Join(parts, ", "))
	if at[policy.Review] > 0 {
		b.WriteString(", or 'oakum fix --safety review' for all of it")
	}
	return b.String()
}
