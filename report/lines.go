package report

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/detect/policy"
)

var annotationLevel = map[policy.Severity]string{"critical": "error", "high": "error", "medium": "warning", "low": "notice", "info": "notice"}

// Values of a workflow command of GitHub Actions escape what would end them.
var (
	commandText  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandValue = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// annotations prints open findings as workflow commands of GitHub Actions, the
// worst first, of the same severity the riskiest: GitHub shows ten of a level.
func (r *Report) annotations(w io.Writer) error {
	findings := r.Open()
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(policy.Severities, a.Severity), slices.Index(policy.Severities, b.Severity)), cmp.Compare(b.score(), a.score()))
	})
	for _, e := range r.Errors {
		_, err := fmt.Fprintf(w, "::error file=%s,line=%d,col=%d,title=oakum::%s\n",
			commandValue.Replace(e.File), max(e.Line, 1), max(e.Column, 1), commandText.Replace(printable(e.Message)))
		if err != nil {
			return err
		}
	}
	for _, f := range findings {
		_, err := fmt.Fprintf(w, "::%s file=%s,line=%d,col=%d,title=%s::%s\n", annotationLevel[f.Severity],
			commandValue.Replace(f.Location.File), max(f.Location.Line, 1), max(f.Location.Column, 1), commandValue.Replace(f.Policy), commandText.Replace(printable(f.says())))
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, strings.ReplaceAll(r.summary(), "\n", "; "))
	return err
}

// csv prints every finding as a row, exempted ones with the reason.
func (r *Report) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	rows := [][]string{{
		"severity", "policy", "category", "file", "line", "column", "kind", "namespace", "name", "container", "field", "message", "fix", "fingerprint", "exemption", "baseline",
	}}
	for _, f := range r.Findings {
		fix, exemption := f.Fix.Reason, ""
		if f.Fix.Available {
			fix = fmt.Sprintf("%s: %s", f.Fix.Safety, f.Fix.Title)
		}
		if f.Exempted() {
			exemption = f.Exemption.Reason
		}
		rows = append(rows, []string{
			string(f.Severity), f.Policy, f.Category, f.Location.File, strconv.Itoa(f.Location.Line), strconv.Itoa(f.Location.Column),
			f.Resource.Kind, f.Resource.Namespace, f.Resource.Name, f.Container, f.Field, f.says(), fix, f.Fingerprint, exemption, f.Baseline,
		})
	}
	for _, row := range rows {
		for i, s := range row {
			row[i] = csvCell(s)
		}
	}
	return c.WriteAll(rows)
}

// csvCell keeps a spreadsheet from taking the text of strangers for a formula.
func csvCell(s string) string {
	s = printable(s)
	if strings.HasPrefix(s, "=") || strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "@") {
		return "'" + s
	}
	return s
}
