package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/detect/graph"
)

var goalNames = map[graph.Goal]string{graph.ClusterAdmin: "cluster-admin", graph.Node: "a node", graph.Secrets: "Secrets"}

// headline says what the cut does, in one sentence.
func (p *Paths) headline() string {
	total := p.Summary[graph.ClusterAdmin]
	if total == 0 {
		return "no path leads to cluster-admin"
	}
	if len(p.Cut.Fixes) == 0 {
		if total == 1 {
			return "no fix closes the 1 path to cluster-admin: its steps are open by what no policy tells of"
		}
		return fmt.Sprintf("no fix closes any of the %d paths to cluster-admin: their steps are open by what no policy tells of", total)
	}
	verb := "close"
	if len(p.Cut.Fixes) == 1 {
		verb = "closes"
	}
	fixes := strings.Replace(plural(len(p.Cut.Fixes), "fix"), "fixs", "fixes", 1)
	if p.Cut.Closes == total {
		switch total {
		case 1:
			return fmt.Sprintf("%s %s the only path to cluster-admin", fixes, verb)
		case 2:
			return fmt.Sprintf("%s %s both paths to cluster-admin", fixes, verb)
		}
		return fmt.Sprintf("%s %s all %d paths to cluster-admin", fixes, verb, total)
	}
	return fmt.Sprintf("%s %s %d of %d paths to cluster-admin; no fix closes the rest", fixes, verb, p.Cut.Closes, total)
}

// does is what a fix of the cut does, or says.
func (f CutFix) does() string {
	if f.Title != "" {
		return f.Title
	}
	return "by hand: " + f.Message
}

// on says which paths it is on.
func (f CutFix) on() string {
	if f.Closes == 0 {
		return "longer ways only, which would be left"
	}
	return plural(f.Closes, "path")
}

// begin is where a path begins, from outside where something leads there.
func (p Path) begin() string {
	if len(p.Exposed) == 0 {
		return p.From
	}
	more := ""
	if n := len(p.Exposed) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return "outside, by " + p.Exposed[0] + more + ": " + p.From
}

func (p *Paths) table(limit int, o Options) string {
	var b strings.Builder
	paint := o.paint
	fmt.Fprintln(&b, paint("1", p.headline()))
	for i, f := range p.Cut.Fixes {
		fmt.Fprintf(&b, "  %d. %s  %s\n     %s  %s\n", i+1, f.Resource.printed(), printable(f.does()), lineStart(f.Location.String()),
			paint("2", fmt.Sprintf("[%s] %s, on %s", f.Policy, f.Safety, f.on())))
	}
	for _, path := range p.Cut.Open[:min(len(p.Cut.Open), limit)] {
		fmt.Fprintf(&b, "  left open: from %s, in %s that no finding tells of\n", printable(path.From), plural(len(path.Steps), "step"))
	}
	for _, goal := range graph.Goals {
		paths := p.to(goal)
		if len(paths) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", paint("1", plural(p.Summary[goal], "path")+" to "+goalNames[goal]))
		for i, path := range paths[:min(len(paths), limit)] {
			fmt.Fprintf(&b, "  %d. from %s\n", i+1, printable(path.begin()))
			for _, s := range path.Steps {
				fmt.Fprintf(&b, "     -> %s  %s\n", printable(s.To), paint("2", printable(s.Says)))
				if where := s.where(); where != "" {
					fmt.Fprintf(&b, "        %s\n", paint("2", printable(where)))
				}
			}
		}
		if n := p.Summary[goal] - min(len(paths), limit); n > 0 {
			fmt.Fprintf(&b, "  and %d more: --limit shows them, -o json has all\n", n)
		}
	}
	return b.String()
}

func (r Resource) printed() string { return printable(r.id()) }

// where is the place of a step, and the policy that tells of it, if one does.
func (s Step) where() string {
	if s.Location == nil {
		return ""
	}
	if s.Policy == "" {
		return s.Location.String() + " (no finding)"
	}
	return s.Location.String() + " [" + s.Policy + "]"
}

func (p *Paths) to(goal graph.Goal) []Path {
	var out []Path
	for _, path := range p.Paths {
		if path.Goal == goal {
			out = append(out, path)
		}
	}
	return out
}

func (p *Paths) markdown(limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## oakum: who reaches what\n\n%s\n", cell(p.headline()))
	if len(p.Cut.Fixes) > 0 {
		b.WriteString("\n| Fix | Where | Safety | Paths | Policy |\n|---|---|---|---|---|\n")
	}
	for _, f := range p.Cut.Fixes {
		fmt.Fprintf(&b, "| %s: %s | `%s` | %s | %d | `%s` |\n", cell(f.Resource.id()), cell(f.does()), code(f.Location.String()), f.Safety, f.Closes, code(f.Policy))
	}
	for _, path := range p.Cut.Open[:min(len(p.Cut.Open), limit)] {
		fmt.Fprintf(&b, "\nLeft open: from %s, in %s that no finding tells of.\n", cell(path.From), plural(len(path.Steps), "step"))
	}
	for _, goal := range graph.Goals {
		paths := p.to(goal)
		if len(paths) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s to %s\n", plural(p.Summary[goal], "path"), goalNames[goal])
		for i, path := range paths[:min(len(paths), limit)] {
			row := fmt.Sprintf("\n%d. from %s\n", i+1, cell(path.begin()))
			for _, s := range path.Steps {
				row += fmt.Sprintf("   - **%s**: %s", cell(s.To), cell(s.Says))
				if where := s.where(); where != "" {
					row += " `" + code(where) + "`"
				}
				row += "\n"
			}
			if b.Len()+len(row) > maxMarkdown {
				break
			}
			b.WriteString(row)
		}
		if n := p.Summary[goal] - min(len(paths), limit); n > 0 {
			fmt.Fprintf(&b, "\nand %d more\n", n)
		}
	}
	return b.String()
}

// dot draws the steps of all paths, for Graphviz.
func (p *Paths) dot(limit int) string {
	var b strings.Builder
	b.WriteString("digraph paths {\n  rankdir=LR;\n  node [shape=box];\n")
	drawn := map[string]bool{}
	line := func(format string, args ...any) {
		for i, a := range args {
			args[i] = strconv.Quote(printable(a.(string)))
		}
		if s := fmt.Sprintf(format, args...); !drawn[s] {
			drawn[s] = true
			b.WriteString(s)
		}
	}
	for _, goal := range graph.Goals {
		paths := p.to(goal)
		for _, path := range paths[:min(len(paths), limit)] {
			for _, e := range path.Exposed {
				line("  %s -> %s [style=dashed];\n", e, path.From)
			}
			for _, s := range path.Steps {
				line("  %s -> %s [label=%s];\n", s.From, s.To, s.Says)
			}
		}
	}
	b.WriteString("}\n")
	return b.String()
}
