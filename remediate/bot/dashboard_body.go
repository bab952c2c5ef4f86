package bot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/drift"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/store"
)

// maxListed is how many lines a list of the dashboard has.
const maxListed = 60

func (v *visit) dashboardBody(o overview) string {
	var b strings.Builder
	b.WriteString("What oakum does here, and what waits. Boxes can be ticked by people with write access; each acts once.\n")
	if o.problem != "" {
		fmt.Fprintf(&b, "\n## Nothing is done\n\n%s\n", o.problem)
		return bounded(b.String(), v.marks.of(markDashboard, "1"))
	}
	fmt.Fprintf(&b, "\n**Score %d of 100**", o.score)
	if n := len(o.history); n > 1 {
		fmt.Fprintf(&b, ", %s `%s`", trend(o.history), spark(o.history))
	}
	b.WriteString("\n")
	for _, s := range policy.Severities {
		if n := o.counts[s]; n > 0 {
			fmt.Fprintf(&b, "- %d %s\n", n, s)
		}
	}
	list(&b, "Open", "", o.open, func(p remediate.Pull) string {
		return fmt.Sprintf("- #%d %s\n", p.Number, plain(p.Title))
	})
	list(&b, "Waiting", "Tick one to have it opened now.", o.waiting, func(i item) string {
		return fmt.Sprintf("- [ ] %s %s — %s\n", v.marks.of(markOpen, i.branch), plain(i.title), plain(i.why))
	})
	list(&b, "Declined", "Tick one to have it proposed again.", o.declined, func(i item) string {
		return fmt.Sprintf("- [ ] %s #%d %s — %s\n", v.marks.of(markUndo, i.branch), i.number, plain(i.title), plain(i.why))
	})
	list(&b, "Left alone", "Somebody else works on these branches.", o.foreign, func(i item) string {
		return fmt.Sprintf("- %s %s\n", plain(i.title), code(i.branch))
	})
	list(&b, "Parked", "These failed again and again. Tick one to have it tried again.", o.parked, func(w store.Waiting) string {
		return fmt.Sprintf("- [ ] %s %s %s — %s\n", v.marks.of(markRetry, fmt.Sprint(w.ID)), plain(string(w.Kind)), plain(w.Key), plain(remediate.Redact(w.Reason)))
	})
	list(&b, "Weaker in the cluster", "The repository is right about these, and the cluster is not as it says: have them applied again.", o.weakened, weaker)
	if len(o.held) > 0 {
		b.WriteString(heldBack(o.held))
	}
	fmt.Fprintf(&b, "\n---\n- [ ] %s look at everything again\n", v.marks.of(markAgain, "1"))
	return bounded(b.String(), v.marks.of(markDashboard, "1"))
}

// list writes a section, if there is something in it.
func list[T any](b *strings.Builder, title, hint string, items []T, row func(T) string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", title)
	if hint != "" {
		b.WriteString(hint + "\n\n")
	}
	for i, item := range items {
		if i == maxListed {
			fmt.Fprintf(b, "- …and %d more\n", len(items)-i)
			break
		}
		b.WriteString(row(item))
	}
}

// weaker tells what somebody weakened, and what that breaks. What the fields
// hold is not for everybody who may read an issue.
func weaker(d *drift.Drift) string {
	var fields, breaks []string
	for _, x := range d.Differences {
		if x.Effect != drift.Weakens {
			continue
		}
		field := "the whole object"
		if len(x.Path) > 0 {
			field = code(x.Path.String())
		}
		if x.Owner.Manager != "" {
			field += " by " + code(x.Owner.Manager)
		}
		fields = append(fields, field)
	}
	for _, f := range d.Weakens {
		if !slices.Contains(breaks, f.Policy.Name) {
			breaks = append(breaks, f.Policy.Name)
		}
	}
	return fmt.Sprintf("- **%s** %s: %s — breaks %s\n", d.Worst(), plain(d.ID()), strings.Join(fields, ", "), plain(strings.Join(breaks, ", ")))
}

func heldBack(held []fixers.Held) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## Held back\n\n<details><summary>%s for a person to look at</summary>\n\n", count(len(held), "finding"))
	for i, h := range held {
		if i == maxListed {
			fmt.Fprintf(&b, "- …and %d more; `oakum fix` prints all of them\n", len(held)-i)
			break
		}
		f := h.Finding
		fmt.Fprintf(&b, "- **%s** %s:%d %s — *%s*: %s\n", f.Severity, code(f.Position.File), f.Position.Line, plain(f.Message), h.Reason, plain(h.Detail))
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

var sparks = []rune("▁▂▃▄▅▆▇█")

// spark draws scores, oldest first.
func spark(scans []store.Scan) string {
	var b strings.Builder
	for _, s := range scans {
		b.WriteRune(sparks[min(max(s.Score, 0), 99)*len(sparks)/100])
	}
	return b.String()
}

func trend(scans []store.Scan) string {
	first, last := scans[0].Score, scans[len(scans)-1].Score
	switch {
	case last > first:
		return fmt.Sprintf("up from %d", first)
	case last < first:
		return fmt.Sprintf("down from %d", first)
	}
	return "as before"
}

// weights of findings in the score.
var weights = map[policy.Severity]int{"critical": 10, "high": 5, "medium": 2, "low": 1, "info": 0}

// score is how much of what was judged holds, by weight: 0 to 100.
func score(p *remediate.Project) int {
	total, lost := 0, 0
	for by, n := range p.Result.Judged {
		total += n * weights[by.Severity]
	}
	for _, f := range p.Result.Findings {
		lost += weights[f.Severity]
	}
	if total == 0 {
		return 100
	}
	return max(0, 100-(100*lost+total-1)/total)
}

func severities(p *remediate.Project) map[policy.Severity]int {
	out := map[policy.Severity]int{}
	for _, f := range p.Result.Findings {
		out[f.Severity]++
	}
	return out
}
