package report

import (
	"encoding/json"
	"fmt"
)

// What a finding is beside a baseline, in the words of SARIF (3.27.24).
const (
	fresh     = "new"
	unchanged = "unchanged"
)

// Baseline is the findings of an earlier scan, by fingerprint.
type Baseline map[string]bool

// ReadBaseline reads the report of a scan, as scan -o json writes it.
func ReadBaseline(src []byte) (Baseline, error) {
	var r Report
	if err := json.Unmarshal(src, &r); err != nil {
		return nil, fmt.Errorf("not a report of 'oakum scan -o json': %w", err)
	}
	if r.Kind != "Report" {
		return nil, fmt.Errorf("not a report of 'oakum scan -o json': its kind is %q", r.Kind)
	}
	return r.Baseline(), nil
}

// Baseline is the report as something to compare later ones with. What was
// exempted then is part of it.
func (r *Report) Baseline() Baseline {
	b := Baseline{}
	for _, f := range r.Findings {
		b[f.Fingerprint] = true
	}
	return b
}

// Compare tells new findings from those that a baseline has, and sums up anew.
func (r *Report) Compare(b Baseline) {
	now := r.Baseline()
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Baseline = fresh
		if b[f.Fingerprint] {
			f.Baseline = unchanged
			if !f.Exempted() {
				r.Summary.Unchanged++
			}
		}
	}
	for fingerprint := range b {
		if !now[fingerprint] {
			r.Summary.Gone++
		}
	}
	r.count()
}
