package remediate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

const insecurePod = `apiVersion: v1
kind: Pod
metadata:
  name: web # a name
spec:
  containers:
    - name: web
      image: shop/web:1
`

// TestDiffOfStrangeNames asks appliers that are not ours to take diffs of
// files whose names would end the header of one.
func TestDiffOfStrangeNames(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{}
	for _, name := range []string{"a\tb.yaml", "new\nline.yaml", "esc\x1b[31m.yaml", `quo"te.yaml`, `back\slash.yaml`, "sp ace.yaml", "ü.yaml", "dir with blanks/a b.yaml"} {
		tree[name] = &fstest.MapFile{Data: []byte(insecurePod)}
	}
	plan := planOf(t, tree)
	if len(plan.Changes) < len(tree) {
		t.Fatalf("%d changes, want one of each file and new ones", len(plan.Changes))
	}
	applied(t, tree, plan)
}

func planOf(t *testing.T, tree fs.FS) *remediate.Plan {
	t.Helper()
	all := library(t)
	p, err := remediate.ReadProject(tree, remediate.Settings{
		Config: remediate.Config{Safety: policy.Review}, Policies: all, Selected: all,
	})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := p.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// applied applies the plan's diff with go-gitdiff and with git, and compares.
func applied(t *testing.T, tree fs.FS, plan *remediate.Plan) {
	t.Helper()
	files, preamble, err := gitdiff.Parse(strings.NewReader(plan.Diff()))
	if err != nil || preamble != "" {
		t.Fatalf("parsing the diff: %v, preamble %q", err, preamble)
	}
	byName := map[string]*gitdiff.File{}
	for _, f := range files {
		byName[strings.TrimPrefix(f.NewName, "b/")] = f
	}
	dir := t.TempDir()
	for _, c := range plan.Changes {
		f := byName[c.Path]
		if f == nil {
			t.Errorf("the diff has no %q", c.Path)
			continue
		}
		var out bytes.Buffer
		if err := gitdiff.Apply(&out, bytes.NewReader(c.Before), f); err != nil {
			t.Errorf("%s: %v", c.Path, err)
		}
		if !bytes.Equal(out.Bytes(), c.After) {
			t.Errorf("%s: go-gitdiff makes something else of the diff", c.Path)
		}
		if c.Before == nil {
			continue
		}
		name := filepath.Join(dir, c.Path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, c.Before, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if t.Failed() {
		return
	}
	apply := exec.Command("git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn")
	apply.Dir, apply.Stdin = dir, strings.NewReader(plan.Diff())
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("git apply: %v\n%s", err, out)
	}
	for _, c := range plan.Changes {
		got, err := os.ReadFile(filepath.Join(dir, c.Path))
		if err != nil || !bytes.Equal(got, c.After) {
			t.Errorf("%s: git makes something else of the diff (%v)", c.Path, err)
		}
	}
}

// TestSecretsStayOutOfTexts has secrets next to what is mended: the diff for
// git has them as they are, the pull request's text does not.
func TestSecretsStayOutOfTexts(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{"web.yaml": {Data: []byte(insecurePod + `      env:
        - name: DB_PASSWORD
          value: hunter2-hunter2
---
apiVersion: v1
kind: Secret
metadata:
  name: db
stringData:
  text: |
    first line of it
    second line of it
data:
  key: c2VjcmV0LXNlY3JldA==
`)}}
	plan := planOf(t, tree)
	secrets := []string{"hunter2", "first line", "second line", "c2VjcmV0"}
	if !strings.Contains(plan.Diff(), secrets[0]) {
		t.Fatalf("the diff shows no secret, so this test shows nothing:\n%s", plan.Diff())
	}
	for _, secret := range secrets {
		if text := plan.Markdown(); strings.Contains(text, secret) {
			t.Errorf("the text tells %q:\n%s", secret, text)
		}
	}
}

// TestStrangersNamesInTexts has names that would be markup, mentions, links or
// commands in a pull request.
func TestStrangersNamesInTexts(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{}
	for i, name := range []string{`\[x\](//evil.example)`, "@octocat", "fixes #123", "<img src=x>", "a | b", "`code`", "\u202eevil", "www.evil.example", "https://evil.example"} {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		pod := strings.ReplaceAll(insecurePod, "name: web\n", "name: "+string(quoted)+"\n")
		tree[fmt.Sprintf("%d/%s.yaml", i, strings.ReplaceAll(name, "/", "_"))] = &fstest.MapFile{Data: []byte(pod)}
	}
	all := library(t)
	p, err := remediate.ReadProject(tree, remediate.Settings{Config: remediate.Config{Safety: policy.Review}, Policies: all, Selected: all})
	if err != nil {
		t.Fatal(err)
	}
	groups, err := p.Groups(t.Context(), "file")
	if err != nil || len(groups) < len(tree) {
		t.Fatalf("%d groups of %d files: %v", len(groups), len(tree), err)
	}
	fenced := regexp.MustCompile("(?s)```.*?```|`[^`]*`")
	for _, g := range groups {
		proposal := g.Proposal("main", "0123456789012345678901234567890123456789", nil)
		text := fenced.ReplaceAllString(proposal.Body, "")
		for _, bad := range []string{"@octocat", "#123", "<img", "\u202e", "](", "www.evil", "https://evil"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: %q gets through in the text", g.Key, bad)
			}
		}
		for _, bad := range []string{"@octocat", "#123", "\u202e", "\n"} {
			if strings.Contains(proposal.Title, bad) {
				t.Errorf("%s: %q gets through in the title %q", g.Key, bad, proposal.Title)
			}
		}
	}
}
