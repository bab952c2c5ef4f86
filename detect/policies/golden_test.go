package policies_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// forVersion is how the comment of a golden asks for a version of Kubernetes.
var forVersion = regexp.MustCompile(`Kubernetes 1\.(\d+)`)

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
		if !slices.Contains(names, e.Name()) {
			t.Errorf("testdata/policies/%s belongs to no policy", e.Name())
		}
	}
}

func golden(t *testing.T, name string, p *policy.Policy) {
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(src)
	options := detect.Options{Policies: []*policy.Policy{p}}
	if m := forVersion.FindSubmatch(archive.Comment); m != nil {
		options.Kubernetes, _ = strconv.Atoi(string(m[1]))
	}
	i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "input.yaml" })
	if i < 0 {
		t.Fatalf("%s has no input.yaml", name)
	}
	input := archive.Files[i]
	file, errs := manifest.Parse(input.Name, input.Data, manifest.Plain, options.Wants)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	result := detect.Scan(&manifest.Set{Files: []*manifest.File{file}}, options)
	for _, err := range result.NotEvaluated {
		t.Error(err)
	}
	if len(result.Findings) == 0 {
		t.Error("the golden has no finding")
	}
	var findings, fixes bytes.Buffer
	for _, f := range result.Findings {
		fmt.Fprintf(&findings, "%s:%d:%d: %s [%s]\n", f.Position.File, f.Position.Line, f.Position.Column, f.Message, p.Name)
		describe(t, &fixes, f)
	}
	want := []txtar.File{input, {Name: "findings", Data: findings.Bytes()}, {Name: "fixes", Data: fixes.Bytes()}}
	out := txtar.Format(&txtar.Archive{Comment: archive.Comment, Files: want})
	if *update {
		if err := os.WriteFile(name, out, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(out, src) {
		t.Errorf("%s is stale, -update rewrites it; now it is\n%s", name, out)
	}
}

// describe writes how bold the repair of a finding is, why, and what it edits.
func describe(t *testing.T, w *bytes.Buffer, f *detect.Finding) {
	r, err := f.Violation.Repair()
	if err != nil {
		t.Error(err)
	}
	how := string(r.Safety) + ": " + r.Because
	if r.Fixer != "" {
		how = "fixer " + r.Fixer
	}
	fmt.Fprintf(w, "%d: %s\n", f.Position.Line, strings.Join(slices.DeleteFunc([]string{r.Title, how}, func(s string) bool { return s == "" }), " | "))
	if r.Safety == policy.Manual {
		return
	}
	for _, e := range r.Edits {
		fmt.Fprintf(w, "\t%s %s", e.Op, e.Path)
		if e.Op != policy.Remove {
			value, err := json.Marshal(e.Value)
			if err != nil {
				t.Error(err)
			}
			fmt.Fprintf(w, " %s", value)
		}
		fmt.Fprintln(w)
	}
}
