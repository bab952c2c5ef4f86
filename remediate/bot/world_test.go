package bot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/bot"
	"github.com/oakum-dev/oakum/remediate/github"
	"github.com/oakum-dev/oakum/remediate/github/githubtest"
	"github.com/oakum-dev/oakum/remediate/repo"
	"github.com/oakum-dev/oakum/remediate/store"
)

const pod = `apiVersion: v1
kind: Pod
metadata:
  name: NAME
  namespace: shop
spec:
  containers:
  - name: proxy
    image: proxy:1 # kept
    securityContext:
      privileged: true
`

// privileged is a pod with a critical finding, hostile one with another.
func privileged(name string) string { return strings.ReplaceAll(pod, "NAME", name) }

// hostPID is a pod that shares the process namespace of its node.
func hostPID(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(pod, "    securityContext:\n      privileged: true\n", "  hostPID: true\n"), "NAME", name)
}

// clean is a pod without a finding.
func clean(name string) string {
	return strings.ReplaceAll(privileged(name), "privileged: true", "privileged: false")
}

const onboarded = "safety: review\npullRequests: {draft: [], limits: {open: 0, perHour: 0}}\n"

// world is a forge with a repository, and oakum as an App on it.
type world struct {
	*githubtest.Server
	t     testing.TB
	clock *githubtest.Clock
	store *store.Store
	bot   *bot.Bot
	hub   *github.Hub
	log   *safeBuffer
	dir   string

	policies []*policy.Policy
	maxBytes int64 // of a copy of a repository; 0: as it comes
	clusters []*bot.Cluster
}

// safeBuffer is what was logged.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type hosts struct{ *github.Hub }

func (h hosts) Host(ctx context.Context, r remediate.Repository) (bot.Host, error) {
	host, err := h.Hub.Host(ctx, r)
	if err != nil {
		return nil, err
	}
	return host, nil
}

var library = sync.OnceValues(func() ([]*policy.Policy, error) {
	c := &policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names(), Known: true}
	return c.LoadFS(policies.FS)
})

// newWorld has two policies, so that tests say what they mean by few files.
func newWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	t.Parallel()
	all, err := library()
	if err != nil {
		t.Fatal(err)
	}
	return makeWorld(t, slices.DeleteFunc(slices.Clone(all), func(p *policy.Policy) bool { return p.Name != "privileged-container" && p.Name != "host-pid" }), files)
}

func makeWorld(t testing.TB, policies []*policy.Policy, files map[string]string) *world {
	t.Helper()
	w := &world{t: t, clock: githubtest.NewClock(), log: &safeBuffer{}, dir: t.TempDir(), policies: policies}
	w.Server = githubtest.New(t, "", files)
	w.Time = w.clock.Now
	w.Permit("ada", "admin")
	var err error
	if w.store, err = store.Open(t.Context(), filepath.Join(w.dir, "oakum.db"), store.Options{Logger: slog.New(slog.NewTextHandler(w.log, nil))}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
		w.keptSecret()
	})
	w.restart()
	return w
}

// restart makes a bot that remembers nothing.
func (w *world) restart() {
	w.t.Helper()
	var err error
	w.hub, err = github.NewHub(github.Options{
		App: github.App{ID: githubtest.ClientID, Key: githubtest.Key()}, BaseURL: w.URL, Clock: w.clock, MaxWait: time.Hour,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.bot, err = bot.New(bot.Options{
		Hub: hosts{w.hub}, Store: w.store, Library: bot.Library{Policies: w.policies}, Dir: filepath.Join(w.dir, "copies"), MaxBytes: w.maxBytes, Clusters: w.clusters, Key: []byte(strings.Repeat("k", 32)),
		Access: repo.Access{Pause: w.clock.Sleep}, Log: slog.New(slog.NewTextHandler(w.log, nil)), Now: w.clock.Now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// keptSecret: no token is in anything that was logged.
func (w *world) keptSecret() {
	w.t.Helper()
	for _, token := range w.Issued() {
		if strings.Contains(w.log.String(), token) {
			w.t.Error("a token is in the log")
		}
	}
	if strayed := w.Strayed(); len(strayed) > 0 {
		w.t.Errorf("requests reached another host: %q", strayed)
	}
}

func (w *world) repository() store.Repository {
	return store.Repository{ID: w.ID, Installation: w.Installation().ID, Name: w.FullName()}
}

func (w *world) task(kind store.Kind, key string, ask store.Ask) store.Task {
	w.t.Helper()
	data, err := json.Marshal(ask)
	if err != nil {
		w.t.Fatal(err)
	}
	return store.Task{Repository: w.repository(), Kind: kind, Key: key, Data: data}
}

// try does a task and gives its error.
func (w *world) try(kind store.Kind, key string, ask store.Ask) error {
	w.t.Helper()
	return w.bot.Work(w.t.Context(), w.repository(), w.task(kind, key, ask))
}

func (w *world) do(kind store.Kind, key string, ask store.Ask) {
	w.t.Helper()
	if err := w.try(kind, key, ask); err != nil && !store.IsLater(err) {
		w.t.Fatalf("%s %s: %v\n%s", kind, key, err, w.log)
	}
}

// push commits and reconciles as after a push.
func (w *world) push(files map[string]string) {
	w.t.Helper()
	w.pass(time.Second)
	commit := w.Commit("main", "a push", files)
	w.do(store.Reconcile, "", store.Ask{Commit: commit})
}

func (w *world) reconcile() {
	w.t.Helper()
	w.do(store.Reconcile, "", store.Ask{})
}

func (w *world) open() []githubtest.Pull {
	return slices.DeleteFunc(w.Pulls(), func(p githubtest.Pull) bool { return p.State != "open" })
}

// one is the only open pull request.
func (w *world) one() githubtest.Pull {
	w.t.Helper()
	open := w.open()
	if len(open) != 1 {
		w.t.Fatalf("%d open pull requests, want 1: %+v\n%s", len(open), open, w.log)
	}
	return open[0]
}

// quiet does something and says that nothing was written.
func (w *world) quiet(do func()) {
	w.t.Helper()
	w.Requests()
	do()
	for _, r := range w.Requests() {
		if r.Write() && !strings.HasSuffix(r.Path, "/access_tokens") {
			w.t.Errorf("sent %s %s", r.Method, r.Path)
		}
	}
}

// dashboard is the text of the dashboard issue.
func (w *world) dashboard() (number int, body string) {
	w.t.Helper()
	for _, i := range w.Issues() {
		if i.Title == "oakum dashboard" {
			if number != 0 {
				w.t.Error("there are two dashboards")
			}
			number, body = i.Number, i.Body
		}
	}
	return number, body
}

// command comments and has the comment answered.
func (w *world) command(login string, number int, text string) (answer string) {
	w.t.Helper()
	id := w.Comment(login, number, text)
	w.answer(id, number, text)
	all := w.Comments(number)
	if last := all[len(all)-1]; last.Author == githubtest.AppLogin {
		return last.Body
	}
	return ""
}

func (w *world) answer(id int64, number int, text string) {
	w.t.Helper()
	w.do(store.Command, strconv.FormatInt(id, 10), store.Ask{Comment: id, Number: number, Lines: []string{text}})
}
