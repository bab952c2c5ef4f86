package bot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

// CheckName is the name of oakum's check, for rules that require it.
const CheckName = "oakum"

// actionFix is the button that has the fixes pushed.
const actionFix = "fix"

// check reports a comparison on its head commit. The same result is reported
// once, and one that was cut off is gone on with.
func (v *visit) check(ctx context.Context, c *comparison, fixable bool) error {
	annotations := c.annotations()
	result := remediate.Check{
		Name: CheckName, Commit: c.head, Status: remediate.CheckCompleted, Conclusion: remediate.CheckSuccess,
		Title: c.title(), Summary: remediate.Shorten(c.summary(), remediate.MaxOutput-200),
	}
	if c.fails() || c.mistake != "" {
		result.Conclusion = remediate.CheckFailure
	}
	if fixable && c.plan != nil && len(c.plan.Changes) > 0 {
		result.Actions = []remediate.CheckAction{{Identifier: actionFix, Label: "Fix this", Description: "Push the fixes to this branch"}}
	}
	result.Key = digestOf(result, annotations)
	return v.report(ctx, result, annotations)
}

// pass says of a commit that there is nothing to judge.
func (v *visit) pass(ctx context.Context, commit string) error {
	result := remediate.Check{
		Name: CheckName, Commit: commit, Status: remediate.CheckCompleted, Conclusion: remediate.CheckSuccess,
		Title: "Nothing is judged here", Summary: "The base branch has no configuration of oakum, or switches previews off.",
	}
	result.Key = digestOf(result, nil)
	return v.report(ctx, result, nil)
}

// report makes a check, or completes one that was cut off.
func (v *visit) report(ctx context.Context, want remediate.Check, annotations []remediate.Annotation) error {
	checks, err := v.host.Checks(ctx, want.Commit)
	if err != nil || slices.ContainsFunc(checks, func(c remediate.Check) bool {
		return c.Name == CheckName && c.Key == want.Key && c.Status == remediate.CheckCompleted && c.Annotated >= len(annotations)
	}) {
		return err
	}
	want.Annotations = annotations
	_, err = v.host.CreateCheck(ctx, want)
	return err
}

// digestOf tells results apart.
func digestOf(c remediate.Check, annotations []remediate.Annotation) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%v\x00%v", c.Conclusion, c.Title, c.Summary, c.Actions, annotations)
	return "oakum-" + hex.EncodeToString(h.Sum(nil)[:12])
}

// maxAnnotated bounds the annotations of a check: twenty requests.
const maxAnnotated = 1000

// annotations are remarks at the lines of new findings, the worst first.
func (c *comparison) annotations() []remediate.Annotation {
	fixes := c.fixes()
	var out []remediate.Annotation
	if c.mistake != "" {
		out = append(out, remediate.Annotation{Path: remediate.ConfigName, Line: 1, Level: remediate.LevelFailure, Title: "The configuration has a mistake", Message: line(c.mistake)})
	}
	for _, f := range c.fresh {
		if len(out) == maxAnnotated {
			break
		}
		a := remediate.Annotation{
			Path: f.Position.File, Line: max(f.Position.Line, 1), Level: level(f.Severity, c.failOn),
			Title: clip(fmt.Sprintf("%s: %s", f.Severity, line(f.Policy.Title)), 250), Message: clip(line(f.Message)+" ["+f.Policy.Name+"]", 4000),
		}
		if fix := fixes[f.Fingerprint]; fix != nil {
			a.Message += clip("\nFix ("+string(fix.Safety)+"): "+line(fix.Title), 1000)
		}
		out = append(out, a)
	}
	return out
}

func level(s, failOn policy.Severity) string {
	switch {
	case failOn != "none" && s.AtLeast(failOn):
		return remediate.LevelFailure
	case s.AtLeast("medium"):
		return remediate.LevelWarning
	}
	return remediate.LevelNotice
}

// clip shortens a line at a character.
func clip(s string, room int) string {
	if len(s) <= room {
		return s
	}
	return strings.ToValidUTF8(s[:room-len("…")], "") + "…"
}

func (c *comparison) title() string {
	switch n := len(c.fresh); {
	case c.mistake != "":
		return "The configuration has a mistake"
	case n == 0:
		return "No new findings"
	default:
		return fmt.Sprintf("%s, %d of them fixable", count(n, "new finding"), len(c.fixes()))
	}
}

// summary is the comparison in Markdown.
func (c *comparison) summary() string {
	var b strings.Builder
	if c.mistake != "" {
		fmt.Fprintf(&b, "The configuration of this change cannot be read:\n\n    %s\n\n", line(c.mistake))
	}
	fmt.Fprintf(&b, "%s. %d that were there before are not counted", c.title(), c.old)
	if c.gone > 0 {
		fmt.Fprintf(&b, ", and %d are gone with this change", c.gone)
	}
	fmt.Fprintf(&b, ". Judged against %.12s with the configuration of the base branch; the check fails from severity %s on.\n", c.base, c.failOn)
	if n := len(c.after.Set.Errors); n > 0 {
		fmt.Fprintf(&b, "\n%s could not be read:\n\n", count(n, "file or document"))
		for i, e := range c.after.Set.Errors {
			if i == 20 {
				fmt.Fprintf(&b, "- …and %d more\n", n-i)
				break
			}
			fmt.Fprintf(&b, "- %s:%d: %s\n", code(e.File), e.Line, plain(e.Message))
		}
	}
	if len(c.fresh) > 0 {
		b.WriteString("\n" + c.table())
	}
	return b.String()
}

// maxRows bounds the table of findings.
const maxRows = 100

// table is the new findings, the worst first.
func (c *comparison) table() string {
	fixes, held := c.fixes(), c.held()
	var b strings.Builder
	b.WriteString("| Finding | Where | Fix |\n|---|---|---|\n")
	for i, f := range c.fresh {
		if i == maxRows {
			fmt.Fprintf(&b, "\n…and %s.\n", count(len(c.fresh)-i, "more finding"))
			break
		}
		fix := plain(held[f.Fingerprint])
		if x := fixes[f.Fingerprint]; x != nil {
			fix = fmt.Sprintf("%s (%s)", plain(x.Title), x.Safety)
		}
		fmt.Fprintf(&b, "| **%s** %s | %s:%d<br>%s | %s |\n", f.Severity, plain(f.Message), code(f.Position.File), f.Position.Line, plain(f.Resource.ID()), fix)
	}
	return b.String()
}

// held says why new findings have no fix, by fingerprint.
func (c *comparison) held() map[string]string {
	out := map[string]string{}
	if c.plan != nil {
		for _, h := range c.plan.Held {
			out[h.Finding.Fingerprint] = fmt.Sprintf("held back, %s: %s", h.Reason, h.Detail)
		}
	}
	return out
}

// comment is the text of the sticky comment. suggested are the files whose
// changes are shown as suggestions on the diff.
func (c *comparison) comment(pushable bool, suggested map[string]bool) string {
	var b strings.Builder
	b.WriteString("### oakum\n\n" + c.summary())
	if c.plan == nil || len(c.plan.Changes) == 0 {
		return b.String()
	}
	switch {
	case pushable:
		fmt.Fprintf(&b, "\nThe fixes below were proved together. Comment `/oakum fix %.12s` to have them pushed to this branch, or press *Fix this* in the check.\n", c.head)
	default:
		b.WriteString("\nThe fixes below were proved together. This pull request comes from a fork, so they are for you to apply: save the patch and run `git apply`.\n")
	}
	const room = 30_000
	for _, change := range c.plan.Changes {
		if suggested[change.Path] {
			continue
		}
		block := fmt.Sprintf("\n<details><summary>%s</summary>\n\n%s\n</details>\n", plain(change.Path), remediate.Fence(c.plan.Masked(change), "diff"))
		if b.Len()+len(block) > room {
			b.WriteString("\nThe rest of the patch is longer than a comment takes: `oakum fix` prints it.\n")
			break
		}
		b.WriteString(block)
	}
	b.WriteString("\n`/oakum help` lists the commands.\n")
	return b.String()
}
