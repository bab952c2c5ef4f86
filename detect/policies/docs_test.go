package policies_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
)

var fenced = regexp.MustCompile("(?s)```(?:yaml|text)\n(.*?)```")

// TestDocumentation runs the example of docs/policy.md: a policy, a manifest and what it finds there.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join(root(t), "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := fenced.FindAllSubmatch(doc, -1)
	if len(blocks) != 3 {
		t.Fatalf("docs/policy.md has %d examples, want a policy, a manifest and its findings", len(blocks))
	}
	example, input, want := blocks[0][1], blocks[1][1], string(blocks[2][1])
	policies, err := compiler().Load("docs/policy.md", example)
	if err != nil {
		t.Fatal(err)
	}
	options := detect.Options{Policies: policies}
	file, errs := manifest.Parse("report.yaml", input, manifest.Plain, options.Wants)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	got := ""
	result := detect.Scan(&manifest.Set{Files: []*manifest.File{file}}, options)
	for _, f := range result.Findings {
		got += fmt.Sprintf("%s:%d:%d: %s\n", f.Position.File, f.Position.Line, f.Position.Column, f.Message)
		if _, err := f.Violation.Repair(); err != nil {
			t.Error(err)
		}
	}
	if got != want || len(result.NotEvaluated) > 0 {
		t.Errorf("the example finds\n%s(not evaluated: %v), want\n%s", got, result.NotEvaluated, want)
	}
}
