package github_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github"
	"github.com/oakum-dev/oakum/remediate/github/githubtest"
)

const token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"

// world is a GitHub with the App installed on acme/shop, and oakum as the App.
type world struct {
	*githubtest.Server
	t     *testing.T
	clock *githubtest.Clock
	hub   *github.Hub

	mu      sync.Mutex
	said    []string // all that anybody can read
	budgets []github.Budget
}

func newWorld(t *testing.T, change ...func(*github.Options)) *world {
	t.Helper()
	t.Parallel()
	w := &world{t: t, clock: githubtest.NewClock()}
	w.Server = githubtest.New(t, token, map[string]string{"apps/web.yaml": strings.Repeat("line\n", 30), "README.md": "a shop\n"})
	w.Time = w.clock.Now
	o := github.Options{
		App: github.App{ID: githubtest.ClientID, Key: githubtest.Key()}, BaseURL: w.URL, Clock: w.clock, MaxWait: time.Hour,
		OnWait: func(why string, d time.Duration) { w.heard(fmt.Sprint(why, d)) },
		OnBudget: func(b github.Budget) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.budgets = append(w.budgets, b)
		},
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	if w.hub, err = github.NewHub(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, token := range w.Issued() {
			for _, text := range w.said {
				if strings.Contains(text, token) {
					t.Errorf("a token is in %q", text)
				}
			}
		}
		if strayed := w.Strayed(); len(strayed) > 0 {
			t.Errorf("requests reached another host: %q", strayed)
		}
	})
	return w
}

func (w *world) heard(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

// shop is the first repository.
func (w *world) shop() *github.Repo {
	w.t.Helper()
	r, err := w.hub.Host(w.t.Context(), w.repository())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) repository() remediate.Repository {
	return remediate.Repository{ID: w.ID, Installation: 101, Name: "acme/shop"}
}

// refused fails unless err is a refusal for a reason, whose text has all parts.
func (w *world) refused(err error, reason string, parts ...string) {
	w.t.Helper()
	var refusal *remediate.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != reason {
		w.t.Fatalf("error %v, want a refusal because of %q", err, reason)
	}
	w.heard(err.Error())
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			w.t.Errorf("error %q lacks %q", err, p)
		}
	}
}

// sent counts requests by method and the end of their path.
func (w *world) sent(method, suffix string) int {
	n := 0
	for _, r := range w.Requests() {
		if r.Method == method && strings.HasSuffix(r.Path, suffix) {
			n++
		}
	}
	return n
}

func TestApp(t *testing.T) {
	w := newWorld(t)
	other := w.Add("acme/tools", map[string]string{"x": "y\n"})
	w.Add("wonka/sweets", map[string]string{"x": "y\n"})

	login, id, err := w.hub.Identity(t.Context())
	if login != "oakum[bot]" || id != githubtest.AppID || err != nil {
		t.Errorf("identity %q, %d, %v", login, id, err)
	}
	all, err := w.hub.Repositories(t.Context())
	want := []remediate.Repository{{ID: 1, Installation: 101, Name: "acme/shop"}, {ID: 2, Installation: 101, Name: "acme/tools"}, {ID: 3, Installation: 102, Name: "wonka/sweets"}}
	if !slices.Equal(all, want) || err != nil {
		t.Errorf("repositories %v, %v", all, err)
	}

	r := w.shop()
	about, err := r.About(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if about.Repository != w.repository() || about.DefaultBranch != "main" || !about.Private || about.Archived || !about.AutoMerge ||
		!slices.Equal(about.Methods, []string{"merge", "squash"}) || about.Rights["contents"] != "write" {
		t.Errorf("about %+v", about)
	}

	// The token is for this repository alone.
	narrow, err := r.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	spy, err := github.New(github.Options{Token: narrow, BaseURL: w.URL, Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := spy.Repo(other.FullName())
	if err != nil {
		t.Fatal(err)
	}
	_, err = elsewhere.About(t.Context())
	w.refused(err, remediate.RefusedMissing, "acme/tools")

	// Found by its name where nobody said the installation.
	if r, err := w.hub.Host(t.Context(), remediate.Repository{ID: 3, Name: "wonka/sweets"}); err != nil || r.String() != "wonka/sweets" {
		t.Errorf("%v, %v", r, err)
	}
	w.Requests()
}

func TestTokensAreKeptAndRenewed(t *testing.T) {
	w := newWorld(t)
	w.Requests()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if r, err := w.hub.Host(t.Context(), w.repository()); err != nil {
				t.Error(err)
			} else if _, err := r.About(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.sent("POST", "/access_tokens"); n != 1 {
		t.Errorf("%d tokens for eight at once", n)
	}
	r := w.shop()
	for name, over := range map[string]func(){
		"near its end": func() { _ = w.clock.Sleep(t.Context(), 51*time.Minute) },
		"revoked":      w.Expire,
	} {
		over()
		w.Requests()
		if _, err := r.CreateComment(t.Context(), w.OpenIssue("ada", name, ""), "hello"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := w.sent("POST", "/access_tokens"); n != 1 {
			t.Errorf("%s: %d new tokens", name, n)
		}
	}
	// One that is refused at once is not asked for for ever.
	w.Inject(githubtest.Fault{Request: `^GET .*/repos/acme/shop$`, Times: 9, Effect: githubtest.Respond(401, "Bad credentials")})
	w.Requests()
	_, err := r.About(t.Context())
	w.refused(err, remediate.RefusedToken, "acme/shop")
	if n := w.sent("GET", "/acme/shop"); n != 2 {
		t.Errorf("%d attempts", n)
	}
}

func TestInstallationsThatAreGone(t *testing.T) {
	w := newWorld(t)
	in := w.Installation()
	r := w.shop()

	in.Suspend(true)
	_, err := r.About(t.Context())
	w.refused(err, remediate.RefusedSuspended, "acme/shop", "unsuspend it")
	w.Expire()
	_, err = w.hub.Host(t.Context(), remediate.Repository{ID: w.ID, Installation: in.ID})
	if err == nil { // the token that it still has
		_, err = r.About(t.Context())
	}
	w.refused(err, remediate.RefusedSuspended)
	if all, err := w.hub.Repositories(t.Context()); len(all) > 0 || err != nil {
		t.Errorf("a suspended installation has %v, %v", all, err)
	}

	in.Suspend(false)
	if _, err := w.shop().About(t.Context()); err != nil {
		t.Error(err)
	}
	in.Select(w.Repository, false)
	w.Expire()
	_, err = r.About(t.Context())
	w.refused(err, remediate.RefusedRemoved, "install the App there")
	in.Remove()
	_, err = r.About(t.Context())
	w.refused(err, remediate.RefusedRemoved, "installation 101")
}

func TestRightsThatWereNotGranted(t *testing.T) {
	w := newWorld(t)
	in := w.Installation()
	in.Grant("checks", "")
	in.Grant("issues", "read")
	r := w.shop()
	about, err := r.About(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"contents": "write", "issues": "read", "metadata": "read", "pull_requests": "write"}; !maps.Equal(about.Rights, want) {
		t.Errorf("rights %v", about.Rights)
	}
	_, err = r.CreateCheck(t.Context(), remediate.Check{Name: "oakum", Commit: w.Head("main"), Status: remediate.CheckInProgress})
	w.refused(err, remediate.RefusedRight, `"Checks: read and write"`, "checks=write")
	_, err = r.CreateComment(t.Context(), w.OpenIssue("ada", "x", ""), "hello")
	w.refused(err, remediate.RefusedRight, `"Issues: read and write"`)
}

func TestWrongKeys(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *github.Options) { o.App.Key = other })
	_, err = w.hub.Host(t.Context(), w.repository())
	w.refused(err, remediate.RefusedToken, "private key", "clock")
	_, err = w.hub.Repositories(t.Context())
	w.refused(err, remediate.RefusedToken)
}

// TestClocksDiffer: one that is ahead or behind by less than a minute does.
func TestClocksDiffer(t *testing.T) {
	w := newWorld(t)
	for _, off := range []time.Duration{50 * time.Second, -50 * time.Second} {
		w.Time = func() time.Time { return w.clock.Now().Add(off) }
		hub, err := github.NewHub(github.Options{App: github.App{ID: fmt.Sprint(githubtest.AppID), Key: githubtest.Key()}, BaseURL: w.URL, Clock: w.clock})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := hub.Identity(t.Context()); err != nil {
			t.Errorf("%v: %v", off, err)
		}
	}
}

func TestReadKey(t *testing.T) {
	t.Parallel()
	key := githubtest.Key()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(key)
	path := filepath.Join(t.TempDir(), "key.pem")
	for name, test := range map[string]struct{ kind, body, fails string }{
		"PKCS #1":   {kind: "RSA PRIVATE KEY", body: string(pkcs1)},
		"PKCS #8":   {kind: "PRIVATE KEY", body: string(pkcs8)},
		"cut off":   {kind: "RSA PRIVATE KEY", body: string(pkcs1[:100]), fails: "does not parse"},
		"encrypted": {kind: "ENCRYPTED PRIVATE KEY", body: "x", fails: "ENCRYPTED"},
		"nothing":   {fails: "not PEM"},
	} {
		text := pem.EncodeToMemory(&pem.Block{Type: test.kind, Bytes: []byte(test.body)})
		if test.kind == "" {
			text = []byte("hunter2")
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := github.ReadKey(path)
		if test.fails == "" && (err != nil || !got.Equal(key)) || test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := github.ReadKey(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestHubWithToken(t *testing.T) {
	w := newWorld(t, func(o *github.Options) {
		o.App, o.Token, o.Repositories = github.App{}, token, []string{"acme/shop", "acme/none"}
	})
	login, app, err := w.hub.Identity(t.Context())
	if login != "oakum-user" || app != 0 || err != nil {
		t.Errorf("identity %q, %d, %v", login, app, err)
	}
	all, err := w.hub.Repositories(t.Context())
	w.refused(err, remediate.RefusedMissing, "acme/none")
	if !slices.Equal(all, []remediate.Repository{{ID: 1, Name: "acme/shop"}}) {
		t.Errorf("repositories %v", all)
	}
	r, err := w.hub.Host(t.Context(), all[0])
	if err != nil {
		t.Fatal(err)
	}
	about, err := r.About(t.Context())
	if err != nil || about.Rights["push"] != "write" || about.Installation != 0 {
		t.Errorf("about %+v, %v", about, err)
	}
	_, err = r.CreateCheck(t.Context(), remediate.Check{Name: "oakum", Commit: w.Head("main"), Status: remediate.CheckQueued})
	w.refused(err, remediate.RefusedRight, "authenticate as one")
	if _, err := w.hub.FailedDeliveries(t.Context(), time.Time{}); err == nil {
		t.Error("a token has deliveries")
	}
}

// TestRenamed: whatever name somebody remembers, things go where the
// repository is now.
func TestRenamed(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	n := w.OpenIssue("ada", "x", "")
	w.Rename("acme/store")
	if c, err := r.CreateComment(t.Context(), n, "hello"); err != nil || c.Number != n {
		t.Errorf("%+v, %v", c, err)
	}
	about, err := r.About(t.Context())
	if err != nil || about.Name != "acme/store" || about.ID != w.ID {
		t.Errorf("about %+v, %v", about, err)
	}
	_ = w.clock.Sleep(t.Context(), time.Hour)
	if r := w.shop(); r.String() != "acme/store" || !strings.HasSuffix(r.CloneURL(), "/acme/store.git") {
		t.Errorf("after an hour it is %s", r)
	}
}
