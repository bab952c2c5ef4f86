package policies_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

// library is the built-in library, compiled once for all tests.
var library = sync.OnceValues(func() ([]*policy.Policy, error) { return compiler().LoadFS(policies.FS) })

func compiler() *policy.Compiler {
	return &policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names()}
}

// load returns a slice of the library that a test may filter.
func load(t testing.TB) []*policy.Policy {
	t.Helper()
	all, err := library()
	if err != nil {
		t.Fatal(err)
	}
	return append([]*policy.Policy(nil), all...)
}

// manifests reads the real manifests that tests run over, and skips where there are none.
func manifests(t testing.TB) *manifest.Set {
	t.Helper()
	set, err := manifest.Read(os.DirFS(corpus.Dir(t)), manifest.Options{Wants: detect.Options{Policies: load(t)}.Wants})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// root is the repository's root.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}
