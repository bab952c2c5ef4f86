package detect

import (
	"slices"
	"testing"

	"github.com/oakum-dev/oakum/detect/vuln"
)

func TestRisk(t *testing.T) {
	t.Parallel()
	of := func(severity string, score float64) vuln.Vulnerability {
		return vuln.Vulnerability{ID: "CVE-1", Package: "ssl", Severity: severity, Score: score}
	}
	many := slices.Repeat([]vuln.Vulnerability{of("critical", 10)}, 40)
	for _, test := range []struct {
		name     string
		found    []vuln.Vulnerability
		exposure []string
		score    int
		because  []string
	}{
		{"the worst decides", []vuln.Vulnerability{of("critical", 9.8)}, nil, 59, []string{"CVE-1 in ssl is critical (CVSS 9.8)"}},
		{"no score", []vuln.Vulnerability{of("high", 0)}, nil, 35, []string{"CVE-1 in ssl is high"}},
		{"low", []vuln.Vulnerability{of("low", 2.1)}, nil, 10, []string{"CVE-1 in ssl is low (CVSS 2.1)"}},
		{"unknown", []vuln.Vulnerability{of("unknown", 0)}, nil, 5, []string{"CVE-1 in ssl is unknown"}},
		{"more of them", many[:4], nil, 63, []string{"CVE-1 in ssl is critical (CVSS 10.0)", "3 more count"}},
		{"reached", []vuln.Vulnerability{of("medium", 5)}, []string{"a", "b"}, 45, []string{"CVE-1 in ssl is medium (CVSS 5.0)", "a", "b"}},
		{"no more than a hundred", many, []string{"a", "b", "c", "d"}, 100, []string{"CVE-1 in ssl is critical (CVSS 10.0)", "a", "b", "c", "d", "39 more count"}},
	} {
		got := riskOf(test.found, test.exposure)
		if got.Score != test.score || !slices.Equal(got.Because, test.because) {
			t.Errorf("%s: got %d %q, want %d %q", test.name, got.Score, got.Because, test.score, test.because)
		}
	}
	if got := riskOf(nil, []string{"a"}); got != nil {
		t.Errorf("nothing is ranked %v", got)
	}
}
