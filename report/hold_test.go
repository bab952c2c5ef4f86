package report_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/vuln"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/report"
)

// TestOrder gives the findings in another order and wants the same bytes.
func TestOrder(t *testing.T) {
	t.Parallel()
	all, err := library()
	if err != nil {
		t.Fatal(err)
	}
	o := detect.Options{Policies: all}
	set, err := manifest.Read(hostile(), manifest.Options{Wants: o.Wants})
	if err != nil {
		t.Fatal(err)
	}
	result := detect.Scan(set, o)
	propose := func(f *detect.Finding) (fixers.Fix, *fixers.Held) {
		return fixers.Propose(f, policy.Review, fixers.Context{
			Neighbours: func() *fixers.Neighbours { return fixers.NewNeighbours(set) }, Kustomization: func(string) (string, bool) { return "", false }, Exists: func(string) bool { return false }, File: func(string) *manifest.File { return nil },
			Images: func() map[string][]fixers.Image { return nil }, Scans: func() *vuln.Index { return nil },
		})
	}
	first := report.New(result, set, propose)
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(result.Findings), func(i, j int) {
		result.Findings[i], result.Findings[j] = result.Findings[j], result.Findings[i]
	})
	second := report.New(result, set, propose)
	for _, format := range report.Formats() {
		if written(t, first, format) != written(t, second, format) {
			t.Errorf("%s depends on the order of the findings", format)
		}
	}
}

// TestMarkdownIsText looks for anything in the words of strangers that a
// renderer would act on.
func TestMarkdownIsText(t *testing.T) {
	t.Parallel()
	ours := regexp.MustCompile("`[^`]*`|</?details>|</?summary>|&#?[a-z0-9]+;")
	live := regexp.MustCompile(`[@#]\w`)
	references := strings.NewReplacer("@&#8203;", "", "#&#8203;", "", "&#", "")
	all := scan(t, hostile())
	for _, f := range all.Findings {
		one := *all
		one.Findings = []report.Finding{f}
		got := written(t, &one, "markdown")
		if live.MatchString(references.Replace(got)) {
			t.Errorf("%q: a mention or a number is left: %.300s", f.Message, got)
		}
		for line := range strings.Lines(got) {
			if !strings.HasPrefix(line, "|") && !strings.Contains(line, "<summary>") || strings.HasPrefix(line, "|---") {
				continue
			}
			text := ours.ReplaceAllString(line, "")
			if i := strings.IndexAny(text, "\\*_[]<>~`"); i >= 0 || strings.Contains(text, "www.") || strings.Contains(text, "://") {
				t.Errorf("%q is not only text: %.300s", f.Message, text)
			}
		}
	}
}

// TestMarkdownHasRoom wants findings shown, and the rest counted, whatever the
// size of the tree.
func TestMarkdownHasRoom(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 100 {
		many.WriteString("---\n" + pod(fmt.Sprint("p", i), "c", "i"))
	}
	broken := fstest.MapFS{"z.yaml": {Data: []byte(pod("x", "x", "x"))}}
	for i := range 3000 {
		broken[fmt.Sprintf("e%d.yaml", i)] = &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: Pod\nspec: [\n")}
	}
	for name, tree := range map[string]fstest.MapFS{
		"one long file": {"a.yaml": {Data: []byte(many.String())}},
		"a long name":   {"a.yaml": {Data: []byte(pod("x", strings.Repeat("n", 400_000), "i"))}, "b.yaml": {Data: []byte(pod("x", "x", "x"))}},
		"many errors":   broken,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := scan(t, tree)
			got := written(t, r, "markdown")
			if n := utf8.RuneCountInString(got); n > 65_536 {
				t.Errorf("%d characters are more than a comment may have", n)
			}
			rows := strings.Count(got, "\n| ") - strings.Count(got, "\n| Line ")
			left := 0
			if m := regexp.MustCompile(`\n(\d+) findings? more, left out`).FindStringSubmatch(got); m != nil {
				fmt.Sscan(m[1], &left)
			}
			if name == "a long name" && left > 0 {
				t.Errorf("%d findings are left out because of one name", left)
			}
			if rows == 0 || rows+left != len(r.Findings) {
				t.Errorf("%d findings are shown and %d counted, of %d", rows, left, len(r.Findings))
			}
			if open, closed := strings.Count(got, "<details>"), strings.Count(got, "</details>"); open != closed {
				t.Errorf("%d sections are opened and %d closed", open, closed)
			}
		})
	}
}

func TestTableIsBounded(t *testing.T) {
	t.Parallel()
	tree := hostile()
	tree["::stop-commands::x.yaml"] = &fstest.MapFile{Data: []byte(pod("x", strings.Repeat("n", 400_000), "x"))}
	tree["::error::y.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: Pod\nspec: [\n")}
	for line := range strings.Lines(written(t, scan(t, tree), "table")) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Errorf("a CI runner would obey %q", line)
		}
		if n := utf8.RuneCountInString(line); n > 1200 {
			t.Errorf("a line has %d characters", n)
		}
		for _, c := range line {
			if unicode.In(c, unicode.Cc, unicode.Cf) {
				t.Errorf("%U is printed: %.200q", c, line)
			}
		}
	}
}

// TestHTMLIsInert parses the page as a browser does.
func TestHTMLIsInert(t *testing.T) {
	t.Parallel()
	root, err := html.Parse(strings.NewReader(written(t, scan(t, hostile()), "html")))
	if err != nil {
		t.Fatal(err)
	}
	elements := strings.Fields("html head meta title style body h1 h2 p b br div li ul small table thead tbody tr th td")
	attributes := strings.Fields("lang charset name content class style scope aria-label")
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			if !slices.Contains(elements, n.Data) {
				t.Errorf("the page has an element %s", n.Data)
			}
			for _, a := range n.Attr {
				if !slices.Contains(attributes, a.Key) || strings.Contains(a.Val, "://") || strings.Contains(a.Val, "url(") {
					t.Errorf("the page has %s=%q", a.Key, a.Val)
				}
			}
		case html.TextNode:
			for _, c := range n.Data {
				if c != '\n' && unicode.In(c, unicode.Cc, unicode.Cf) {
					t.Errorf("%U is on the page: %.200q", c, n.Data)
				}
			}
		case html.CommentNode:
			t.Errorf("the page has a comment: %q", n.Data)
		}
	}
}

// TestUnread wants a file that could not be read to fail where programs look.
func TestUnread(t *testing.T) {
	t.Parallel()
	r := scan(t, fstest.MapFS{"a.yaml": {Data: []byte("apiVersion: v1\nkind: Pod\nspec: [\n")}})
	if len(r.Errors) != 1 || len(r.Findings) != 0 {
		t.Fatalf("%v, %d findings", r.Errors, len(r.Findings))
	}
	var suites struct {
		Errors int `xml:"errors,attr"`
		Case   []struct {
			Error struct {
				Message string `xml:"message,attr"`
			} `xml:"error"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal([]byte(written(t, r, "junit")), &suites); err != nil {
		t.Fatal(err)
	}
	if suites.Errors != 1 || len(suites.Case) != 1 || suites.Case[0].Error.Message != r.Errors[0].Message {
		t.Errorf("JUnit says %+v", suites)
	}
	var log struct {
		Runs []struct {
			Invocations []struct {
				ExecutionSuccessful        bool
				ToolExecutionNotifications []struct{ Message struct{ Text string } }
			}
		}
	}
	if err := json.Unmarshal([]byte(written(t, r, "sarif")), &log); err != nil {
		t.Fatal(err)
	}
	if in := log.Runs[0].Invocations; len(in) != 1 || in[0].ExecutionSuccessful || len(in[0].ToolExecutionNotifications) != 1 {
		t.Errorf("SARIF says %+v", in)
	}
	r.Errors[0].Line, r.Errors[0].Column = 0, 0
	for _, format := range []string{"table", "markdown", "html"} {
		if strings.Contains(written(t, r, format), "yaml:0") {
			t.Errorf("%s names line 0", format)
		}
	}
}

// TestSARIFOfStrangers checks what the shared checks do not: a name with a
// colon at the root, levels, and no link in a message.
func TestSARIFOfStrangers(t *testing.T) {
	t.Parallel()
	tree := hostile()
	tree["a:b.yaml"] = &fstest.MapFile{Data: []byte(pod("x", "x", "x"))}
	r := scan(t, tree)
	got := written(t, r, "sarif")
	sarif(t, got)
	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct {
					Rules []struct {
						ID                   string
						DefaultConfiguration struct{ Level string }
						Properties           struct {
							Tags     []string
							Severity string `json:"security-severity"`
						}
					}
				}
			}
			Results []struct{ Message struct{ Text string } }
		}
	}
	if err := json.Unmarshal([]byte(got), &log); err != nil {
		t.Fatal(err)
	}
	for _, res := range log.Runs[0].Results {
		if strings.Contains(res.Message.Text, "](") {
			t.Errorf("the message %q holds a link", res.Message.Text)
		}
	}
	want := map[policy.Severity][2]string{
		"critical": {"error", "9.5"}, "high": {"error", "8.0"}, "medium": {"warning", "5.5"}, "low": {"note", "3.0"}, "info": {"note", "0.5"},
	}
	severity := map[string]policy.Severity{}
	for _, f := range r.Findings {
		severity[f.Policy] = f.Severity
	}
	for _, rule := range log.Runs[0].Tool.Driver.Rules {
		if w := want[severity[rule.ID]]; rule.DefaultConfiguration.Level != w[0] || rule.Properties.Severity != w[1] || !slices.Contains(rule.Properties.Tags, "security") {
			t.Errorf("%s of severity %q: %+v", rule.ID, severity[rule.ID], rule)
		}
	}
}
