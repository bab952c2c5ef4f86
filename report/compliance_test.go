package report_test

import (
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/compliance"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/report"
	demo "github.com/oakum-dev/oakum/testdata/shop"
)

// assess reports on frameworks over a tree as the command does.
func assess(tb testing.TB, tree fs.FS, config string, brief bool, names ...string) *report.Compliance {
	tb.Helper()
	all, err := library()
	if err != nil {
		tb.Fatal(err)
	}
	o := remediate.Settings{Kubernetes: 34}
	if o.Config, err = remediate.ParseConfig(".oakum.yaml", []byte(config)); err != nil {
		tb.Fatal(err)
	}
	if o.Policies, err = o.Config.Apply(all); err != nil {
		tb.Fatal(err)
	}
	o.Selected = o.Policies
	p, err := remediate.ReadProject(tree, o)
	if err != nil {
		tb.Fatal(err)
	}
	catalogue := frameworks(tb, all)
	chosen, err := catalogue.Find(names)
	if err != nil {
		tb.Fatal(err)
	}
	assessed := catalogue.Judge(chosen, compliance.Scan{Result: p.Result, Policies: o.Selected, Kubernetes: o.Kubernetes})
	propose := p.Proposer()
	scanned := report.New(p.Result, p.Set, func(f *detect.Finding) (fixers.Fix, *fixers.Held) { return propose(f, policy.Review) })
	commit := &report.Commit{ID: "0123456789abcdef0123456789abcdef01234567", Changed: []string{"apps/web.yaml"}}
	return report.NewCompliance(assessed, scanned, commit, brief)
}

func assessment(tb testing.TB, r *report.Compliance, format string) string {
	tb.Helper()
	var b strings.Builder
	o := report.Options{Version: "v1.2.3", Time: time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC)}
	if err := r.Write(&b, format, o); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func repository(tb testing.TB) fs.FS {
	tb.Helper()
	tree, err := fs.Sub(demo.FS, "repo")
	if err != nil {
		tb.Fatal(err)
	}
	return tree
}

const exempt = "exemptions: [{policy: host-pid, reason: the printer counts processes}]\npolicies: {host-port: {disabled: true}}\n"

// TestComplianceFormats compares every format with what was looked at.
func TestComplianceFormats(t *testing.T) {
	t.Parallel()
	r := assess(t, repository(t), exempt, false, "pss")
	for _, format := range report.ComplianceFormats() {
		golden(t, "compliance."+format, assessment(t, r, format))
	}
	brief := assess(t, repository(t), exempt, true)
	for _, format := range []string{"table", "markdown", "html"} {
		golden(t, "overview."+format, assessment(t, brief, format))
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is stale, -update rewrites it; now it is\n%s", name, got)
	}
}

// TestComplianceStrangers: names of strangers are text wherever they stand.
func TestComplianceStrangers(t *testing.T) {
	t.Parallel()
	r := assess(t, hostile(), "", false, "pss")
	for _, c := range assessment(t, r, "table") {
		if unicode.IsControl(c) && c != '\n' || c >= 0x202a && c <= 0x202e {
			t.Fatalf("the control character %U is printed", c)
		}
	}
	page := assessment(t, r, "html")
	for _, bad := range []string{"<script", "<img", "src=", "url(", "href=\"http"} {
		if strings.Contains(page, bad) {
			t.Errorf("%q gets through", bad)
		}
	}
	if open, closed := strings.Count(page, "<table"), strings.Count(page, "</table>"); open != closed {
		t.Errorf("%d tables are opened and %d closed", open, closed)
	}
	for line := range strings.Lines(assessment(t, r, "markdown")) {
		text := regexp.MustCompile("`[^`]*`").ReplaceAllString(strings.ReplaceAll(line, `\|`, ""), "")
		if strings.HasPrefix(line, "| **") && strings.Count(text, "|") != 4 {
			t.Errorf("a row of %d bars: %s", strings.Count(text, "|"), line)
		}
		for _, bad := range []string{"<script", "@octocat", "http://x", "![", " #1"} {
			if strings.Contains(text, bad) {
				t.Errorf("%q gets through: %.200s", bad, line)
			}
		}
	}
	rows, err := csv.NewReader(strings.NewReader(assessment(t, r, "csv"))).ReadAll()
	if err != nil || len(rows) < len(strangers) {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "@") {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
	var back report.Compliance
	if err := json.Unmarshal([]byte(assessment(t, r, "json")), &back); err != nil || len(back.Frameworks) != 1 {
		t.Fatalf("%d frameworks come back: %v", len(back.Frameworks), err)
	}
	findings := map[string]bool{}
	for _, f := range back.Findings {
		findings[f.Fingerprint] = true
	}
	for _, c := range back.Frameworks[0].Controls {
		for _, fingerprint := range c.Evidence {
			if !findings[fingerprint] {
				t.Errorf("control %s rests on %s, which is not among the findings", c.ID, fingerprint)
			}
		}
	}
	if len(findings) < len(strangers) {
		t.Errorf("%d findings", len(findings))
	}
}

var (
	oscalUUID  = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	oscalToken = regexp.MustCompile(`^(\pL|_)(\pL|\pN|[.\-_])*$`)
)

// TestOSCAL checks what the schema of assessment results 1.1.3 asks for, over
// every framework: which fields there are, and the form of ids.
func TestOSCAL(t *testing.T) {
	t.Parallel()
	for _, tree := range []fs.FS{repository(t), fstest.MapFS{}, hostile()} {
		r := assess(t, tree, "", false)
		var doc any
		if err := json.Unmarshal([]byte(assessment(t, r, "oscal")), &doc); err != nil {
			t.Fatal(err)
		}
		uuids := map[string]bool{}
		var walk func(path string, v any)
		walk = func(path string, v any) {
			switch v := v.(type) {
			case map[string]any:
				for k, v := range v {
					walk(path+"."+k, v)
				}
			case []any:
				if len(v) == 0 {
					t.Errorf("%s is empty: the schema wants an item", path)
				}
				for _, v := range v {
					walk(path, v)
				}
			case string:
				last := path[strings.LastIndex(path, ".")+1:]
				switch {
				case last == "uuid":
					if !oscalUUID.MatchString(v) || uuids[v] {
						t.Errorf("%s is %q, which is no UUID or is there twice", path, v)
					}
					uuids[v] = true
				case last == "control-id" || last == "target-id":
					if !oscalToken.MatchString(v) {
						t.Errorf("%s is %q, which is no token", path, v)
					}
				case last == "state":
					if v != "satisfied" && v != "not-satisfied" {
						t.Errorf("%s is %q", path, v)
					}
				case v == "" || strings.TrimSpace(v) != v:
					t.Errorf("%s is %q", path, v)
				}
			}
		}
		walk("", doc)
		if len(uuids) < 16 {
			t.Errorf("%d UUIDs", len(uuids))
		}
		results := doc.(map[string]any)["assessment-results"].(map[string]any)
		for _, key := range []string{"uuid", "metadata", "import-ap", "results"} {
			if results[key] == nil {
				t.Errorf("%s is missing", key)
			}
		}
	}
}
