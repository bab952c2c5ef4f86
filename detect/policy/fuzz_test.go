package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// FuzzLoad: whatever a policy file holds, it is refused with an error that
// names the file, or it can be evaluated; and never a panic.
func FuzzLoad(f *testing.F) {
	library, err := filepath.Glob(filepath.Join("..", "policies", "*.yaml"))
	if err != nil || len(library) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range library {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("---\n---\n"))
	f.Add([]byte(header))
	file, errs := manifest.Parse("nightly.yaml", []byte(workload), manifest.Plain, nil)
	if len(errs) > 0 {
		f.Fatal(errs)
	}
	c := &policy.Compiler{
		Analyzers: []string{"namespace-without-network-policy"},
		Fixers:    []string{"network-policy", "pin-image", "resources", "wildcard-verbs"},
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		policies, err := c.Load("policy.yaml", src)
		if err != nil && !strings.HasPrefix(err.Error(), "policy.yaml") {
			t.Errorf("the error names no file: %v", err)
		}
		for _, p := range policies {
			violations, _ := p.Evaluate(file.Resources[0], policy.Context{Kubernetes: 37})
			for _, v := range violations {
				if r, err := v.Repair(); err == nil && r.Safety == "" {
					t.Errorf("policy %s: a repair without safety", p.Name)
				}
			}
		}
	})
}
