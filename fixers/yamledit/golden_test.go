package yamledit_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/source"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/fixers/yamledit"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden makes the operations of every case of testdata/yaml, one a line:
//
//	document N          the document that what follows is about, from 0
//	set PATH VALUE      the value in flow style
//	remove PATH
//	append PATH VALUE
//	bytes WHAT          crlf, bom, no-final-newline: how the file is really written
//
// A section after shows the edited file, with ␍, ⟨BOM⟩ and ⟨end⟩ for what is
// not seen; refused shows why there is none.
func TestGolden(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(filepath.Join("..", "..", "testdata", "yaml", "*.txtar"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if len(archive.Files) < 2 || archive.Files[0].Name != "ops" || archive.Files[1].Name != "before" {
				t.Fatalf("%s needs the sections ops and before", name)
			}
			archive.Files = append(archive.Files[:2:2], goldenCase(t, string(archive.Files[0].Data), archive.Files[1].Data))
			got := txtar.Format(archive)
			if *update {
				if err := os.WriteFile(name, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is stale, -update rewrites it; now it is\n%s", name, got)
			}
		})
	}
}

func goldenCase(t *testing.T, ops string, src []byte) txtar.File {
	t.Helper()
	current := 0
	byDocument := map[int][]policy.Edit{}
	for line := range strings.Lines(ops) {
		op, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch op {
		case "bytes":
			src = written(t, src, rest)
			continue
		case "document":
			if _, err := fmt.Sscan(rest, &current); err != nil {
				t.Fatal(err)
			}
			continue
		}
		at, value, _ := strings.Cut(rest, " ")
		path, err := manifest.ParsePath(at)
		if err != nil {
			t.Fatal(err)
		}
		e := policy.Edit{Op: policy.Op(op), Path: path}
		if value != "" {
			var n yaml.Node
			if err := yaml.Unmarshal([]byte(value), &n); err != nil {
				t.Fatal(err)
			}
			if e.Value, err = manifest.ToValue(n.Content[0]); err != nil {
				t.Fatal(err)
			}
		}
		byDocument[current] = append(byDocument[current], e)
	}
	out, err := edited(src, byDocument)
	var r *yamledit.Refusal
	if errors.As(err, &r) {
		return txtar.File{Name: "refused", Data: fmt.Appendf(nil, "%s: %v\n", r.Reason, r)}
	}
	if err != nil {
		t.Fatal(err)
	}
	return txtar.File{Name: "after", Data: visible(out)}
}

// edited makes the edits of every document, and proves them.
func edited(src []byte, byDocument map[int][]policy.Edit) ([]byte, error) {
	text := source.New(src)
	want := map[int]*yaml.Node{}
	var all []yamledit.Edit
	for i, d := range text.Documents() {
		ops := byDocument[i]
		if len(ops) == 0 {
			continue
		}
		root, err := text.Parse(d)
		if err != nil {
			return nil, err
		}
		after := yamledit.Clone(root)
		fixers.Expand(after, ops)
		if err := fixers.Desired(after, ops); err != nil {
			return nil, err
		}
		fixers.Prune(after, ops)
		edits, err := yamledit.Rewrite(text, root, after)
		if err != nil {
			return nil, err
		}
		want[i] = after
		all = append(all, edits...)
	}
	out, err := yamledit.Apply(src, all)
	if err != nil {
		return nil, err
	}
	return out, yamledit.Verify(src, out, want)
}

func written(t *testing.T, src []byte, how string) []byte {
	t.Helper()
	for _, h := range strings.Fields(how) {
		switch h {
		case "crlf":
			src = bytes.ReplaceAll(src, []byte("\n"), []byte("\r\n"))
		case "bom":
			src = slices.Concat([]byte(source.BOM), src)
		case "no-final-newline":
			src = bytes.TrimRight(src, "\r\n")
		default:
			t.Fatalf("unknown way to write a file: %s", h)
		}
	}
	return src
}

func visible(src []byte) []byte {
	out := strings.NewReplacer("\r", "␍", source.BOM, "⟨BOM⟩").Replace(string(src))
	if !strings.HasSuffix(out, "\n") {
		out += "⟨end⟩\n"
	}
	return []byte(out)
}
