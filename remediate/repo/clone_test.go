package repo_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/repo"
)

const token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"

// serve serves the repositories below root as git itself does, to those who
// have the token. before may answer in its place.
func serve(t testing.TB, root string, before func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	backend := &cgi.Handler{
		Path:   filepath.Join(git(t, root, "--exec-path"), "git-http-backend"),
		Env:    []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"},
		Stderr: io.Discard,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before != nil && before(w, r) {
			return
		}
		if user, password, _ := r.BasicAuth(); user != "x-access-token" || password != token {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// remote makes a bare repository with three commits on main, and serves it.
func remote(t testing.TB) (dir, url string) {
	t.Helper()
	work := workTree(t, map[string]string{"a.yaml": "a: 1\n", "b/c.yaml": "c: 1\n"})
	for _, v := range []string{"2", "3"} {
		write(t, work, map[string]string{"a.yaml": "a: " + v + "\n"})
		git(t, work, "commit", "--quiet", "--all", "--message=v"+v)
	}
	root := t.TempDir()
	git(t, root, "clone", "--quiet", "--bare", work, "shop.git")
	dir = filepath.Join(root, "shop.git")
	git(t, dir, "config", "http.receivepack", "true")
	return dir, serve(t, root, nil) + "/shop.git"
}

func noPause(ctx context.Context, _ time.Duration) error { return ctx.Err() }

var access = repo.Access{Token: token, Pause: noPause}

func TestClone(t *testing.T) {
	t.Parallel()
	dir, url := remote(t)
	git(t, dir, "update-ref", "refs/heads/old", "main~1")
	for name, o := range map[string]repo.Options{
		"memory":         {},
		"memory shallow": {Depth: 1},
		"disk":           {Dir: filepath.Join(t.TempDir(), "new")},
		"disk shallow":   {Dir: t.TempDir(), Depth: 1},
		"branch":         {Branch: "old", Depth: 1},
	} {
		o.Access = access
		r, err := repo.Clone(context.Background(), url, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, content := "main", "a: 3\n"
		if o.Branch != "" {
			want, content = o.Branch, "a: 2\n"
		}
		branch, commit, err := r.Head()
		if err != nil || branch != want || commit != git(t, dir, "rev-parse", want) {
			t.Errorf("%s: Head() = %q, %q, %v", name, branch, commit, err)
			continue
		}
		f, err := r.FS(commit)
		if err != nil {
			t.Fatal(err)
		}
		if got := list(t, f); !slices.Equal(got, []string{"a.yaml", "b/c.yaml"}) {
			t.Errorf("%s: files %q", name, got)
		}
		if got, err := fs.ReadFile(f, "a.yaml"); string(got) != content || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if dirty, err := r.Dirty(); len(dirty) > 0 || err != nil {
			t.Errorf("%s: dirty %q, %v", name, dirty, err)
		}
		if o.Dir != "" {
			git(t, o.Dir, "fsck", "--strict")
			if got := git(t, o.Dir, "config", "remote.origin.url"); got != url {
				t.Errorf("%s: origin %q", name, got)
			}
			if _, err := repo.Clone(context.Background(), url, o); err == nil || !strings.Contains(err.Error(), "not empty") {
				t.Errorf("%s: a second time: %v", name, err)
			}
		}
	}
}

// TestClonePinned: what does not move is fetched by a tag or a hash, and only
// that counts as pinned, in a clone and in a repository on disk alike.
func TestClonePinned(t *testing.T) {
	t.Parallel()
	dir, url := remote(t)
	git(t, dir, "config", "uploadpack.allowReachableSHA1InWant", "true")
	git(t, dir, "tag", "light", "main~1")
	git(t, dir, "-c", "user.name=a", "-c", "user.email=a@example.org", "tag", "--annotate", "--message=two", "signed", "main~1")
	want := git(t, dir, "rev-parse", "main~1")
	for _, pinned := range []string{"light", "signed", want} {
		r, err := repo.Clone(context.Background(), url, repo.Options{Access: access, Pinned: pinned, Depth: 1})
		if err != nil {
			t.Errorf("%s: %v", pinned, err)
			continue
		}
		onDisk, err := repo.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []*repo.Repository{r, onDisk} {
			commit, err := r.Pinned(pinned)
			if err != nil || commit != want {
				t.Errorf("%s: Pinned() = %q, %v; want %s", pinned, commit, err, want)
				continue
			}
			f, err := r.FS(commit)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := fs.ReadFile(f, "a.yaml"); string(got) != "a: 2\n" || err != nil {
				t.Errorf("%s: %q, %v", pinned, got, err)
			}
		}
		if _, err := onDisk.Pinned("main"); err == nil || !strings.Contains(err.Error(), "a branch moves") {
			t.Errorf("a branch on disk: %v", err)
		}
	}
	for pinned, want := range map[string]string{"main": "main is a branch, which moves", "nope": `it has no tag "nope"`} {
		if _, err := repo.Clone(context.Background(), url, repo.Options{Access: access, Pinned: pinned, Depth: 1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", pinned, err, want)
		}
	}
}

func TestCloneSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	git(t, root, "init", "--quiet", "--bare", "empty.git")
	work := workTree(t, map[string]string{"a.yaml": "a: 1\n"})
	git(t, root, "clone", "--quiet", "--bare", work, "shop.git")
	git(t, root, "clone", "--quiet", "--bare", work, "detached.git")
	detached := git(t, filepath.Join(root, "detached.git"), "commit-tree", "-m", "on no branch", "main^{tree}")
	git(t, filepath.Join(root, "detached.git"), "update-ref", "--no-deref", "HEAD", detached)
	var strayed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	t.Cleanup(other.Close)
	url := serve(t, root, func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasPrefix(r.URL.Path, "/moved.git"):
			http.Redirect(w, r, other.URL+r.URL.RequestURI(), http.StatusMovedPermanently)
		case strings.HasPrefix(r.URL.Path, "/rude.git"):
			http.Error(w, "\x1b[2Jno, "+r.Header.Get("Authorization")+" "+token, http.StatusForbidden)
		default:
			return false
		}
		return true
	})

	for _, test := range []struct {
		url  string
		o    repo.Options
		want string
	}{
		{url + "/empty.git", repo.Options{Access: access}, repo.ErrEmpty.Error()},
		{url + "/missing.git", repo.Options{Access: access}, "repository not found"},
		{url + "/shop.git", repo.Options{}, "set GITHUB_TOKEN"},
		{url + "/shop.git", repo.Options{Access: repo.Access{Token: "ghp_wrong"}}, "is valid for this host"},
		{url + "/shop.git", repo.Options{Access: access, Branch: "nope"}, `no branch "nope"`},
		{url + "/detached.git", repo.Options{Access: access}, "--base"},
		{url + "/moved.git", repo.Options{Access: access}, "redirects to another host"},
		{url + "/rude.git", repo.Options{Access: access}, `"Contents: read and write"`},
		{url + "/shop.git", repo.Options{Access: repo.Access{Token: token, MaxBytes: 300, Pause: noPause}}, "more than is accepted"},
		{"http://github.example/acme/shop", repo.Options{}, "use https://github.example/acme/shop"},
		{"https://user:hunter2@github.example/acme/shop", repo.Options{}, "carries credentials"},
		{"ssh://git@github.example/acme/shop", repo.Options{}, "use https://github.example/acme/shop"},
		{"git@github.example:acme/shop.git", repo.Options{}, "use https://github.example/acme/shop.git"},
		{"file:///etc", repo.Options{}, "file addresses are not supported"},
		{"ext::sh -c id", repo.Options{}, "not a URL"},
		{"https://github.example/acme/shop?x=1", repo.Options{}, "not that of a repository"},
		{"https://github.example/", repo.Options{}, "not that of a repository"},
		{"https://%zz/", repo.Options{}, "does not parse"},
	} {
		_, err := repo.Clone(context.Background(), test.url, test.o)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Clone(%s): %v; want %q", test.url, err, test.want)
			continue
		}
		if text := err.Error(); strings.Contains(text, token) || strings.Contains(text, "hunter2") || strings.Contains(text, "Basic eC1") || strings.Contains(text, "\x1b") {
			t.Errorf("Clone(%s): unclean error %q", test.url, text)
		}
	}
	if n := strayed.Load(); n > 0 {
		t.Errorf("%d requests reached another host", n)
	}
}

// TestCloneBoundsInflation: 8 MiB of zeros are a few kB on the way.
func TestCloneBoundsInflation(t *testing.T) {
	t.Parallel()
	work := workTree(t, map[string]string{"zeros.yaml": strings.Repeat("\x00", 8<<20)})
	root := t.TempDir()
	git(t, root, "clone", "--quiet", "--bare", work, "shop.git")
	url := serve(t, root, nil) + "/shop.git"
	_, err := repo.Clone(context.Background(), url, repo.Options{Access: repo.Access{Token: token, MaxBytes: 1 << 20, Pause: noPause}})
	if err == nil || !strings.Contains(err.Error(), "more than is accepted") {
		t.Errorf("error %v", err)
	}
	if _, err := repo.Clone(context.Background(), url, repo.Options{Access: repo.Access{Token: token, MaxBytes: 10 << 20, Pause: noPause}}); err != nil {
		t.Errorf("with room: %v", err)
	}
}

func TestPush(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, depth := range map[string]int{"full": 0, "shallow": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, url := remote(t)
			clone := func() remediate.Writer {
				r, err := repo.Clone(ctx, url, repo.Options{Access: access, Depth: depth})
				if err != nil {
					t.Fatal(err)
				}
				w, err := r.Push(url, access)
				if err != nil {
					t.Fatal(err)
				}
				return w
			}
			p := proposal(t, dir, map[string]string{"a.yaml": "a: 4\n", "new/n.yaml": "n: 1\n"})
			first, err := clone().Commit(ctx, p, remediate.Tip{})
			if err != nil {
				t.Fatal(err)
			}
			git(t, dir, "fsck", "--strict")
			tip, err := clone().Tip(ctx, p.Branch)
			if want := (remediate.Tip{Hash: first, Ours: true, Digest: p.Digest(), Base: p.BaseCommit}); tip != want || err != nil {
				t.Fatalf("tip %+v, %v; want %+v", tip, err, want)
			}

			// The base moves on; a later run has neither the old base nor the tip.
			other := t.TempDir()
			git(t, other, "clone", "--quiet", dir, ".")
			write(t, other, map[string]string{"b/c.yaml": "c: 2\n"})
			git(t, other, "commit", "--quiet", "--all", "--message=v4")
			git(t, other, "push", "--quiet", dir, "HEAD:main")
			w := clone()
			if tip, err := w.Tip(ctx, p.Branch); !tip.Ours || err != nil {
				t.Fatalf("tip %+v, %v", tip, err)
			}
			p.BaseCommit = git(t, dir, "rev-parse", "main")
			second, err := w.Commit(ctx, p, tip)
			if err != nil || second == first {
				t.Fatalf("second commit %s, %v", second, err)
			}
			if got := git(t, dir, "rev-parse", p.Branch+"^"); got != p.BaseCommit {
				t.Errorf("parent %s, want %s", got, p.BaseCommit)
			}
			git(t, dir, "fsck", "--strict", "--no-dangling")

			// Whoever still expects the first commit is told.
			p.Files["a.yaml"] = []byte("a: 5\n")
			if _, err := clone().Commit(ctx, p, remediate.Tip{Hash: first}); !errors.Is(err, remediate.ErrMoved) {
				t.Errorf("over another commit: %v", err)
			}
			if _, err := clone().Commit(ctx, p, remediate.Tip{}); !errors.Is(err, remediate.ErrMoved) {
				t.Errorf("over a branch that was not expected: %v", err)
			}
			if got := git(t, dir, "rev-parse", p.Branch); got != second {
				t.Errorf("branch at %s, want %s", got, second)
			}
		})
	}
}

// TestPushFromAWorkTree reads the work tree's repository and leaves it as it
// is; a base that was never pushed is refused by the server.
func TestPushFromAWorkTree(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir, url := remote(t)
	work := t.TempDir()
	git(t, work, "clone", "--quiet", dir, ".")
	count := git(t, work, "count-objects", "-v")

	push := func() remediate.Writer {
		w, err := open(t, work).Push(url, access)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	p := proposal(t, work, map[string]string{"a.yaml": "a: 4\n"})
	hash, err := push().Commit(ctx, p, remediate.Tip{})
	if err != nil {
		t.Fatal(err)
	}
	if tip, err := push().Tip(ctx, p.Branch); tip.Hash != hash || !tip.Ours || err != nil {
		t.Errorf("tip %+v, %v", tip, err)
	}
	if got := git(t, work, "count-objects", "-v"); got != count {
		t.Errorf("the repository grew: %s; before: %s", got, count)
	}

	git(t, work, "commit", "--quiet", "--allow-empty", "--message=mine alone")
	p.BaseCommit = git(t, work, "rev-parse", "HEAD")
	p.Branch = "oakum/other"
	if _, err := push().Commit(ctx, p, remediate.Tip{}); err == nil || !strings.Contains(err.Error(), "base commit has been pushed") {
		t.Errorf("a base that was not pushed: %v", err)
	}
}
