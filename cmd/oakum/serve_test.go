package main

import (
	"bufio"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate/github/githubtest"
)

const served = "safety: review\npullRequests: {draft: [], limits: {open: 0, perHour: 0}}\n"

// serving is the real program, in a process of its own, and a GitHub that tells
// it of what happens.
type serving struct {
	*githubtest.Server
	*replica
	t      *testing.T
	dir    string
	secret string
}

func newServing(t *testing.T, files map[string]string) *serving {
	t.Helper()
	t.Parallel()
	s := newGitHub(t, files)
	s.replica = s.another("--policy", "privileged-container")
	t.Cleanup(func() {
		s.stop()
		s.keptSecret(s.replica)
	})
	return s
}

// newGitHub is one whose replicas are yet to come.
func newGitHub(t *testing.T, files map[string]string) *serving {
	t.Helper()
	s := &serving{t: t, dir: t.TempDir(), secret: strings.Repeat("s3cret", 8), Server: githubtest.New(t, "", files)}
	s.Permit("ada", "admin")
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(githubtest.Key())})
	for name, text := range map[string]string{"app.pem": string(key), "secret.txt": s.secret + "\n"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// another is a replica more, with a directory and the arguments that it needs
// besides.
func (s *serving) another(args ...string) *replica {
	return &replica{dir: s.dir, args: append([]string{
		"oakum", "serve", "--github-url", s.URL, "--app", githubtest.ClientID, "--app-key", "app.pem", "--webhook-secret", "secret.txt",
		"--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
	}, args...)}
}

// start starts the program and has GitHub tell it of events.
func (s *serving) start() {
	s.t.Helper()
	if err := s.replica.start(); err != nil {
		s.t.Fatal(err)
	}
	s.Webhook("http://"+s.address+"/webhook", s.secret)
}

// stop has the program end as it should.
func (s *serving) stop() {
	s.t.Helper()
	if err := s.replica.stop(syscall.SIGTERM); err != nil {
		s.t.Errorf("ending: %v\n%s", err, s.output())
	}
}

// replica is one process of the program.
type replica struct {
	dir     string
	args    []string
	process *exec.Cmd
	address string // of the public side
	metrics string

	mu   sync.Mutex
	said strings.Builder
}

var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

// start returns when the program listens.
func (r *replica) start() error {
	r.process = &exec.Cmd{Path: os.Args[0], Args: r.args, Dir: r.dir, Env: append(os.Environ(), "GITHUB_TOKEN=")} // which is oakum when it is called so
	errs, err := r.process.StderrPipe()
	if err == nil {
		err = r.process.Start()
	}
	if err != nil {
		return err
	}
	addresses := make(chan string, 2)
	go func() {
		defer close(addresses)
		for lines := bufio.NewReader(errs); ; {
			line, err := lines.ReadString('\n')
			r.mu.Lock()
			r.said.WriteString(line)
			r.mu.Unlock()
			if m := listening.FindStringSubmatch(line); m != nil {
				addresses <- m[1]
			}
			if err != nil {
				return
			}
		}
	}()
	for _, at := range []*string{&r.address, &r.metrics} {
		var address string
		select {
		case address = <-addresses:
		case <-time.After(2 * time.Minute):
		}
		if address == "" {
			return fmt.Errorf("the program does not listen:\n%s", r.output())
		}
		r.mu.Lock()
		*at = address
		r.mu.Unlock()
	}
	return nil
}

// stop ends the program by a signal and waits until it is gone.
func (r *replica) stop(by syscall.Signal) error {
	if r.process == nil {
		return nil
	}
	err := r.process.Process.Signal(by)
	if ended := r.process.Wait(); by != syscall.SIGKILL {
		err = errors.Join(err, ended)
	}
	r.process = nil
	return err
}

func (r *replica) output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.String()
}

// url is where webhooks go.
func (r *replica) url() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return "http://" + r.address + "/webhook"
}

// keptSecret: nothing that was printed holds what is secret.
func (s *serving) keptSecret(r *replica) {
	s.t.Helper()
	out := r.output()
	for _, secret := range append(s.Issued(), s.secret, "PRIVATE KEY") {
		if strings.Contains(out, secret) {
			s.t.Errorf("the log has a secret")
		}
	}
	if strayed := s.Strayed(); len(strayed) > 0 {
		s.t.Errorf("requests reached another host: %q", strayed)
	}
}

// until waits for a condition.
func (s *serving) until(what string, true func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if true() {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s did not come about:\n%s", what, s.output())
		}
		<-time.After(20 * time.Millisecond)
	}
}

func (s *serving) open() []githubtest.Pull {
	return slices.DeleteFunc(s.Pulls(), func(p githubtest.Pull) bool { return p.State != "open" })
}

func (s *serving) get(address, path string) (int, string) {
	s.t.Helper()
	res, err := http.Get("http://" + address + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestServe is the bot's whole day: a push, a refusal, a person's pull request
// with its preview and its fix by a command, a tick, and an end.
func TestServe(t *testing.T) {
	s := newServing(t, map[string]string{".oakum.yaml": served, "README.md": "shop\n"})
	s.start()
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := s.get(s.address, path); code != http.StatusOK || strings.TrimSpace(body) != "ok" {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	if code, body := s.get(s.address, "/schema/config.json"); code != http.StatusOK || !strings.Contains(body, `"oakum configuration"`) {
		t.Errorf("schema: %d", code)
	}
	if code, _ := s.get(s.address, "/metrics"); code != http.StatusNotFound {
		t.Errorf("metrics are public: %d", code)
	}

	s.Commit("main", "push", map[string]string{"a/pod.yaml": privileged})
	s.until("a pull request for the push", func() bool { return len(s.open()) == 1 })
	fix := s.open()[0]
	s.Close(fix.Number)
	s.Commit("main", "push", map[string]string{"b/pod.yaml": strings.ReplaceAll(privileged, "name: web", "name: other")})
	s.until("a pull request for the second push", func() bool { return len(s.open()) == 1 && s.open()[0].Number != fix.Number })
	dashboard := func() (githubtest.Issue, bool) {
		all := s.Issues()
		return all[0], len(all) > 0 && strings.Contains(all[0].Body, "## Declined")
	}
	s.until("the refusal on the dashboard", func() bool { return len(s.Issues()) == 1 && strings.Contains(s.Issues()[0].Body, "## Declined") })

	s.Git("branch", "feature", "main")
	s.Commit("feature", "a change", map[string]string{"c/pod.yaml": strings.ReplaceAll(privileged, "name: web", "name: third")})
	number := s.OpenPull("ada", "feature", "main", "A change", "")
	head := s.Head("feature")
	s.until("a check", func() bool { return len(s.Checks(head)) == 1 && s.Checks(head)[0].Conclusion == "failure" })
	s.until("a comment", func() bool { return len(s.Comments(number)) == 1 })
	s.Comment("mallory", number, "/oakum fix")
	s.Comment("ada", number, "/oakum fix")
	s.until("the fix on the branch", func() bool {
		return s.Head("feature") != head && strings.Contains(s.Git("show", "feature:c/pod.yaml"), "privileged: false")
	})
	s.until("the check of the fix", func() bool {
		all := s.Checks(s.Head("feature"))
		return len(all) == 1 && all[0].Conclusion == "success"
	})

	issue, _ := dashboard()
	s.EditIssue("ada", issue.Number, func(i *githubtest.Issue) {
		at := strings.Index(i.Body, "- [ ] <!-- oakum:undo")
		i.Body = i.Body[:at] + "- [x]" + i.Body[at+5:]
	})
	s.until("the refusal to be taken back", func() bool {
		_, declined := dashboard()
		return !declined && slices.ContainsFunc(s.open(), func(p githubtest.Pull) bool { return p.Head == fix.Head })
	})
	if _, body := s.get(s.metrics, "/metrics"); !strings.Contains(body, `oakum_task_seconds_count{kind="reconcile",outcome="done"}`) ||
		!strings.Contains(body, `oakum_tasks{state="parked"} 0`) {
		t.Errorf("metrics:\n%s", body)
	}
	answers := 0
	s.until("one answer", func() bool {
		answers = 0
		for _, c := range s.Comments(number) {
			if strings.Contains(c.Body, "<!-- oakum:answer") {
				answers++
			}
		}
		return answers > 0
	})
	if answers != 1 {
		t.Errorf("%d answers, want 1", answers)
	}
}

// TestServeWithoutDatabase: while the database cannot be written to nothing is
// acknowledged, and what is delivered again afterwards is done.
func TestServeWithoutDatabase(t *testing.T) {
	s := newServing(t, map[string]string{".oakum.yaml": served})
	s.start()
	s.until("the first look", s.idle)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "oakum.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.until("the lock", func() bool {
		_, err := lock.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		return err == nil
	})
	commit := s.Commit("main", "push", map[string]string{"a/pod.yaml": privileged})
	var refused githubtest.Delivery
	s.until("an answer", func() bool {
		for _, d := range s.Deliveries() {
			if d.Event == "push" && strings.Contains(string(d.Payload), commit) {
				refused = d
			}
		}
		return refused.Done
	})
	if refused.Status != http.StatusServiceUnavailable {
		t.Errorf("a delivery that cannot be kept was answered with %d", refused.Status)
	}
	if code, _ := s.get(s.address, "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready without a database: %d", code)
	}
	if code, _ := s.get(s.address, "/healthz"); code != http.StatusOK {
		t.Errorf("not healthy: %d", code)
	}
	if _, err := lock.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	s.until("readiness", func() bool { code, _ := s.get(s.address, "/readyz"); return code == http.StatusOK })
	s.Redeliver(refused.ID) // as the sweeper asks GitHub to
	s.until("a pull request", func() bool { return len(s.open()) == 1 })
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	short := filepath.Join(dir, "short")
	if err := os.WriteFile(short, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{}, "nothing to look after"},
		{[]string{"--repository", "a/b"}, "there is no webhook secret"},
		{[]string{"--repository", "a/b", "--webhook-secret", short}, "has 7 bytes, and at least 32 are needed"},
		{[]string{"--repository", "a/b", "--exclude", "x"}, "--exclude is not for serve: every repository has a .oakum.yaml of its own"},
		{[]string{"--app", "1"}, "needs both its ID (--app) and its private key"},
		{[]string{"--repository", "a/b", "--listen", "nowhere"}, "want host:port"},
	} {
		var out, errs strings.Builder
		if code := run(t.Context(), append([]string{"serve"}, c.args...), nil, &out, &errs); code != exitFailure || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%q: code %d: %s", c.args, code, errs.String())
		}
	}
}
