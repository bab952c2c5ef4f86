package remediate

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
)

// Diff is the change as a unified diff that git apply takes.
func (c Change) Diff() string {
	from := "a/" + c.Path
	if c.Before == nil {
		from = "/dev/null"
	}
	lines := splitLines(string(c.Before))
	return fmt.Sprintf("--- %s\n+++ %s\n%s", quoted(from), quoted("b/"+c.Path), unified(lines, c.hunks(lines)))
}

func (c Change) hunks(lines []string) []hunk {
	if c.Before == nil {
		return []hunk{{with: splitLines(string(c.After))}}
	}
	return hunks(lines, c.Edits)
}

// quoted writes a file's name as git does: in C quotes where it has characters
// that would end the header.
func quoted(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\\' }) {
		return name
	}
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	return `"` + b.String() + `"`
}

// Lines counts what the change adds and removes.
func (c Change) Lines() (added, removed int) {
	for _, h := range c.hunks(splitLines(string(c.Before))) {
		added += len(h.with)
		removed += h.to - h.from
	}
	return added, removed
}

// Diff is the whole plan as one diff.
func (p *Plan) Diff() string {
	var b strings.Builder
	for _, c := range p.Changes {
		b.WriteString(c.Diff())
	}
	return b.String()
}

// Summary counts a plan.
type Summary struct {
	Files        int `json:"files"`
	Fixes        int `json:"fixes"`
	Held         int `json:"held"`
	LinesAdded   int `json:"linesAdded"`
	LinesRemoved int `json:"linesRemoved"`
}

// Summary counts the plan.
func (p *Plan) Summary() Summary {
	s := Summary{Files: len(p.Changes), Held: len(p.Held)}
	seen := map[*fixers.Fix]bool{}
	for _, c := range p.Changes {
		added, removed := c.Lines()
		s.LinesAdded += added
		s.LinesRemoved += removed
		for _, f := range c.Fixes {
			seen[f] = true
		}
	}
	s.Fixes = len(seen)
	return s
}

type planJSON struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Changes    []changeJSON     `json:"changes"`
	Held       []heldJSON       `json:"held"`
	Summary    Summary          `json:"summary"`
	Errors     []manifest.Error `json:"errors"`
}

type changeJSON struct {
	File  string    `json:"file"`
	Diff  string    `json:"diff"`
	Fixes []fixJSON `json:"fixes"`
	Proof Proof     `json:"proof"`
}

type fixJSON struct {
	Policy      string            `json:"policy"`
	Title       string            `json:"title"`
	Safety      policy.Safety     `json:"safety"`
	Evidence    []fixers.Evidence `json:"evidence"`
	Fingerprint string            `json:"fingerprint"`
}

type heldJSON struct {
	Policy      string        `json:"policy"`
	Fingerprint string        `json:"fingerprint"`
	File        string        `json:"file"`
	Line        int           `json:"line"`
	Reason      fixers.Reason `json:"reason"`
	Detail      string        `json:"detail"`
}

// WriteJSON prints the plan for programs.
func (p *Plan) WriteJSON(w io.Writer, errs []manifest.Error) error {
	out := planJSON{APIVersion: policy.APIVersion, Kind: "Plan", Changes: []changeJSON{}, Held: []heldJSON{}, Summary: p.Summary(), Errors: []manifest.Error{}}
	for _, c := range p.Changes {
		cj := changeJSON{File: c.Path, Diff: c.Diff(), Proof: c.Proof}
		for _, f := range c.Fixes {
			cj.Fixes = append(cj.Fixes, fixJSON{f.Finding.Policy.Name, f.Title, f.Safety, f.Evidence, f.Finding.Fingerprint})
		}
		out.Changes = append(out.Changes, cj)
	}
	for _, h := range p.Held {
		out.Held = append(out.Held, heldJSON{h.Finding.Policy.Name, h.Finding.Fingerprint, h.Finding.Position.File, h.Finding.Position.Line, h.Reason, h.Detail})
	}
	out.Errors = append(out.Errors, errs...)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// Markdown is the plan for a pull request's comment or a job's summary.
func (p *Plan) Markdown() string {
	s := p.Summary()
	if s.Fixes == 0 {
		return fmt.Sprintf("oakum mends nothing here; %s held back.\n", count(s.Held, "finding"))
	}
	g := Group{Key: ".", Plan: p}
	return g.body(fixesOf(p))
}

// Masked is the diff of a change for others to see: what must not be shown is
// masked, and control characters do nothing.
func (p *Plan) Masked(c Change) string { return Visible(p.masked(c.Diff())) }
