package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/report"
)

// TestPolicyPages: docs/policies is what policy show says of the library, and
// holds nothing else.
func TestPolicyPages(t *testing.T) {
	t.Parallel()
	a := &app{}
	all, err := a.library()
	if err != nil {
		t.Fatal(err)
	}
	frameworks, err := a.catalogue(all, nil, nil)()
	if err != nil {
		t.Fatal(err)
	}
	const dir = "../../docs/policies"
	want := map[string]string{"README.md": report.PolicyIndex(all)}
	for _, p := range all {
		example, err := policyExample(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if example == nil {
			t.Errorf("policy %s has no test case that finds something", p.Name)
		}
		want[p.Name+".md"] = report.PolicyPage(p, frameworks.Controls(p.Name), example, true)
	}
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]string{}
	files, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(name)] = string(text)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("docs/policies is not what the policies say (- is missing, + is stale); go test ./cmd/oakum -run TestPolicyPages -update writes it:\n%s", shorten(strings.TrimSpace(d), 4000))
	}
}
