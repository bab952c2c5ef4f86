package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/compliance"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// library is the built-in policies, compiled once: with the race detector that
// takes seconds.
var library = sync.OnceValues(func() ([]*policy.Policy, error) {
	return (&policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names(), Known: true}).LoadFS(policies.FS)
})

// scan reports on a tree as the command does.
func scan(tb testing.TB, tree fstest.MapFS) *report.Report {
	tb.Helper()
	all, err := library()
	if err != nil {
		tb.Fatal(err)
	}
	p, err := remediate.ReadProject(tree, remediate.Settings{Policies: all, Selected: all})
	if err != nil {
		tb.Fatal(err)
	}
	propose := p.Proposer()
	r := report.New(p.Result, p.Set, func(f *detect.Finding) (fixers.Fix, *fixers.Held) { return propose(f, policy.Review) })
	r.Answer(frameworks(tb, all).Controls)
	return r
}

func frameworks(tb testing.TB, all []*policy.Policy) *compliance.Catalogue {
	tb.Helper()
	loaded, err := compliance.LoadFS(compliance.FS())
	if err != nil {
		tb.Fatal(err)
	}
	c, err := compliance.NewCatalogue(loaded, all)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func written(tb testing.TB, r *report.Report, format string) string {
	tb.Helper()
	var b strings.Builder
	if err := r.Write(&b, format, report.Options{Version: "v1.2.3"}); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func pod(name, container, image string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata:
  name: %s
spec:
  hostPID: true
  containers:
    - name: %s
      image: %s
`, name, container, image)
}

func shop() fstest.MapFS {
	return fstest.MapFS{
		"apps/web.yaml":                   {Data: []byte(pod("web", "web", "shop/web:latest"))},
		"apps/broken.yaml":                {Data: []byte("apiVersion: v1\nkind: Pod\nspec: [\n")},
		"chart/Chart.yaml":                {Data: []byte("name: chart\n")},
		"chart/templates/deployment.yaml": {Data: []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Release.Name }}}\n")},
	}
}

// TestFormats compares every format with what was looked at.
func TestFormats(t *testing.T) {
	t.Parallel()
	r := scan(t, shop())
	for _, format := range report.Formats() {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join("testdata", "shop."+format)
			got := written(t, r, format)
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
		})
	}
}

func TestNothingFound(t *testing.T) {
	t.Parallel()
	r := scan(t, fstest.MapFS{"README.md": {Data: []byte("# nothing\n")}})
	for _, format := range report.Formats() {
		if got := written(t, r, format); got == "" {
			t.Errorf("%s prints nothing", format)
		}
	}
	var log struct{ Runs []struct{ Results []any } }
	if err := json.Unmarshal([]byte(written(t, r, "sarif")), &log); err != nil || len(log.Runs) != 1 || log.Runs[0].Results == nil {
		t.Errorf("SARIF without findings needs one run with an empty list of results: %v", err)
	}
}

// strangers are names that somebody chose to break what prints them.
var strangers = []string{
	`a | b`, "`code`", "<script>alert(1)</script>", "\x1b[31mred", "two\nlines", "@octocat", "#123", "%0A::error::", "]]>", "\u202eevil",
	"![i](http://x.example/i.png)", `"quotes" & 'more'`, "https://x.example", "a\u2028b", "\u0085", strings.Repeat("long", 500), "\ufffe", "{{ .x }}", "</td></table>",
	`\[x\](//x.example)`, `\*loud\*`, "www.x.example", "my_app", "\u200fmark", "\u061cmark", "[click](//x.example)", "::error::x", "a:b",
}

// hostile has these names everywhere a repository can put one.
func hostile() fstest.MapFS {
	tree := fstest.MapFS{}
	for i, s := range strangers {
		quoted, _ := json.Marshal(s)
		q := strings.ReplaceAll(string(quoted), "\u0085", `\u0085`)
		file := strings.NewReplacer("/", "_", "\x00", "").Replace(s)
		if len(file) > 200 {
			file = file[:200]
		}
		tree[fmt.Sprintf("%d/%s.yaml", i, file)] = &fstest.MapFile{Data: []byte(pod(q, q, q))}
	}
	return tree
}

func TestStrangersNames(t *testing.T) {
	t.Parallel()
	r := scan(t, hostile())
	if len(r.Findings) < len(strangers) {
		t.Fatalf("%d findings of %d files: %v", len(r.Findings), len(strangers), r.Errors)
	}
	t.Run("table", func(t *testing.T) {
		t.Parallel()
		for _, c := range written(t, r, "table") {
			if unicode.IsControl(c) && c != '\n' || c >= 0x202a && c <= 0x202e {
				t.Fatalf("the control character %U is printed", c)
			}
		}
	})
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		var back report.Report
		if err := json.Unmarshal([]byte(written(t, r, "json")), &back); err != nil || len(back.Findings) != len(r.Findings) {
			t.Errorf("%d findings come back of %d: %v", len(back.Findings), len(r.Findings), err)
		}
	})
	t.Run("sarif", func(t *testing.T) { t.Parallel(); sarif(t, written(t, r, "sarif")) })
	t.Run("junit", func(t *testing.T) {
		t.Parallel()
		var suites struct {
			Tests int `xml:"tests,attr"`
			Suite []struct {
				Case []struct {
					Name string `xml:"name,attr"`
				} `xml:"testcase"`
			} `xml:"testsuite"`
		}
		if err := xml.Unmarshal([]byte(written(t, r, "junit")), &suites); err != nil {
			t.Fatal(err)
		}
		cases := 0
		for _, s := range suites.Suite {
			cases += len(s.Case)
		}
		if want := len(r.Findings) + len(r.Errors); suites.Tests != want || cases != want {
			t.Errorf("%d tests and %d cases, want %d", suites.Tests, cases, want)
		}
	})
	t.Run("markdown", func(t *testing.T) {
		t.Parallel()
		for line := range strings.Lines(written(t, r, "markdown")) {
			plain := regexp.MustCompile("`[^`]*`").ReplaceAllString(strings.ReplaceAll(line, `\|`, ""), "")
			if strings.HasPrefix(line, "|") && strings.Count(plain, "|") != 6 {
				t.Errorf("a row of %d bars: %s", strings.Count(plain, "|"), line)
			}
			for _, bad := range []string{"<script", "@octocat", "http://", "https://", "![", " #1"} {
				if strings.Contains(plain, bad) {
					t.Errorf("%q gets through: %.200s", bad, line)
				}
			}
		}
	})
	t.Run("github", func(t *testing.T) {
		t.Parallel()
		lines := strings.Split(strings.TrimSuffix(written(t, r, "github"), "\n"), "\n")
		if want := len(r.Findings) + len(r.Errors) + 1; len(lines) != want {
			t.Errorf("%d lines, want %d", len(lines), want)
		}
		command := regexp.MustCompile(`^::(error|warning|notice) file=[^,:]*,line=\d+,col=\d+,title=[a-z-]+::[^\r\n]*$`)
		for _, l := range lines[:len(lines)-1] {
			if !command.MatchString(l) {
				t.Errorf("not one command: %q", l)
			}
		}
	})
	t.Run("csv", func(t *testing.T) {
		t.Parallel()
		rows, err := csv.NewReader(strings.NewReader(written(t, r, "csv"))).ReadAll()
		if err != nil || len(rows) != len(r.Findings)+1 {
			t.Errorf("%d rows of %d findings: %v", len(rows), len(r.Findings), err)
		}
		for _, row := range rows {
			for _, s := range row {
				if strings.HasPrefix(s, "=") || strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "@") {
					t.Errorf("a spreadsheet would compute %q", s)
				}
			}
		}
	})
	for _, format := range []string{"policyreport", "openreports"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			results := 0
			for dec := yaml.NewDecoder(strings.NewReader(written(t, r, format))); ; {
				var one struct {
					Summary map[string]int
					Results []map[string]any
				}
				if err := dec.Decode(&one); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				sum := 0
				for _, n := range one.Summary {
					sum += n
				}
				if sum != len(one.Results) {
					t.Errorf("the summary counts %d of %d results", sum, len(one.Results))
				}
				results += sum
			}
			if results != len(r.Findings) {
				t.Errorf("%d results of %d findings", results, len(r.Findings))
			}
		})
	}
	t.Run("html", func(t *testing.T) {
		t.Parallel()
		got := written(t, r, "html")
		for _, bad := range []string{"<script", "</table>evil", "<img", "src=", "href=", "url("} {
			if strings.Contains(got, bad) {
				t.Errorf("%q gets through", bad)
			}
		}
		if open, closed := strings.Count(got, "<table"), strings.Count(got, "</table>"); open != closed {
			t.Errorf("%d tables are opened and %d closed", open, closed)
		}
	})
}

// sarif checks what GitHub's code scanning asks for.
func sarif(t *testing.T, got string) {
	t.Helper()
	var log struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Rules []struct {
						ID         string
						Properties struct {
							Severity string `json:"security-severity"`
						}
					}
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn int }
					}
				}
				PartialFingerprints map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(got), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || len(run.Results) == 0 {
		t.Fatalf("version %s, %d results", log.Version, len(run.Results))
	}
	for _, res := range run.Results {
		rule := run.Tool.Driver.Rules[res.RuleIndex]
		at := res.Locations[0].PhysicalLocation
		if rule.ID != res.RuleID || rule.Properties.Severity == "" || res.Message.Text == "" || res.PartialFingerprints["oakum/v1"] == "" {
			t.Errorf("incomplete: %+v of rule %+v", res, rule)
		}
		if at.Region.StartLine < 1 || at.Region.StartColumn < 1 {
			t.Errorf("region %+v", at.Region)
		}
		u, err := url.Parse(at.ArtifactLocation.URI)
		if err != nil || u.IsAbs() || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || strings.HasPrefix(u.Path, "/") {
			t.Errorf("the location %q is no relative reference to a file: %v", at.ArtifactLocation.URI, err)
		}
	}
}

// BenchmarkWrite prints some 5,000 findings.
func BenchmarkWrite(b *testing.B) {
	tree := fstest.MapFS{}
	for i := range 420 {
		tree[fmt.Sprintf("apps/%d.yaml", i)] = &fstest.MapFile{Data: []byte(pod("web", "web", "shop/web:1"))}
	}
	r := scan(b, tree)
	for _, format := range report.Formats() {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var out bytes.Buffer
				if err := r.Write(&out, format, report.Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(r.Findings)), "findings")
		})
	}
}
