package remediate

import (
	"context"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect"
)

// Example is one finding of a test case of a policy, and how it is mended.
type Example struct {
	Finding *detect.Finding
	Diff    string   // of the fix at safety review; empty where none is made
	Around  []string // the lines around the finding, which is in line Around[Mark]
	Mark    int
}

// excerpt is how many lines are shown before and after a finding that no diff shows.
const excerpt = 4

// ShowCase picks the finding of a test case (see RunCase) that shows best what
// its policy is for: the first that is mended or, if there is none, the first.
// It is nil where the case has no finding.
func ShowCase(ctx context.Context, src []byte, o Settings) (*Example, error) {
	p, err := caseProject(txtar.Parse(src), o)
	if err != nil || len(p.Result.Findings) == 0 {
		return nil, err
	}
	for _, f := range p.Result.Findings {
		plan, err := p.Plan(ctx, func(g *detect.Finding) bool { return f == g })
		if err != nil {
			return nil, err
		}
		if len(plan.Changes) > 0 {
			return &Example{Finding: f, Diff: plan.Diff()}, nil
		}
	}
	f := p.Result.Findings[0]
	lines := strings.Split(string(f.Resource.File.Source), "\n")
	from, to := max(0, f.Position.Line-1-excerpt), min(len(lines), f.Position.Line+excerpt)
	return &Example{Finding: f, Around: lines[from:to], Mark: f.Position.Line - 1 - from}, nil
}
