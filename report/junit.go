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
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr,omitempty"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr,omitempty"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// junit prints one suite a file, one failed case a finding, and one case in
// error where a file could not be read.
func (r *Report) junit(w io.Writer) error {
	out := junitSuites{Name: "oakum", Tests: len(r.Findings) + len(r.Errors), Failures: len(r.Findings), Errors: len(r.Errors)}
	for _, f := range r.Findings {
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != f.Location.File {
			out.Suites = append(out.Suites, junitSuite{Name: f.Location.File})
		}
		s := &out.Suites[len(out.Suites)-1]
		s.Tests++
		s.Failures++
		s.Cases = append(s.Cases, junitCase{
			Name: f.Policy + ": " + printable(f.Resource.id()), Class: f.Policy, File: f.Location.File, Line: f.Location.Line,
			Failure: &junitProblem{
				Message: printable(f.Message), Type: string(f.Severity),
				Text: fmt.Sprintf("%s:%d:%d: %s\n%s", printable(f.Location.File), f.Location.Line, f.Location.Column,
					printable(f.Message), printable(f.Field)),
			},
		})
	}
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
