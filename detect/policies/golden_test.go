package policies_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
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
	set := &manifest.Set{Files: []*manifest.File{file}}
	result := detect.Scan(set, options)
	for _, err := range result.NotEvaluated {
		t.Error(err)
	}
	if len(result.Findings) == 0 {
		t.Error("the golden has no finding")
	}
	plan := mend(t, set, result.Findings, options)
	left := after(t, set, plan, options)
	var findings, fixes bytes.Buffer
	for _, f := range result.Findings {
		fmt.Fprintf(&findings, "%s:%d:%d: %s [%s]\n", f.Position.File, f.Position.Line, f.Position.Column, f.Message, p.Name)
		what, mended := fate(plan, f)
		fmt.Fprintf(&fixes, "%d: %s\n", f.Position.Line, what)
		if mended && left[f.Fingerprint] {
			t.Errorf("line %d: %s: the fix did not mend it", f.Position.Line, f.Message)
		}
	}
	want := []txtar.File{input, {Name: "findings", Data: findings.Bytes()}, {Name: "fixes", Data: fixes.Bytes()}}
	for _, c := range plan.Changes {
		name := "fixed.yaml"
		if c.Path != input.Name {
			name = "fixed/" + c.Path
		}
		want = append(want, txtar.File{Name: name, Data: c.After})
	}
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

// mend plans every fix up to review.
func mend(t *testing.T, set *manifest.Set, findings []*detect.Finding, options detect.Options) *remediate.Plan {
	t.Helper()
	tree := fstest.MapFS{}
	for _, f := range set.Files {
		tree[f.Path] = &fstest.MapFile{Data: f.Source}
	}
	plan, err := remediate.MakePlan(t.Context(), remediate.Input{
		Tree: tree, Set: set, Findings: findings, Detect: options, Safety: policy.Review,
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// after are the fingerprints of what is still found when the plan is carried out.
func after(t *testing.T, set *manifest.Set, plan *remediate.Plan, options detect.Options) map[string]bool {
	t.Helper()
	mended := &manifest.Set{}
	for _, c := range plan.Changes {
		f, errs := manifest.Parse(c.Path, c.After, manifest.Plain, options.Wants)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		mended.Files = append(mended.Files, f)
	}
	for _, f := range set.Files {
		if !slices.ContainsFunc(plan.Changes, func(c remediate.Change) bool { return c.Path == f.Path }) {
			mended.Files = append(mended.Files, f)
		}
	}
	left := map[string]bool{}
	for _, f := range detect.Scan(mended, options).Findings {
		left[f.Fingerprint] = true
	}
	return left
}

// fate says what becomes of a finding: how bold its fix is and why, or why it is held.
func fate(plan *remediate.Plan, f *detect.Finding) (what string, mended bool) {
	for _, c := range plan.Changes {
		for _, fix := range c.Fixes {
			if fix.Finding == f {
				var because []string
				for _, e := range fix.Evidence {
					because = append(because, e.Text)
				}
				return fmt.Sprintf("%s: %s (%s)", fix.Safety, fix.Title, strings.Join(because, "; ")), true
			}
		}
	}
	for _, h := range plan.Held {
		if h.Finding == f {
			return fmt.Sprintf("held, %s: %s", h.Reason, h.Detail), false
		}
	}
	return "forgotten", false
}
