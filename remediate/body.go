package remediate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/report/markdown"
)

// maxText keeps what is written of a pull request below GitHub's 65,536 characters, with
// room for the marker.
const maxText = 60_000

func heldOf(p *Plan, key string, division grouping) []fixers.Held {
	return slices.DeleteFunc(slices.Clone(p.Held), func(h fixers.Held) bool { return division.key(h.Finding) != key })
}

// fixesOf lists the fixes of a plan once each, in order of place.
func fixesOf(p *Plan) []*fixers.Fix {
	var out []*fixers.Fix
	for _, c := range p.Changes {
		for _, f := range c.Fixes {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *fixers.Fix) int {
		return cmp.Or(cmp.Compare(a.Finding.Position.File, b.Finding.Position.File), cmp.Compare(a.Finding.Position.Line, b.Finding.Position.Line))
	})
	return out
}

// Proposal is the pull request for a group: its commit, branch and text.
func (g Group) Proposal(base, commit string, labels []string) Proposal {
	fixes := fixesOf(g.Plan)
	p := Proposal{Branch: BranchName(g.Key), Base: base, BaseCommit: commit, Files: map[string][]byte{}, Labels: labels}
	for _, c := range g.Plan.Changes {
		p.Files[c.Path] = c.After
	}
	for _, f := range fixes {
		p.Findings = append(p.Findings, f.Finding.Fingerprint)
		if f.Lessens {
			p.Lessened = append(p.Lessened, f.Finding.Fingerprint)
		}
	}
	slices.Sort(p.Findings)
	p.Title = g.title(fixes)
	p.Message = p.Title + "\n\n" + commitBody(fixes)
	p.Body = g.body(fixes)
	return p
}

func (g Group) title(fixes []*fixers.Fix) string {
	where := g.Key
	if where == "." {
		where = "manifests"
	}
	if len(fixes) == 1 {
		return headline(where + ": " + fixes[0].Title)
	}
	return headline(fmt.Sprintf("%s: %d security fixes", where, len(fixes)))
}

func commitBody(fixes []*fixers.Fix) string {
	var b strings.Builder
	for _, f := range fixes {
		fmt.Fprintf(&b, "- %s: %s (%s)\n", headline(f.Finding.Resource.ID()), headline(f.Title), f.Finding.Policy.Name)
	}
	return b.String()
}

// gone says what became of the findings.
func gone(fixes []*fixers.Fix) string {
	if slices.ContainsFunc(fixes, func(f *fixers.Fix) bool { return f.Lessens }) {
		return "the findings are gone, or have fewer vulnerabilities,"
	}
	return "the findings are gone"
}

func (g Group) body(fixes []*fixers.Fix) string {
	s := g.Plan.Summary()
	var b strings.Builder
	fmt.Fprintf(&b, "oakum found %s in `%s` and mends %s: **+%d −%d lines** in %s. Nothing else is touched.\n\n",
		count(len(fixes), "finding"), code(g.Key), them(len(fixes)), s.LinesAdded, s.LinesRemoved, count(s.Files, "file"))
	b.WriteString("| Finding | Where | Change | Safety |\n|---|---|---|---|\n")
	for i, f := range fixes {
		p := f.Finding
		row := fmt.Sprintf("| **%s** %s | `%s:%d`<br>%s | %s | %s |\n", p.Severity, cell(p.Message), code(p.Position.File), p.Position.Line,
			cell(p.Resource.ID()), cell(f.Title), f.Safety)
		if b.Len()+len(row) > maxText/2 {
			fmt.Fprintf(&b, "\n…and %s.\n", count(len(fixes)-i, "more finding"))
			break
		}
		b.WriteString(row)
	}
	b.WriteString("\n### Why it is safe, and how safe\n\n")
	for _, line := range evidence(fixes) {
		b.WriteString(line)
	}
	b.WriteString("\nProved before this was opened: the edited files parse to exactly the intended objects, every other line is untouched, " + gone(fixes) + " and no new one appears")
	if rendered(g.Plan) {
		b.WriteString(", and every kustomization that uses these files renders with only the intended changes")
	}
	b.WriteString(".\n")
	for _, c := range g.Plan.Changes {
		block := fmt.Sprintf("\n<details><summary>%s</summary>\n\n%s\n</details>\n", cell(c.Path), Fence(Visible(g.Plan.masked(c.Diff())), "diff"))
		if b.Len()+len(block) > maxText {
			b.WriteString("\nThe rest of the diff is in the *Files changed* tab.\n")
			break
		}
		b.WriteString(block)
	}
	if held := g.heldText(maxText - b.Len()); held != "" {
		b.WriteString(held)
	}
	b.WriteString("\n### To refuse\n\nClose this pull request: it stays closed until its findings change. To switch a policy off for this repository, put this into `.oakum.yaml`:\n\n```yaml\npolicies:\n")
	for _, name := range policyNames(fixes) {
		fmt.Fprintf(&b, "  %s: {disabled: true}\n", name)
	}
	b.WriteString("```\n")
	return b.String()
}

// heldText lists what was found here and not mended, for a person to judge.
func (g Group) heldText(room int) string {
	if len(g.Plan.Held) == 0 || room < 500 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details><summary>%s held back</summary>\n\n", count(len(g.Plan.Held), "finding"))
	for i, h := range g.Plan.Held {
		line := fmt.Sprintf("- `%s:%d` %s — *%s*: %s\n", code(h.Finding.Position.File), h.Finding.Position.Line, cell(h.Finding.Message), h.Reason, cell(h.Detail))
		if b.Len()+len(line) > room-200 {
			fmt.Fprintf(&b, "- …and %d more\n", len(g.Plan.Held)-i)
			break
		}
		b.WriteString(line)
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

// evidence says once for all fixes that share it what makes them safe.
func evidence(fixes []*fixers.Fix) []string {
	type reason struct {
		safety policy.Safety
		text   string
	}
	var order []reason
	titles := map[reason][]string{}
	for _, f := range fixes {
		for _, e := range f.Evidence {
			r := reason{f.Safety, e.Level + ": " + e.Text}
			if titles[r] == nil {
				order = append(order, r)
			}
			titles[r] = append(titles[r], f.Title)
		}
	}
	var out []string
	for _, r := range order {
		what := cell(titles[r][0])
		if n := len(titles[r]) - 1; n > 0 {
			what += fmt.Sprintf(" (and %d like it)", n)
		}
		out = append(out, fmt.Sprintf("- **%s** — %s: %s.\n", r.safety, what, cell(strings.TrimSuffix(r.text, "."))))
	}
	return out
}

func rendered(p *Plan) bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Proof.Render == "ok" })
}

func policyNames(fixes []*fixers.Fix) []string {
	var out []string
	for _, f := range fixes {
		out = append(out, f.Finding.Policy.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// unseen are characters that do something where they are printed: control,
// reorder, or break lines in ways that not every reader knows.
func unseen(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// Visible shows the control characters of a text of several lines, tabs apart,
// so that they do nothing where it is printed.
func Visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && r != '\r' && unseen(r) {
			return '�'
		}
		return r
	}, s)
}

// clean keeps names that others chose on one line and without control characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unseen(r) {
			return ' '
		}
		return r
	}, s)
}

// headline is clean text for titles and commit messages, where GitHub looks
// for mentions and numbers: a space of no width keeps it from finding any.
func headline(s string) string { return references.Replace(clean(s)) }

var references = strings.NewReplacer("@", "@\u200b", "#", "#\u200b")

// cell is text of strangers for a place in Markdown where one line is.
func cell(s string) string { return markdown.Text(clean(s)) }

// code is for text between single backticks.
func code(s string) string { return markdown.Code(clean(s)) }

// Fence encloses text in a fence longer than any inside it.
func Fence(s, lang string) string {
	ticks := "```"
	for strings.Contains(s, ticks) {
		ticks += "`"
	}
	return ticks + lang + "\n" + strings.TrimSuffix(s, "\n") + "\n" + ticks
}
