package report

import (
	"cmp"
	"slices"
	"strings"
)

const (
	manyFindings = 10 // fewer are seen at a glance
	firstOnes    = 5
	leastRisk    = 60 // of those that are worth naming first
)

// score is the risk of a finding, 0 where nothing ranks it.
func (f Finding) score() int {
	if f.Risk == nil {
		return 0
	}
	return f.Risk.Score
}

// Stands tells a finding that its surroundings make worth naming first.
func (f Finding) Stands() bool { return f.score() >= leastRisk }

// Because is what makes its risk, in a line.
func (f Finding) Because() string { return printable(strings.Join(f.Risk.Because, "; ")) }

// First are the open findings to look at first, the riskiest before the
// others: none where there are few, or nothing stands out.
func (r *Report) First() []Finding {
	findings := r.Open()
	if len(findings) <= manyFindings {
		return nil
	}
	findings = slices.DeleteFunc(findings, func(f Finding) bool { return !f.Stands() })
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(b.score(), a.score()) })
	return findings[:min(len(findings), firstOnes)]
}
