package fixers

import (
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/detect/vuln"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from, to        string
		newer, sameLine bool
	}{
		{"1.2.3", "1.2.4", true, true},
		{"1.2.3", "1.10.0", true, true},
		{"1.2.3", "2.0.0", true, false},
		{"1.2.3", "1.2.3", false, true},
		{"1.2.4", "1.2.3", false, true},
		{"v1.2.3", "v1.2.4", true, true},
		{"v1.2.3", "1.2.4", false, true},
		{"1.2.3-alpine", "1.2.4-alpine", true, true},
		{"1.2.3-alpine", "1.2.4", false, true},
		{"1.2.3", "1.2.4-rc.1", false, true},
		{"1.2", "1.2.4", false, true},
		{"0.3.1", "0.3.2", true, true},
		{"0.3.1", "0.4.0", true, false},
		{"16", "17", true, false},
		{"20260101", "20260201", true, false},
	} {
		from, ok := parseVersion(test.from)
		to, too := parseVersion(test.to)
		if !ok || !too {
			t.Errorf("%s or %s is no version", test.from, test.to)
			continue
		}
		if to.newer(from) != test.newer || to.sameLine(from) != test.sameLine {
			t.Errorf("from %s to %s: newer %t, same line %t, want %t and %t", test.from, test.to, to.newer(from), to.sameLine(from), test.newer, test.sameLine)
		}
	}
	for _, tag := range []string{"", "latest", "stable-1.2", "1.2.x", "1..2", "v", "1.2.3 ", "9999999999.1", "bookworm"} {
		if v, ok := parseVersion(tag); ok {
			t.Errorf("%q is the version %v", tag, v)
		}
	}
}

func TestRewritten(t *testing.T) {
	t.Parallel()
	one, two := "sha256:"+strings.Repeat("1", 64), "sha256:"+strings.Repeat("2", 64)
	pinned := &vuln.Report{Digests: []vuln.Reference{{Name: "shop/web", Digest: two}}}
	for _, test := range []struct {
		image  string
		report *vuln.Report
		want   string
	}{
		{"shop/web:1", &vuln.Report{}, "shop/web:2"},
		{"docker.io/shop/web:1", pinned, "docker.io/shop/web:2"},
		{"shop/web:1@" + one, pinned, "shop/web:2@" + two},
		{"shop/web@" + one, pinned, "shop/web:2@" + two},
		{"shop/web:1@" + one, &vuln.Report{}, ""},
		{"registry:5000/shop/web:1", pinned, "registry:5000/shop/web:2"},
	} {
		got, ok := rewritten(test.image, vuln.ParseReference(test.image), "2", test.report)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s becomes %s (%t), want %s", test.image, got, ok, test.want)
		}
	}
}

func TestAlike(t *testing.T) {
	t.Parallel()
	report := func(scanner, day string) *vuln.Report {
		r := &vuln.Report{Scanner: scanner}
		r.Date, _ = time.Parse(time.DateOnly, day)
		return r
	}
	for _, test := range []struct {
		now, other *vuln.Report
		want       bool
	}{
		{report("Trivy", "2026-03-04"), report("Trivy", "2026-03-04"), true},
		{report("Trivy", "2026-03-04"), report("Trivy", "2026-03-03"), true},
		{report("Trivy", "2026-03-04"), report("Trivy", "2026-03-02"), false},
		{report("Trivy", "2026-03-04"), report("Trivy", "2026-05-01"), true},
		{report("Trivy", "2026-03-04"), report("Grype", "2026-03-04"), false},
		{report("Trivy", "2026-03-04"), report("Trivy", ""), false},
		{report("Trivy", ""), report("Trivy", ""), true},
	} {
		if got := alike(test.now, test.other); got != test.want {
			t.Errorf("%s and %s: %t, want %t", test.now.Source(), test.other.Source(), got, test.want)
		}
	}
}
