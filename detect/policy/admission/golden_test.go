package admission_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/remediate"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden loads the policies below policies/ of each case and judges and
// mends the rest of it by them. The section errors has what is wrong with the policies.
func TestGolden(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := golden(t, src)
			if *update {
				if err := os.WriteFile(name, got, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(got, src) {
				t.Errorf("%s is stale, -update rewrites it; now it is\n%s", name, got)
			}
		})
	}
}

func golden(t *testing.T, src []byte) []byte {
	t.Helper()
	in := txtar.Parse(src)
	out := &txtar.Archive{Comment: in.Comment}
	rest := &txtar.Archive{}
	tree := fstest.MapFS{}
	for _, f := range in.Files {
		switch name, ok := strings.CutPrefix(f.Name, "policies/"); {
		case ok:
			tree[name] = &fstest.MapFile{Data: f.Data}
			out.Files = append(out.Files, f)
		case f.Name != "errors" && f.Name != "policies":
			rest.Files = append(rest.Files, f)
		}
	}
	policies, err := compiler().LoadFS(tree)
	if err != nil {
		var lines strings.Builder
		for _, e := range split(err) {
			lines.WriteString(e.Error() + "\n")
		}
		out.Files = append(append(out.Files, rest.Files...), txtar.File{Name: "errors", Data: []byte(lines.String())})
		return txtar.Format(out)
	}
	var list strings.Builder
	for _, p := range policies {
		list.WriteString(strings.Join([]string{p.Name, string(p.Severity), p.Language, p.File, p.Title, p.Description}, " | ") + "\n")
	}
	out.Files = append(out.Files, txtar.File{Name: "policies", Data: []byte(list.String())})
	for _, f := range rest.Files {
		if f.Name == remediate.ConfigName {
			config, err := remediate.ParseConfig(f.Name, f.Data)
			if err != nil {
				t.Fatal(err)
			}
			if policies, err = config.Apply(policies); err != nil {
				t.Fatal(err)
			}
		}
	}
	judged, err := remediate.RunCase(t.Context(), txtar.Format(rest), remediate.Settings{Policies: policies, Selected: policies})
	if err != nil {
		t.Fatal(err)
	}
	out.Files = append(out.Files, txtar.Parse(judged).Files...)
	return txtar.Format(out)
}

func split(err error) []error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, split(e)...)
	}
	return out
}
