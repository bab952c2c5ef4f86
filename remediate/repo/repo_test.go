package repo_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/remediate/repo"
)

// git runs the git program in dir, for what the tests need of it.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	return gitIn(t, dir, "", args...)
}

func gitIn(t testing.TB, dir, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_AUTHOR_DATE=1700000000 +0100",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com", "GIT_COMMITTER_DATE=1700000000 +0100")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(string(exit.Stderr))
		}
		t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// workTree makes a repository with one commit of the given files.
func workTree(t testing.TB, files map[string]string, init ...string) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, append([]string{"init", "--quiet", "--initial-branch=main"}, init...)...)
	write(t, dir, files)
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "--quiet", "--allow-empty", "--message=first")
	return dir
}

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func open(t testing.TB, dir string) *repo.Repository {
	t.Helper()
	r, err := repo.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestHead(t *testing.T) {
	t.Parallel()
	dir := workTree(t, map[string]string{"a.yaml": "a: 1\n"})
	want := git(t, dir, "rev-parse", "HEAD")

	branch, commit, err := open(t, dir).Head()
	if branch != "main" || commit != want || err != nil {
		t.Errorf("Head() = %q, %q, %v; want main, %s", branch, commit, err, want)
	}

	bare := t.TempDir()
	git(t, dir, "clone", "--quiet", "--bare", dir, bare)
	git(t, bare, "pack-refs", "--all")
	if branch, commit, err := open(t, bare).Head(); branch != "main" || commit != want || err != nil {
		t.Errorf("bare: Head() = %q, %q, %v", branch, commit, err)
	}

	linked := filepath.Join(t.TempDir(), "linked")
	git(t, dir, "worktree", "add", "--quiet", "-b", "side", linked)
	if branch, commit, err := open(t, linked).Head(); branch != "side" || commit != want || err != nil {
		t.Errorf("linked: Head() = %q, %q, %v", branch, commit, err)
	}

	git(t, dir, "update-ref", "refs/remotes/origin/release", want)
	if commit, err := open(t, dir).Branch("release"); commit != want || err != nil {
		t.Errorf("Branch(release) = %q, %v", commit, err)
	}
	if _, err := open(t, dir).Branch("nope"); err == nil || !strings.Contains(err.Error(), `"nope"`) {
		t.Errorf("Branch(nope): %v", err)
	}

	git(t, dir, "checkout", "--quiet", "--detach")
	if _, _, err := open(t, dir).Head(); err == nil || !strings.Contains(err.Error(), "detached") || !strings.Contains(err.Error(), "--base") {
		t.Errorf("detached: %v", err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"file": "x", "plain/a.yaml": "a: 1\n"})
	git(t, dir, "init", "--quiet", "--initial-branch=main", "empty")
	git(t, dir, "init", "--quiet", "--object-format=sha256", "sha256")
	sparse := workTree(t, map[string]string{"a/a.yaml": "a: 1\n"})
	git(t, sparse, "sparse-checkout", "set", "a")

	for _, test := range []struct{ path, want string }{
		{filepath.Join(dir, "missing"), "no such directory"},
		{filepath.Join(dir, "file"), "it is a file"},
		{filepath.Join(dir, "plain"), "not the root of a git repository"},
		{filepath.Join(dir, "sha256"), "not supported"},
		{sparse, "sparse checkout"},
	} {
		_, err := repo.Open(test.path)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
			t.Errorf("Open(%s): %v; want %q", test.path, err, test.want)
		}
	}
	if _, _, err := open(t, filepath.Join(dir, "empty")).Head(); !errors.Is(err, repo.ErrEmpty) {
		t.Errorf("empty: %v", err)
	}
}

func TestDirty(t *testing.T) {
	t.Parallel()
	dir := workTree(t, map[string]string{"a.yaml": "a: 1\n", "b.yaml": "b: 1\n", ".gitignore": "*.log\n"})
	if dirty, err := open(t, dir).Dirty(); len(dirty) > 0 || err != nil {
		t.Fatalf("clean: %q, %v", dirty, err)
	}
	write(t, dir, map[string]string{"a.yaml": "a: 2\n", "new/c.yaml": "c: 1\n", "x.log": "x"})
	if err := os.Remove(filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	dirty, err := open(t, dir).Dirty()
	if want := []string{"a.yaml", "b.yaml", "new/c.yaml"}; !slices.Equal(dirty, want) || err != nil {
		t.Errorf("Dirty() = %q, %v; want %q", dirty, err, want)
	}

	bare := t.TempDir()
	git(t, dir, "clone", "--quiet", "--bare", dir, bare)
	if dirty, err := open(t, bare).Dirty(); dirty != nil || err != nil {
		t.Errorf("bare: %q, %v", dirty, err)
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	dir := workTree(t, nil)
	if origin := open(t, dir).Origin(); origin != "" {
		t.Errorf("no origin: %q", origin)
	}
	git(t, dir, "remote", "add", "origin", "x")
	for address, want := range map[string]string{
		"git@github.com:acme/shop.git":             "https://github.com/acme/shop.git",
		"ssh://git@github.com:22/acme/shop.git":    "https://github.com/acme/shop.git",
		"https://user:secret@github.com/acme/shop": "https://github.com/acme/shop",
		"https://github.com/acme/shop.git":         "https://github.com/acme/shop.git",
		"/srv/git/shop.git":                        "",
		"file:///srv/git/shop.git":                 "",
		"ext::sh -c whoami":                        "",
		`C:\shop`:                                  "",
		"git@github.com:/acme/shop.git":            "https://github.com/acme/shop.git",
	} {
		git(t, dir, "remote", "set-url", "origin", address)
		if origin := open(t, dir).Origin(); origin != want {
			t.Errorf("origin %q: %q, want %q", address, origin, want)
		}
	}
}
