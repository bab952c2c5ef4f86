package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"strings"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string       `xml:"name,attr"`
	Class   string       `xml:"classname,attr"`
	File    string       `xml:"file,attr"`
	Line    int          `xml:"line,attr"`
	Failure junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// junit prints one suite a file and one failed case a finding.
func (r *Report) junit(w io.Writer) error {
	out := junitSuites{Name: "oakum", Tests: len(r.Findings), Failures: len(r.Findings)}
	for _, f := range r.Findings {
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != f.Location.File {
			out.Suites = append(out.Suites, junitSuite{Name: f.Location.File})
		}
		s := &out.Suites[len(out.Suites)-1]
		s.Tests++
		s.Failures++
		s.Cases = append(s.Cases, junitCase{
			Name: f.Policy + ": " + f.Resource.id(), Class: f.Policy, File: f.Location.File, Line: f.Location.Line,
			Failure: junitFailure{
				Message: f.Message, Type: string(f.Severity),
				Text: fmt.Sprintf("%s:%d:%d: %s\n%s", f.Location.File, f.Location.Line, f.Location.Column, f.Message, f.Field),
			},
		})
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

// uri is a path as a relative reference (RFC 3986).
func uri(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
