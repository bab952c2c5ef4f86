package policies_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden runs every policy over the input of its golden file,
// testdata/policies/NAME.txtar, and compares what it finds and how it would
// mend that. A policy without a golden fails, and so does a golden without a policy.
func TestGolden(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(root(t), "testdata", "policies")
	var names []string
	for _, p := range load(t) {
		names = append(names, p.Name+".txtar")
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			golden(t, filepath.Join(dir, p.Name+".txtar"), p)
		})
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "policies.go" && !slices.Contains(names, e.Name()) {
			t.Errorf("testdata/policies/%s belongs to no policy", e.Name())
		}
	}
}

func golden(t *testing.T, name string, p *policy.Policy) {
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	settings := remediate.Settings{Policies: []*policy.Policy{p}, Selected: []*policy.Policy{p}}
	got, err := remediate.RunCase(t.Context(), src, settings)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, src) {
		t.Errorf("%s is stale, -update rewrites it; now it is\n%s", name, got)
	}
	if len(section(got, "findings")) == 0 {
		t.Error("the golden has no finding")
	}
	again, err := remediate.RunCase(t.Context(), carriedOut(got), settings)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(section(again, "fixes")) {
		if !bytes.Contains(line, []byte(": held, ")) {
			t.Errorf("still found when the fixes are made: %s", line)
		}
	}
}

// carriedOut is a case with its fixed files as input.
func carriedOut(src []byte) []byte {
	archive := txtar.Parse(src)
	out := &txtar.Archive{}
	for _, f := range archive.Files {
		fixed, ok := strings.CutPrefix(f.Name, "fixed/")
		has := func(name string) bool {
			return slices.ContainsFunc(archive.Files, func(g txtar.File) bool { return g.Name == name })
		}
		if ok {
			out.Files = append(out.Files, txtar.File{Name: fixed, Data: f.Data})
		} else if !has("fixed/" + f.Name) {
			out.Files = append(out.Files, f)
		}
	}
	return txtar.Format(out)
}

func section(src []byte, name string) []byte {
	for _, f := range txtar.Parse(src).Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}
