package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/policy"
)

// PolicyExample is what a policy finds in one of its test cases.
type PolicyExample struct {
	Message string
	File    string
	Line    int
	Diff    string   // how it is mended; empty where it is not
	Around  []string // else the lines around the finding, which is at Around[Mark]
	Mark    int
}

// PolicyPage tells what a policy asks for, why, and how a breach is mended, as
// Markdown or as text for a terminal. Controls are those it answers, by
// framework; example may be nil.
func PolicyPage(p *policy.Policy, controls map[string][]string, example *PolicyExample, asMarkdown bool) string {
	b := page{markdown: asMarkdown}
	b.title(p.Name, p.Title)
	b.paragraph(fmt.Sprintf("Severity %s, category %s, fix: %s.", severities(p), p.Category, p.Boldest()))
	b.paragraph(oneLine(p.Description))
	if example != nil {
		b.heading("Example")
		b.paragraph(fmt.Sprintf("%s:%d: %s", example.File, example.Line, example.Message))
		if example.Diff != "" {
			b.code("diff", example.Diff)
		} else {
			b.code("yaml", marked(example))
		}
	}
	b.heading("What must hold")
	b.code("yaml", condition(p))
	if p.Fix != nil {
		b.heading("Fix")
		b.fix(p.Fix)
	}
	if len(p.Parameters) > 0 {
		b.heading("Parameters")
		for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
			b.item(fmt.Sprintf("%s = %s", name, inline(p.Parameters[name].Default)), oneLine(p.Parameters[name].Description), "")
		}
	}
	if len(controls) > 0 {
		b.heading("Controls")
		for _, framework := range slices.Sorted(maps.Keys(controls)) {
			b.item(framework, strings.Join(controls[framework], ", "), "")
		}
	}
	return b.String()
}

// severities names the severities that findings of a policy may have.
func severities(p *policy.Policy) string {
	var out []string
	for _, s := range policy.Severities {
		if s == p.Severity || slices.ContainsFunc(p.Severities, func(r policy.SeverityRule) bool { return r.Level == s }) {
			out = append(out, string(s))
		}
	}
	return strings.Join(out, " or ")
}

// PolicyIndex lists policies by category, with a link to the page of each.
func PolicyIndex(policies []*policy.Policy) string {
	byCategory := map[string][]*policy.Policy{}
	for _, p := range policies {
		byCategory[p.Category] = append(byCategory[p.Category], p)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Policies\n\nThe %d built-in policies, by category. `oakum policy show NAME` prints the page of one.\n", len(policies))
	for _, category := range slices.Sorted(maps.Keys(byCategory)) {
		fmt.Fprintf(&b, "\n## %s\n\n| policy | severity | fix | |\n|---|---|---|---|\n", category)
		for _, p := range byCategory[category] {
			fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s | %s |\n", p.Name, p.Name, p.Severity, p.Boldest(), plain.Replace(p.Title))
		}
	}
	return b.String()
}

// condition is the part of a policy that judges, as its file has it.
func condition(p *policy.Policy) string {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, oneLine(value))
		}
	}
	line("kinds", strings.Join(p.Match.Kinds, ", "))
	line("components", strings.Join(p.Match.Components, ", "))
	line("each", p.Match.Each)
	line("where", p.Match.Where)
	if p.Kubernetes.Since > 0 {
		line("since", fmt.Sprintf("Kubernetes 1.%d", p.Kubernetes.Since))
	}
	if p.Kubernetes.Until > 0 {
		line("until", fmt.Sprintf("Kubernetes 1.%d", p.Kubernetes.Until))
	}
	for _, r := range p.Related {
		line(r.Name, strings.Join(r.Kinds, ", ")+" of the same "+cmp.Or(r.In, "namespace"))
	}
	for _, v := range p.Variables {
		line(v.Name, v.Expression)
	}
	line("require", p.Require)
	if p.Language != "" {
		line("judged by", p.Language+" of "+p.File)
	}
	line("not judged", p.Unjudged)
	line("analyzer", p.Analyzer)
	for _, s := range p.Severities {
		line("severity "+string(s.Level), s.When)
	}
	return b.String()
}

func marked(e *PolicyExample) string {
	var b strings.Builder
	for i, l := range e.Around {
		mark := "  "
		if i == e.Mark {
			mark = "> "
		}
		b.WriteString(strings.TrimRight(mark+l, " ") + "\n")
	}
	return b.String()
}

func inline(v any) string {
	switch v := v.(type) {
	case []any:
		words := make([]string, len(v))
		for i, e := range v {
			words[i] = inline(e)
		}
		return "[" + strings.Join(words, ", ") + "]"
	case map[string]any:
		var words []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			words = append(words, k+": "+inline(v[k]))
		}
		return "{" + strings.Join(words, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
