package report

import (
	"encoding/xml"
	"fmt"
	"io"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr,omitempty"`
	Skipped  int          `xml:"skipped,attr,omitempty"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr,omitempty"`
	Skipped  int         `xml:"skipped,attr,omitempty"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr,omitempty"`
	Skipped *junitSkipped `xml:"skipped"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// junit prints one suite a file, one failed case a finding, and one case in
// error where a file could not be read.
func (r *Report) junit(w io.Writer) error {
	out := junitSuites{Name: "oakum", Failures: len(r.Open()), Errors: len(r.Errors)}
	for _, f := range r.Findings {
		if f.Baseline == unchanged && !f.Exempted() {
			continue
		}
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != f.Location.File {
			out.Suites = append(out.Suites, junitSuite{Name: f.Location.File})
		}
		s := &out.Suites[len(out.Suites)-1]
		s.Tests++
		c := junitCase{Name: f.Policy + ": " + printable(f.Resource.id()), Class: f.Policy, File: f.Location.File, Line: f.Location.Line}
		if f.Exempted() {
			out.Skipped++
			s.Skipped++
			c.Skipped = &junitSkipped{printable(f.Exemption.Reason)}
		} else {
			s.Failures++
			c.Failure = &junitProblem{
				Message: printable(f.says()), Type: string(f.Severity),
				Text: fmt.Sprintf("%s: %s\n%s", printable(f.Location.String()), printable(f.says()), printable(f.Field)),
			}
		}
		s.Cases = append(s.Cases, c)
	}
	out.Tests = out.Failures + out.Skipped + out.Errors
	for _, e := range r.Errors {
		message := printable(e.Message)
		out.Suites = append(out.Suites, junitSuite{Name: e.File, Tests: 1, Errors: 1, Cases: []junitCase{{
			Name: "read", Class: "oakum", File: e.File, Line: e.Line,
			Error: &junitProblem{Message: message, Type: "error", Text: printable(where(e)) + ": " + message},
		}}})
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
