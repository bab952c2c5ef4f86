// Package report prints what a scan found: for people, for programs, and for
// the tools that teams already have.
package report

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/trace"
	"github.com/oakum-dev/oakum/fixers"
)

// Report is what a scan says, in the shape of scan -o json.
type Report struct {
	APIVersion   string           `json:"apiVersion"`
	Kind         string           `json:"kind"`
	Findings     []Finding        `json:"findings"`
	Summary      Summary          `json:"summary"`
	Errors       []manifest.Error `json:"errors"`
	NotEvaluated []Unevaluated    `json:"notEvaluated"`

	policies []*policy.Policy                        // of the findings, each once
	controls func(policy string) map[string][]string // nil: not asked for
}

// Unevaluated is a policy that could not be evaluated: neither a pass nor a finding.
type Unevaluated struct {
	Policy   string   `json:"policy"`
	Resource Resource `json:"resource"`
	File     string   `json:"file"`
	Message  string   `json:"message"`
}

// Finding is one finding as it is printed.
type Finding struct {
	Policy      string              `json:"policy"`
	Severity    policy.Severity     `json:"severity"`
	Category    string              `json:"category"`
	Message     string              `json:"message"`
	Fingerprint string              `json:"fingerprint"`
	Resource    Resource            `json:"resource"`
	Container   string              `json:"container,omitempty"`
	Location    Location            `json:"location"`
	Field       string              `json:"field"`
	Controls    map[string][]string `json:"controls"`
	Fix         Fix                 `json:"fix"`
	Risk        *detect.Risk        `json:"risk,omitempty"` // absent where nothing ranks it
	Evidence    []fixers.Evidence   `json:"evidence"`
	Exemption   *Exemption          `json:"exemption"`          // null: nobody exempted it
	Baseline    string              `json:"baseline,omitempty"` // new or unchanged, where the scan is compared with another
	Seen        []string            `json:"seen"`               // git, live
	Source      *Source             `json:"source,omitempty"`   // what decides the live object, where a cluster was read
}

// Source is what decides a live object.
type Source struct {
	By         string           `json:"by,omitempty"`         // who puts it into the cluster
	Confidence trace.Confidence `json:"confidence,omitempty"` // that Location decides it
	Location   *Location        `json:"location,omitempty"`   // in the tree; absent where it is not there
	Owner      string           `json:"owner,omitempty"`      // the object that makes it
	Repository string           `json:"repository,omitempty"`
	Path       string           `json:"path,omitempty"`
	Revision   string           `json:"revision,omitempty"`
}

// Exempted tells whether an exemption covers the finding, and counts.
func (f Finding) Exempted() bool { return f.Exemption != nil && f.Exemption.State == detect.Needed }

// Exemption is an owner's decision to leave a finding as it is.
type Exemption struct {
	State    string   `json:"state"` // needed, expired, or refused: the policy is strict
	Reason   string   `json:"reason"`
	Owner    string   `json:"owner,omitempty"`
	Until    string   `json:"until,omitempty"` // the last day, as 2027-01-31
	Location Location `json:"location"`
}

// Resource names the object that a finding is about.
type Resource struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// Location is where a person would look.
type Location struct {
	File   string `json:"file"`
	Line   int    `json:"line"` // 0: it is in no file
	Column int    `json:"column"`
	Layer  string `json:"layer"`
}

// String names the place as far as it is known.
func (l Location) String() string {
	return where(manifest.Error{File: l.File, Line: l.Line, Column: l.Column})
}

// line is the line as people are shown it: none of what is in no file.
func (l Location) line() string {
	if l.Line == 0 {
		return ""
	}
	return strconv.Itoa(l.Line)
}

// Fix says whether oakum can mend the finding, and how boldly.
type Fix struct {
	Available bool          `json:"available"`
	Safety    policy.Safety `json:"safety"`
	Title     string        `json:"title"`
	Reason    string        `json:"reason"` // why it is not available
}

// Summary counts a scan.
type Summary struct {
	Files      int                     `json:"files"`
	Resources  int                     `json:"resources"`
	Workloads  int                     `json:"workloads"`
	Objects    int                     `json:"objects,omitempty"` // live ones
	Templates  int                     `json:"templates"`         // files that are not judged until they are rendered
	Encrypted  int                     `json:"encrypted"`         // files that are judged by what is not encrypted, and never edited
	BySeverity map[policy.Severity]int `json:"bySeverity"`
	Fixable    int                     `json:"fixable"`
	Exempted   int                     `json:"exempted"`
	Unchanged  int                     `json:"unchanged,omitempty"` // that the baseline has, too; not among BySeverity and Fixable
	Gone       int                     `json:"gone,omitempty"`      // that only the baseline has
}

// Propose says how a finding would be mended, or why it is not. It is called
// for several findings at once; nil where nobody looks.
type Propose func(*detect.Finding) (fixers.Fix, *fixers.Held)

// New makes the report of a scan. The order of the findings does not matter.
func New(result detect.Result, set *manifest.Set, propose Propose) *Report {
	r := &Report{
		APIVersion: policy.APIVersion, Kind: "Report", Findings: []Finding{}, Errors: []manifest.Error{}, NotEvaluated: []Unevaluated{},
		Summary: Summary{BySeverity: map[policy.Severity]int{}},
	}
	for _, f := range set.Files {
		if f.Form == manifest.Live {
			r.Summary.Objects++
			continue
		}
		r.Summary.Files++
		switch f.Form {
		case manifest.Template:
			r.Summary.Templates++
		case manifest.Encrypted:
			r.Summary.Encrypted++
		}
		for _, res := range f.Resources {
			r.Summary.Resources++
			if _, ok := res.MakesPods(); ok && !res.Partial {
				r.Summary.Workloads++
			}
		}
	}
	r.Findings = findings(slices.Concat(result.Findings, result.Exempted), len(result.Findings), propose)
	for _, f := range slices.Concat(result.Findings, result.Exempted) {
		if !slices.Contains(r.policies, f.Policy) {
			r.policies = append(r.policies, f.Policy)
		}
	}
	r.Summary.Exempted = len(result.Exempted)
	r.count()
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Location.File, b.Location.File), cmp.Compare(a.Location.Line, b.Location.Line),
			cmp.Compare(a.Location.Column, b.Location.Column), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	slices.SortFunc(r.policies, func(a, b *policy.Policy) int { return strings.Compare(a.Name, b.Name) })
	r.Errors = append(append(r.Errors, set.Errors...), result.Errors...)
	for _, u := range result.NotEvaluated {
		out := Unevaluated{Policy: u.Policy.Name, File: u.Policy.File, Message: u.Error()}
		if u.Resource != nil {
			out.Resource, out.File = resource(u.Resource), u.Resource.File.Path
		}
		r.NotEvaluated = append(r.NotEvaluated, out)
	}
	return r
}

func exemption(e *detect.Exemption, state string) *Exemption {
	out := &Exemption{State: state, Reason: e.Reason, Owner: e.Owner, Location: Location{e.Position.File, e.Position.Line, e.Position.Column, "plain"}}
	if !e.Until.IsZero() {
		out.Until = e.Until.Format(time.DateOnly)
	}
	return out
}

// Open are the findings that call for something: no exemption covers them,
// and no baseline has them.
func (r *Report) Open() []Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.Exempted() || f.Baseline == unchanged })
}

// count sums up the open findings.
func (r *Report) count() {
	r.Summary.Fixable = 0
	for _, s := range policy.Severities {
		r.Summary.BySeverity[s] = 0
	}
	for _, f := range r.Open() {
		r.Summary.BySeverity[f.Severity]++
		if f.Fix.Available {
			r.Summary.Fixable++
		}
	}
}

// ShowsControls tells whether a format has a place for controls.
func ShowsControls(format string) bool { return format == "json" || format == "sarif" }

// Answer says which controls each policy answers, by framework.
func (r *Report) Answer(controls func(policy string) map[string][]string) {
	r.controls = controls
	for i := range r.Findings {
		r.Findings[i].Controls = controls(r.Findings[i].Policy)
	}
}

// says is the finding in a sentence, and what became of its exemption.
func (f Finding) says() string {
	switch {
	case f.Exemption == nil || f.Exempted():
		return f.Message
	case f.Exemption.State == detect.Refused:
		return f.Message + " (no exemption counts: the policy is strict)"
	}
	return f.Message + " (its exemption ended on " + f.Exemption.Until + ")"
}

func resource(r *manifest.Resource) Resource {
	return Resource{r.APIVersion, r.Kind, r.Namespace, r.Name}
}

// findings makes of all findings, the open ones first, what is printed.
func findings(all []*detect.Finding, open int, propose Propose) []Finding {
	out := make([]Finding, len(all))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 8) {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(all); i = next.Add(1) - 1 {
				out[i] = finding(all[i], int(i) < open, propose)
			}
		})
	}
	wg.Wait()
	return out
}

func finding(f *detect.Finding, open bool, propose Propose) Finding {
	out := Finding{
		Policy: f.Policy.Name, Severity: f.Severity, Category: f.Policy.Category,
		Message: f.Message, Risk: f.Risk, Fingerprint: f.Fingerprint, Container: f.Container,
		Resource: resource(f.Resource),
		Location: location(f),
		Field:    f.Field.String(), Controls: map[string][]string{},
		Evidence: []fixers.Evidence{}, Seen: []string{}, Source: source(f.Source),
	}
	if f.Git {
		out.Seen = append(out.Seen, "git")
	}
	if f.Live {
		out.Seen = append(out.Seen, "live")
	}
	if !open {
		out.Exemption = exemption(f.Exemption, detect.Needed)
		out.Fix = Fix{Safety: policy.Manual, Reason: fmt.Sprintf("%s: %s", fixers.HeldExempted, f.Exemption)}
		return out
	}
	if f.Exemption != nil {
		state := detect.Expired
		if f.Policy.Strict {
			state = detect.Refused
		}
		out.Exemption = exemption(f.Exemption, state)
	}
	if propose == nil {
		out.Fix = Fix{Safety: policy.Manual, Reason: "not looked for: 'oakum fix --live' tells"}
		return out
	}
	fix, held := propose(f)
	if held != nil {
		out.Fix = Fix{Safety: policy.Manual, Reason: fmt.Sprintf("%s: %s", held.Reason, held.Detail)}
		return out
	}
	out.Fix = Fix{Available: true, Safety: fix.Safety, Title: fix.Title}
	out.Evidence = append(out.Evidence, fix.Evidence...)
	return out
}

// location is where a person would look: in the tree, if that decides.
func location(f *detect.Finding) Location {
	layer := "plain"
	if f.Position.Line == 0 {
		layer = "live"
	}
	return Location{f.Position.File, f.Position.Line, f.Position.Column, layer}
}

func source(s *trace.Source) *Source {
	if s == nil {
		return nil
	}
	out := &Source{By: s.By, Confidence: s.Confidence, Owner: s.Owner, Repository: s.Repository, Path: s.Path, Revision: s.Revision}
	if s.Resource != nil {
		at := s.Resource.Position(nil)
		out.Location = &Location{at.File, at.Line, at.Column, "plain"}
	}
	return out
}

// Options say how a report is printed.
type Options struct {
	Color   bool
	Version string    // of oakum
	Time    time.Time // of the scan
}

// Formats lists the formats that Write knows.
func Formats() []string {
	return []string{"table", "json", "sarif", "junit", "markdown", "html", "github", "csv", "policyreport", "openreports"}
}

// Write prints the report.
func (r *Report) Write(w io.Writer, format string, o Options) error {
	switch format {
	case "table":
		return r.table(w, o)
	case "json":
		return r.json(w)
	case "sarif":
		return writeJSON(w, r.sarif(o))
	case "junit":
		return r.junit(w)
	case "markdown":
		_, err := io.WriteString(w, r.markdown())
		return err
	case "html":
		return r.html(w, o)
	case "github":
		return r.annotations(w)
	case "csv":
		return r.csv(w)
	case "policyreport", "openreports":
		return r.policyReports(w, format == "openreports", o.Time)
	}
	return fmt.Errorf("no format is called %q; there are %s", format, strings.Join(Formats(), ", "))
}

// id names a resource the way people do.
func (r Resource) id() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
