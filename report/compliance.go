package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/compliance"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// Compliance is what a scan means to frameworks, in the shape of report -o json.
type Compliance struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Time       string           `json:"time"`    // of the run, as RFC 3339 has it
	Version    string           `json:"version"` // of oakum
	Commit     *Commit          `json:"commit"`  // null: what was judged is in no repository
	Frameworks []Framework      `json:"frameworks"`
	Findings   []*Evidence      `json:"findings"` // that bear on a control, each once
	Summary    Summary          `json:"summary"`
	Errors     []manifest.Error `json:"errors"`

	brief bool // no framework was asked for by name
}

// Commit says which state of a repository was judged.
type Commit struct {
	ID      string   `json:"id"`
	Changed []string `json:"changed"` // files that were judged in another state than they have in the commit
}

// Framework is a framework with what is known of its controls.
type Framework struct {
	Name     string    `json:"name"`
	Title    string    `json:"title"`
	Version  string    `json:"version"`
	Source   string    `json:"source"`
	Note     string    `json:"note"`
	Counts   Counts    `json:"counts"`
	Levels   []Level   `json:"levels"` // empty: controls have none
	Controls []Control `json:"controls"`
}

// Level counts the controls of one level.
type Level struct {
	Level  string `json:"level"`
	Counts Counts `json:"counts"`
}

// Counts are numbers of controls by verdict; each verdict has one.
type Counts map[compliance.Verdict]int

// Control is one control, what is known of it, and why.
type Control struct {
	ID       string             `json:"id"`
	Title    string             `json:"title"`
	Level    string             `json:"level,omitempty"`
	Verdict  compliance.Verdict `json:"verdict"`
	Reason   string             `json:"reason"`   // why a person must judge, or nothing can be said
	Guidance string             `json:"guidance"` // what a person has to look at
	Policies []ControlPolicy    `json:"policies"`
	Evidence []string           `json:"evidence"` // fingerprints of what was found, exempted or not

	found []*Evidence
}

// ControlPolicy counts what one policy did, in resources and findings.
type ControlPolicy struct {
	Name         string `json:"name"`
	Ran          bool   `json:"ran"`
	Judged       int    `json:"judged"`
	Findings     int    `json:"findings"`
	Exempted     int    `json:"exempted"`
	NotEvaluated int    `json:"notEvaluated"`
}

// Evidence is a finding that bears on a control.
type Evidence struct {
	Policy      string          `json:"policy"`
	Severity    policy.Severity `json:"severity"`
	Message     string          `json:"message"`
	Resource    Resource        `json:"resource"`
	Container   string          `json:"container,omitempty"`
	Location    Location        `json:"location"`
	Fingerprint string          `json:"fingerprint"`
	Exemption   *Exemption      `json:"exemption"` // null: it counts
}

// NewCompliance makes the report of assessments. The scan's own report gives
// the summary and the errors. A brief one is printed as a table of frameworks
// for people; programs get all of it either way.
func NewCompliance(assessed []compliance.Assessment, scan *Report, commit *Commit, brief bool) *Compliance {
	r := &Compliance{
		APIVersion: policy.APIVersion, Kind: "ComplianceReport", Commit: commit,
		Frameworks: []Framework{}, Findings: []*Evidence{}, Summary: scan.Summary, Errors: scan.Errors, brief: brief,
	}
	known := map[*detect.Finding]*Evidence{}
	for _, a := range assessed {
		f := Framework{
			Name: a.Framework.Name, Title: a.Framework.Title, Version: a.Framework.Version, Source: a.Framework.Source, Note: a.Framework.Note,
			Counts: a.Counts(""), Levels: []Level{}, Controls: []Control{},
		}
		for _, level := range a.Framework.Levels {
			f.Levels = append(f.Levels, Level{level, a.Counts(level)})
		}
		for _, j := range a.Judgments {
			f.Controls = append(f.Controls, control(j, known))
		}
		r.Frameworks = append(r.Frameworks, f)
	}
	for _, e := range known {
		r.Findings = append(r.Findings, e)
	}
	slices.SortFunc(r.Findings, byPlace)
	return r
}

// control makes a control of the report; known holds the evidence that was
// made before.
func control(j compliance.Judgment, known map[*detect.Finding]*Evidence) Control {
	c := Control{
		ID: j.Control.ID, Title: j.Control.Title, Level: j.Control.Level, Verdict: j.Verdict, Reason: j.Reason, Guidance: j.Control.Guidance,
		Policies: []ControlPolicy{}, Evidence: []string{},
	}
	for _, n := range j.Policies {
		c.Policies = append(c.Policies, ControlPolicy{n.Policy, n.Ran, n.Judged, n.Findings, n.Exempted, n.NotEvaluated})
	}
	add := func(findings []*detect.Finding, exempted bool) {
		var found []*Evidence
		for _, f := range findings {
			if known[f] == nil {
				known[f] = evidence(f, exempted)
			}
			found = append(found, known[f])
		}
		slices.SortFunc(found, func(a, b *Evidence) int {
			return cmp.Or(cmp.Compare(slices.Index(policy.Severities, a.Severity), slices.Index(policy.Severities, b.Severity)), byPlace(a, b))
		})
		c.found = append(c.found, found...)
	}
	add(j.Findings, false)
	add(j.Exempted, true)
	for _, e := range c.found {
		c.Evidence = append(c.Evidence, e.Fingerprint)
	}
	return c
}

func byPlace(a, b *Evidence) int {
	return cmp.Or(cmp.Compare(a.Location.File, b.Location.File), cmp.Compare(a.Location.Line, b.Location.Line),
		cmp.Compare(a.Location.Column, b.Location.Column), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Fingerprint, b.Fingerprint))
}

func evidence(f *detect.Finding, exempted bool) *Evidence {
	e := &Evidence{
		Policy: f.Policy.Name, Severity: f.Policy.Severity, Message: f.Message, Resource: resource(f.Resource), Container: f.Container,
		Location: location(f), Fingerprint: f.Fingerprint,
	}
	if exempted {
		e.Exemption = exemption(f.Exemption, detect.Needed)
	}
	return e
}

// ComplianceFormats lists the formats that Compliance.Write knows.
func ComplianceFormats() []string {
	return []string{"table", "json", "markdown", "html", "csv", "oscal"}
}

// Write prints the report.
func (r *Compliance) Write(w io.Writer, format string, o Options) error {
	r.Time, r.Version = o.Time.UTC().Format(time.RFC3339), o.Version
	switch format {
	case "table":
		return r.table(w, o)
	case "json":
		return writeJSON(w, r)
	case "markdown":
		_, err := io.WriteString(w, r.markdown())
		return err
	case "html":
		return complianceTemplate.Execute(w, r)
	case "csv":
		return r.csv(w)
	case "oscal":
		return writeJSON(w, r.oscal(o.Time))
	}
	return fmt.Errorf("no format is called %q; there are %s", format, strings.Join(ComplianceFormats(), ", "))
}

// head says in one sentence each what was judged and what was not.
func (r *Compliance) head() []string {
	s := r.Summary
	out := []string{fmt.Sprintf("%s, %s and %s were judged on %s by oakum %s.",
		plural(s.Files, "file"), plural(s.Resources, "resource"), plural(s.Workloads, "workload"), r.Time, r.Version)}
	if c := r.Commit; c != nil {
		at := "They are those of commit " + c.ID
		if n := len(c.Changed); n > 0 {
			at += ", but " + count(n, "file differs", "files differ")
		}
		out = append(out, at+".")
	}
	if n := len(r.Errors); n > 0 {
		out = append(out, fmt.Sprintf("%s could not be read: no verdict knows of what is in there.", plural(n, "place")))
	}
	if s.Templates > 0 {
		out = append(out, fmt.Sprintf("%s not judged: what a template makes is known only when it is rendered.", count(s.Templates, "template was", "templates were")))
	}
	return out
}

// commit is the id of the commit that was judged; empty where there is none.
func (r *Compliance) commit() string {
	if r.Commit == nil {
		return ""
	}
	return r.Commit.ID
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// word is a verdict as people read it.
func word(v compliance.Verdict) string { return strings.ReplaceAll(string(v), "-", " ") }

// why is what a reader needs besides the verdict: the reason, and what a
// person has to look at where one must.
func (c Control) why() string {
	switch {
	case c.Reason == "":
		return c.Guidance
	case c.Verdict == compliance.Manual && len(c.Policies) == 0 && c.Guidance != "":
		return c.Guidance
	case c.Guidance != "":
		return sentence(c.Reason) + " " + c.Guidance
	}
	return sentence(c.Reason)
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// judged says how often policies looked.
func (c Control) judged() string {
	n := 0
	for _, p := range c.Policies {
		n += p.Judged
	}
	return fmt.Sprintf("judged %s by %s", count(n, "time", "times"), count(len(c.Policies), "policy", "policies"))
}

// says is what was found in a sentence, with the reason where it was exempted.
func (e *Evidence) says() string {
	if e.Exemption != nil {
		return e.Message + " (exempted: " + e.Exemption.Reason + ")"
	}
	return e.Message
}

// place names where a person would look.
func (e *Evidence) place() string {
	return e.Location.String()
}

// shown is the evidence that people are shown of a control, and how much is left.
func (c Control) shown(most int) ([]*Evidence, int) {
	n := min(len(c.found), most)
	return c.found[:n], len(c.found) - n
}
