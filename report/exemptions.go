package report

import (
	"io"

	"github.com/oakum-dev/oakum/detect"
)

// WriteUses prints what exemptions are good for, as JSON.
func WriteUses(w io.Writer, uses []detect.Use) error {
	type use struct {
		Findings int      `json:"findings"`
		Policies []string `json:"policies"`
		*Exemption
	}
	out := make([]use, len(uses))
	for i, u := range uses {
		out[i] = use{u.Findings, u.Policies, exemption(u.Exemption, u.State)}
	}
	return writeJSON(w, out)
}
