package repo_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/remediate"
)

func proposal(t testing.TB, dir string, files map[string]string) remediate.Proposal {
	t.Helper()
	p := remediate.Proposal{
		Branch: "oakum/fix", Base: "main", BaseCommit: git(t, dir, "rev-parse", "main"), Message: "mend",
		Title: "Mend", Body: "b", Findings: []string{"aaaa"}, Files: map[string][]byte{},
	}
	for path, content := range files {
		p.Files[path] = []byte(content)
	}
	return p
}

func TestLocalCommits(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := workTree(t, map[string]string{"a.yaml": "a: 1\n", "a/b/c.yaml": "c: 1\n", "a-b": "x", "run.sh": "x"})
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "commit", "--quiet", "--all", "--message=mode")
	write(t, dir, map[string]string{"a.yaml": "work in progress\n"})
	status := git(t, dir, "status", "--porcelain")

	local := open(t, dir).Local()
	if tip, err := local.Tip(ctx, "oakum/fix"); tip.Hash != "" || err != nil {
		t.Fatalf("before: %+v, %v", tip, err)
	}
	p := proposal(t, dir, map[string]string{
		"a.yaml": "a: 2\n", "a/b/c.yaml": "c: 2\n", "a/b/new.yaml": "n: 1\n", "z/y/x.yaml": "x: 1\n", "run.sh": "y",
	})
	hash, err := local.Commit(ctx, p, remediate.Tip{})
	if err != nil {
		t.Fatal(err)
	}
	git(t, dir, "fsck", "--strict", "--no-dangling")
	if got := git(t, dir, "rev-parse", "oakum/fix"); got != hash {
		t.Errorf("branch at %s, want %s", got, hash)
	}
	want := "M\ta.yaml\nM\ta/b/c.yaml\nA\ta/b/new.yaml\nM\trun.sh\nA\tz/y/x.yaml"
	if got := git(t, dir, "diff", "--name-status", "main", "oakum/fix"); got != want {
		t.Errorf("changes:\n%s\nwant:\n%s", got, want)
	}
	if got := git(t, dir, "diff", "--summary", "main", "oakum/fix"); strings.Contains(got, "mode change") || !strings.Contains(got, "create mode 100644 z/y/x.yaml") {
		t.Errorf("modes: %s", got)
	}
	if got := git(t, dir, "show", "--no-patch", "--format=%an <%ae> %at %cn %ct %P", hash); got != "oakum <noreply@oakum.dev> 1700000000 oakum 1700000000 "+p.BaseCommit {
		t.Errorf("commit %s", got)
	}
	if got := git(t, dir, "status", "--porcelain"); got != status {
		t.Errorf("the work tree changed: %s", got)
	}

	tip, err := local.Tip(ctx, "oakum/fix")
	if want := (remediate.Tip{Hash: hash, Ours: true, Digest: p.Digest(), Base: p.BaseCommit}); tip != want || err != nil {
		t.Errorf("after: %+v, %v; want %+v", tip, err, want)
	}
	again, err := open(t, dir).Local().Commit(ctx, p, tip)
	if again != hash || err != nil {
		t.Errorf("the same proposal made %s, %v; before %s", again, err, hash)
	}
	if _, err := local.Commit(ctx, p, remediate.Tip{}); !errors.Is(err, remediate.ErrMoved) {
		t.Errorf("over a branch that was not expected: %v", err)
	}
	if _, err := local.Commit(ctx, p, remediate.Tip{Hash: p.BaseCommit}); !errors.Is(err, remediate.ErrMoved) {
		t.Errorf("over another commit: %v", err)
	}
}

func TestCommitsThatAreRefused(t *testing.T) {
	t.Parallel()
	dir := workTree(t, map[string]string{"a.yaml": "a: 1\n", "dir/b.yaml": "b: 1\n"})
	if err := os.Symlink("/etc", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "--quiet", "--message=link")
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"through a link":      {map[string]string{"link/x.yaml": "x"}, "link is not a directory"},
		"over a link":         {map[string]string{"link": "x"}, "link is not a plain file"},
		"over a directory":    {map[string]string{"dir": "x"}, "dir is not a plain file"},
		"below a file":        {map[string]string{"a.yaml/x": "x"}, "a.yaml is not a directory"},
		"a file and below it": {map[string]string{"n": "x", "n/x": "x"}, "n is not a plain file"},
		"what is there":       {map[string]string{"a.yaml": "a: 1\n"}, "nothing to commit"},
	} {
		p := proposal(t, dir, test.files)
		if _, err := open(t, dir).Local().Commit(context.Background(), p, remediate.Tip{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}

	p := proposal(t, dir, map[string]string{"a.yaml": "a: 2\n"})
	git(t, dir, "checkout", "--quiet", "-b", "oakum/fix")
	if _, err := open(t, dir).Local().Commit(context.Background(), p, remediate.Tip{Hash: p.BaseCommit}); err == nil || !strings.Contains(err.Error(), "checked out") {
		t.Errorf("the branch that is checked out: %v", err)
	}
	p.BaseCommit = strings.Repeat("1", 40)
	git(t, dir, "checkout", "--quiet", "main")
	if _, err := open(t, dir).Local().Commit(context.Background(), p, remediate.Tip{}); err == nil || !strings.Contains(err.Error(), p.BaseCommit) {
		t.Errorf("an unknown base: %v", err)
	}
}

func BenchmarkCommit(b *testing.B) {
	files := map[string]string{}
	for i := range 500 {
		files["apps/app"+strings.Repeat("x", i%50)+"/"+strings.Repeat("y", i/50)+".yaml"] = "a: 1\n"
	}
	dir := workTree(b, files)
	change := map[string]string{}
	for path := range files {
		if len(change) < 20 {
			change[path] = "a: 2\n"
		}
	}
	p := proposal(b, dir, change)
	b.ReportAllocs()
	for b.Loop() {
		local := open(b, dir).Local()
		tip, err := local.Tip(context.Background(), p.Branch)
		if err == nil {
			_, err = local.Commit(context.Background(), p, tip)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
