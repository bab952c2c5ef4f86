package detect

import (
	"fmt"

	"github.com/oakum-dev/oakum/detect/vuln"
)

// Risk ranks findings: which to look at first.
type Risk struct {
	Score   int      `json:"score"`   // 0 to 100
	Because []string `json:"because"` // what it is made of, the most first
}

// Points that make a risk. CVSS decides within a severity; what is reached
// from outside, or reaches far, counts as much as the step to the next severity.
const (
	pointsScore   = 1  // for each of CVSS, of the worst
	pointsEach    = 1  // for each further vulnerability, at most ten of them
	pointsExposed = 10 // for each way in or on, at most three of them
)

var pointsSeverity = map[string]int{"critical": 50, "high": 35, "medium": 20, "low": 8, "unknown": 5}

// riskOf ranks vulnerabilities of one container, the worst first, by what
// makes them worse; nil where there are none.
func riskOf(found []vuln.Vulnerability, exposure []string) *Risk {
	if len(found) == 0 {
		return nil
	}
	worst := found[0]
	r := &Risk{Score: pointsSeverity[worst.Severity] + int(worst.Score*pointsScore) + min(len(found)-1, 10)*pointsEach + min(len(exposure), 3)*pointsExposed}
	r.Score = min(r.Score, 100)
	text := fmt.Sprintf("%s in %s is %s", worst.ID, worst.Package, worst.Severity)
	if worst.Score > 0 {
		text += fmt.Sprintf(" (CVSS %.1f)", worst.Score)
	}
	r.Because = append(r.Because, text)
	r.Because = append(r.Because, exposure...)
	if n := len(found) - 1; n > 0 {
		r.Because = append(r.Because, fmt.Sprintf("%d more count", n))
	}
	return r
}
