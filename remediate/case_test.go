package remediate_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
)

var update = flag.Bool("update", false, "rewrite the cases")

// compiled is the built-in policies, compiled once: with the race detector that
// takes seconds.
var compiled = sync.OnceValues(func() ([]*policy.Policy, error) {
	return (&policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names(), Known: true}).LoadFS(policies.FS)
})

func library(tb testing.TB) []*policy.Policy {
	tb.Helper()
	all, err := compiled()
	if err != nil {
		tb.Fatal(err)
	}
	return slices.Clone(all)
}

// TestCases plans and proves the fixes of small repositories. The first line
// of a case names its policies.
func TestCases(t *testing.T) {
	t.Parallel()
	all := library(t)
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(src), "\n")
			names, ok := strings.CutPrefix(first, "policies: ")
			if !ok {
				t.Fatalf("%s does not begin with policies:", name)
			}
			var selected []*policy.Policy
			for _, p := range all {
				if names == "all" || slices.Contains(strings.Split(names, ", "), p.Name) {
					selected = append(selected, p)
				}
			}
			if names != "all" && len(selected) != len(strings.Split(names, ", ")) {
				t.Fatalf("%s names a policy that does not exist: %s", name, names)
			}
			got, err := remediate.RunCase(context.Background(), src, remediate.Settings{Policies: all, Selected: selected})
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(name, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(src), string(got)); d != "" {
				t.Errorf("%s differs (-want +got):\n%s", name, d)
			}
		})
	}
}
