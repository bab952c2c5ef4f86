package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/drift"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/trace"
	"github.com/oakum-dev/oakum/report/markdown"
)

// Drift is what comparing a cluster with Git says, in the shape of diff -o json.
type Drift struct {
	APIVersion  string           `json:"apiVersion"`
	Kind        string           `json:"kind"`
	Cluster     string           `json:"cluster"`
	Drifts      []DriftedObject  `json:"drifts"`
	NotCompared []NotCompared    `json:"notCompared"`
	Summary     DriftSummary     `json:"summary"`
	Errors      []manifest.Error `json:"errors"`
}

// DriftedObject is one object that is not as Git says.
type DriftedObject struct {
	Resource    Resource          `json:"resource"`
	Missing     bool              `json:"missing"` // Git has it, and the cluster has not
	Effect      drift.Effect      `json:"effect"`
	Severity    policy.Severity   `json:"severity,omitempty"` // of the worst finding that it makes
	Location    Location          `json:"location"`           // of the resource in the tree
	Kustomized  string            `json:"kustomization,omitempty"`
	Source      string            `json:"source,omitempty"` // who puts the object into the cluster
	Confidence  trace.Confidence  `json:"confidence,omitempty"`
	Commit      string            `json:"commit,omitempty"` // that was compared, where it is not the tree's
	Differences []DriftDifference `json:"differences"`
	Weakens     []DriftFinding    `json:"weakens"`
	Strengthens []DriftFinding    `json:"strengthens"`
}

// DriftDifference is one field that differs.
type DriftDifference struct {
	Field    string       `json:"field"` // empty: the whole object
	Git      any          `json:"git"`   // null: Git does not have it
	Live     any          `json:"live"`  // null: it is gone
	Location Location     `json:"location"`
	Owner    *drift.Owner `json:"owner"` // null: nobody is noted
	Effect   drift.Effect `json:"effect"`
}

// DriftFinding is a finding that a drift makes come or go.
type DriftFinding struct {
	Policy   string          `json:"policy"`
	Severity policy.Severity `json:"severity"`
	Message  string          `json:"message"`
	Resource Resource        `json:"resource"`
	Field    string          `json:"field"`
}

// NotCompared is an object that was left out, and why.
type NotCompared struct {
	Resource Resource `json:"resource"`
	Reason   string   `json:"reason"`
}

// DriftSummary counts objects.
type DriftSummary struct {
	Compared    int `json:"compared"`
	Drifted     int `json:"drifted"`
	Missing     int `json:"missing"`
	Weakens     int `json:"weakens"`
	Strengthens int `json:"strengthens"`
	NotCompared int `json:"notCompared"`
}

// NewDrift words a comparison.
func NewDrift(cluster string, r *drift.Result, errs []manifest.Error) *Drift {
	out := &Drift{
		APIVersion: policy.APIVersion, Kind: "Drift", Cluster: cluster, Drifts: []DriftedObject{}, NotCompared: []NotCompared{}, Errors: append([]manifest.Error{}, errs...),
		Summary: DriftSummary{Compared: r.Compared, Drifted: len(r.Drifts), NotCompared: len(r.Skipped)},
	}
	for _, d := range r.Drifts {
		out.Drifts = append(out.Drifts, drifted(d))
		switch d.Effect {
		case drift.Weakens:
			out.Summary.Weakens++
		case drift.Strengthens:
			out.Summary.Strengthens++
		}
		if d.Missing() {
			out.Summary.Missing++
		}
	}
	for _, s := range r.Skipped {
		out.NotCompared = append(out.NotCompared, NotCompared{named(s.Object), s.Reason})
	}
	return out
}

func named(r *manifest.Resource) Resource { return Resource{r.APIVersion, r.Kind, r.Namespace, r.Name} }

func drifted(d *drift.Drift) DriftedObject {
	place := func(p manifest.Position) Location {
		return Location{File: p.File, Line: p.Line, Column: p.Column, Layer: "plain"}
	}
	out := DriftedObject{
		Resource: Resource{d.Desired.APIVersion, d.Desired.Kind, d.Namespace, d.Desired.Name}, Missing: d.Missing(), Effect: d.Effect, Severity: d.Worst(),
		Kustomized: d.Desired.Dir, Source: d.Source.String(), Confidence: d.Source.Confidence, Commit: d.Commit,
		Differences: []DriftDifference{}, Weakens: found(d.Weakens), Strengthens: found(d.Strengthens),
	}
	if r := d.Desired.Resource; r != nil {
		out.Location = place(r.Position(nil))
	} else if len(d.Differences) > 0 {
		out.Location = place(d.Differences[0].Position)
	}
	for _, x := range d.Differences {
		git, live := d.Shown(x)
		shown := DriftDifference{Field: x.Path.String(), Git: git, Live: live, Location: place(x.Position), Effect: x.Effect}
		if x.Owner.Manager != "" {
			shown.Owner = &x.Owner
		}
		out.Differences = append(out.Differences, shown)
	}
	return out
}

func found(findings []*detect.Finding) []DriftFinding {
	out := []DriftFinding{}
	for _, f := range findings {
		out = append(out, DriftFinding{f.Policy.Name, f.Severity, f.Message, named(f.Resource), f.Field.String()})
	}
	return out
}

// DriftFormats are the formats that Write knows.
func DriftFormats() []string { return []string{"table", "json", "markdown"} }

// Write prints the drift in a format.
func (r *Drift) Write(w io.Writer, format string, o Options) error {
	switch format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	case "markdown":
		_, err := io.WriteString(w, r.markdown())
		return err
	}
	return r.table(w, o)
}

// table prints drift by object, one field a line.
func (r *Drift) table(w io.Writer, o Options) error {
	b := bufio.NewWriter(w)
	paint := o.paint
	colors := map[drift.Effect]string{drift.Weakens: "31", drift.Strengthens: "32"}
	for _, d := range r.Drifts {
		at := d.Location.String()
		if d.Kustomized != "" {
			at += ", rendered by " + d.Kustomized
		}
		if d.Commit != "" {
			at += ", at " + d.Commit
		}
		fmt.Fprintf(b, "%s  %s\n", paint("1", lineStart(d.Resource.String())), printable(at))
		if d.Source != "" {
			fmt.Fprintf(b, "  by %s\n", printable(d.Source))
		}
		for _, x := range d.Differences {
			fmt.Fprintf(b, "  %s  %s\n", paint(colors[x.Effect], fmt.Sprintf("%-11s", x.Effect)), printable(x.says()))
			fmt.Fprintf(b, "    git   %s\n    live  %s\n", printable(x.git(d.Missing)), printable(x.live(d.Missing)))
		}
		findings, more, intro := d.tell()
		for _, f := range findings {
			fmt.Fprintf(b, "  %s  %s%s  %s\n", paint(severityColor[f.Severity], fmt.Sprintf("%-8s", f.Severity)), intro, printable(f.says(d)), paint("2", "["+f.Policy+"]"))
		}
		if more > 0 {
			fmt.Fprintf(b, "  and %s more, none of them worse\n", plural(more, "finding"))
		}
		fmt.Fprintf(b, "  %s\n\n", printable(d.advice()))
	}
	for _, e := range r.Errors {
		fmt.Fprintf(b, "%s\n", paint("31", lineStart(where(e))+": error: "+printable(e.Message)))
	}
	fmt.Fprintln(b, r.summary())
	return b.Flush()
}

// String names the resource: Kind namespace/name.
func (r Resource) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// says names the field, and who wrote it since when.
func (x DriftDifference) says() string {
	name := x.Field
	if name == "" {
		name = "the whole object"
	}
	if x.Owner == nil {
		return name + ", by nobody that is noted"
	}
	out := name + ", by " + x.Owner.Manager
	if x.Owner.Subresource != "" {
		out += " through " + x.Owner.Subresource
	}
	if !x.Owner.Time.IsZero() {
		out += " on " + x.Owner.Time.UTC().Format(time.RFC3339)
	}
	return out
}

func (x DriftDifference) git(missing bool) string {
	at := ""
	if x.Location.File != "" {
		at = "  (" + x.Location.String() + ")"
	}
	switch {
	case missing:
		return "has it" + at
	case x.Git == nil:
		return "does not have it" + at
	}
	return value(x.Git) + at
}

func (x DriftDifference) live(missing bool) string {
	switch {
	case missing:
		return "does not have it"
	case x.Live == nil:
		return "it is gone"
	}
	return value(x.Live)
}

// maxValue bounds, in characters, what is printed of a value.
const maxValue = 160

// value is a value as JSON has it, on one line.
func value(v any) string {
	src, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	s := string(src)
	if r := []rune(s); len(r) > maxValue {
		s = string(r[:maxValue-1]) + "…"
	}
	return s
}

// says words a finding; of another object than the drifted one it names that.
func (f DriftFinding) says(d DriftedObject) string {
	if f.Resource == d.Resource {
		return f.Message
	}
	return f.Resource.String() + ": " + f.Message
}

// maxTold bounds how many findings of one object people are shown.
const maxTold = 5

// tell picks the findings that people are shown: what weakens or, where
// nothing does, what is mended in the cluster alone.
func (d DriftedObject) tell() (findings []DriftFinding, more int, intro string) {
	findings = d.Weakens
	if d.Effect == drift.Strengthens {
		findings, intro = d.Strengthens, "in Git, "
	}
	n := min(len(findings), maxTold)
	return findings[:n], len(findings) - n, intro
}

// advice is what to do about a drift.
func (d DriftedObject) advice() string {
	at := d.Location.File
	switch {
	case d.Effect == drift.Weakens && d.Missing:
		return "→ apply " + at + " again, and find out who deleted the object"
	case d.Effect == drift.Weakens:
		return "→ revert it: apply " + at + " again" + d.who()
	case d.Effect == drift.Strengthens && !d.Missing:
		return "→ bring it into Git: 'oakum diff --fix' prints the change of " + at
	case d.Missing:
		return "→ apply " + at + " again, or delete it there"
	}
	return "→ bring it into " + at + ", or apply that again"
}

// who names those who wrote what weakens.
func (d DriftedObject) who() string {
	var names []string
	seen := map[string]bool{}
	for _, x := range d.Differences {
		if x.Effect == drift.Weakens && x.Owner != nil && !seen[x.Owner.Manager] {
			seen[x.Owner.Manager] = true
			names = append(names, x.Owner.Manager)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; the audit log says who used " + strings.Join(names, " and ")
}

func (r *Drift) summary() string {
	s := r.Summary
	out := fmt.Sprintf("%s of cluster %s compared: ", plural(s.Compared, "object"), printable(r.Cluster))
	if s.Drifted == 0 {
		out += "all as Git says"
	} else {
		out += fmt.Sprintf("%d not as Git says (%d weaken it, %d strengthen it, %d neither)", s.Drifted, s.Weakens, s.Strengthens, s.Drifted-s.Weakens-s.Strengthens)
	}
	if s.Missing > 0 {
		out += fmt.Sprintf("; %d of these missing", s.Missing)
	}
	if s.NotCompared > 0 {
		out += fmt.Sprintf("; %d left out", s.NotCompared)
	}
	if n := len(r.Errors); n > 0 {
		out += "; " + plural(n, "error")
	}
	return out
}

func (r *Drift) markdown() string {
	var b strings.Builder
	b.WriteString("## oakum: drift\n\n" + cell(r.summary()) + "\n")
	for i, d := range r.Drifts {
		var row strings.Builder
		fmt.Fprintf(&row, "\n### %s\n\n`%s`", cell(d.Resource.String()), code(d.Location.String()))
		if d.Source != "" {
			row.WriteString(", by " + cell(d.Source))
		}
		row.WriteString("\n\n| Effect | Field | Git | Live | Written by |\n|---|---|---|---|---|\n")
		for _, x := range d.Differences {
			field, by, _ := strings.Cut(x.says(), ", by ")
			fmt.Fprintf(&row, "| %s | `%s` | `%s` | `%s` | %s |\n", x.Effect, code(field), code(x.git(d.Missing)), code(x.live(d.Missing)), cell(by))
		}
		findings, more, intro := d.tell()
		for _, f := range findings {
			fmt.Fprintf(&row, "\n- %s: %s%s (`%s`)", f.Severity, intro, cell(f.says(d)), code(f.Policy))
		}
		if more > 0 {
			fmt.Fprintf(&row, "\n- and %s more, none of them worse", plural(more, "finding"))
		}
		fmt.Fprintf(&row, "\n\n%s\n", markdown.Text(printable(d.advice())))
		if b.Len()+row.Len() > maxMarkdown {
			fmt.Fprintf(&b, "\n%s more, left out for length.\n", plural(len(r.Drifts)-i, "object"))
			break
		}
		b.WriteString(row.String())
	}
	return b.String()
}
