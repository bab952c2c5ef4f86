package github_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	api "github.com/google/go-github/v60/github"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github/githubtest"
)

// receiver is who GitHub's webhooks go to.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	status int
	got    []event
}

type event struct {
	name, guid, signature string
	body                  []byte
	Action                string
	Ref                   string
	Sender                struct{ Login, Type string }
	Installation          struct{ ID int64 }
	Repository            struct {
		ID       int64
		FullName string `json:"full_name"`
	}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: http.StatusAccepted}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		e := event{name: req.Header.Get("X-GitHub-Event"), guid: req.Header.Get("X-GitHub-Delivery"), signature: req.Header.Get("X-Hub-Signature-256"), body: body}
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if err == nil {
			_, err = api.ParseWebHook(e.name, body)
		}
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, e)
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// take is what has arrived since the last call.
func (r *receiver) take() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// events are the sorted names of what has arrived since the last call.
func (r *receiver) events() []string {
	return names(r.take())
}

func names(events []event) []string {
	var names []string
	for _, e := range events {
		name := e.name
		if e.Action != "" {
			name += "." + e.Action
		}
		names = append(names, name+" "+e.Sender.Login)
	}
	slices.Sort(names)
	return names
}

// TestEvents: every change is told, by people and by oakum, with payloads that
// GitHub's schemas allow, which the stand-in checks itself.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	receiver := newReceiver(t)
	const secret = "a secret of thirty-two characters"
	w.Webhook(receiver.URL, secret)
	r := w.shop()
	ctx := t.Context()
	want := func(names ...string) {
		t.Helper()
		w.Settle()
		slices.Sort(names)
		if got := receiver.events(); !slices.Equal(got, names) {
			t.Errorf("events %q, want %q", got, names)
		}
	}
	w.Commit("main", "push", map[string]string{"a.yaml": "a\n"})
	w.Settle()
	arrived := receiver.take()
	first := arrived[0]
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(first.body)
	if first.signature != "sha256="+hex.EncodeToString(mac.Sum(nil)) || first.Ref != "refs/heads/main" || first.Installation.ID != 101 ||
		first.Repository.ID != w.ID || first.Repository.FullName != "acme/shop" || first.Sender.Type != "User" {
		t.Errorf("push %+v", first)
	}
	if len(arrived) != 1 {
		t.Errorf("events %q", names(arrived))
	}

	w.branchOf("a")
	want("push ada")
	n := w.OpenPull("ada", "a", "main", "a", "")
	want("pull_request.opened ada")
	w.Commit("a", "more", map[string]string{"b.yaml": "b\n"})
	want("push ada", "pull_request.synchronize ada")
	w.Edit(n, func(p *githubtest.Pull) { p.Title = "b" })
	want("pull_request.edited ada")
	w.OpenFork("mallory", "x", "main", "fork", map[string]string{"x": "y\n"})
	want("pull_request.opened mallory")
	id := w.Comment("ada", n, "/oakum help")
	want("issue_comment.created ada")
	w.EditComment("mallory", id, "/oakum fix")
	want("issue_comment.edited mallory")
	w.Comment("other[bot]", n, "x")
	want("issue_comment.created other[bot]")
	i := w.OpenIssue("ada", "x", "- [ ] tick")
	want("issues.opened ada")
	w.EditIssue("ada", i, func(i *githubtest.Issue) { i.Body = "- [x] tick" })
	want("issues.edited ada")
	w.EditIssue("ada", i, func(i *githubtest.Issue) { i.State = "closed" })
	want("issues.closed ada")
	w.RequestChecks("ada", "a", "requested")
	w.RequestChecks("ada", "a", "rerequested")
	want("check_suite.requested ada", "check_suite.rerequested ada")

	check, err := r.CreateCheck(ctx, remediate.Check{Name: "oakum", Commit: w.Head("a"), Status: remediate.CheckInProgress})
	if err != nil {
		t.Fatal(err)
	}
	want("check_run.created oakum[bot]")
	check.Status, check.Conclusion = remediate.CheckCompleted, remediate.CheckNeutral
	if _, err := r.UpdateCheck(ctx, check); err != nil {
		t.Fatal(err)
	}
	want("check_run.completed oakum[bot]")
	w.Press("ada", check.ID, "fix")
	w.Rerun("ada", check.ID)
	want("check_run.requested_action ada", "check_run.rerequested ada")
	if _, err := r.CreateComment(ctx, n, "hello"); err != nil {
		t.Fatal(err)
	}
	want("issue_comment.created oakum[bot]")
	w.Queue(n)
	want("merge_group.checks_requested ada")
	w.Close(n)
	w.Reopen(n)
	want("pull_request.closed ada", "pull_request.reopened ada")
	w.Merge(n)
	want("push ada", "pull_request.closed ada")
	if err := r.DeleteBranch(ctx, "a", w.Head("a")); err != nil {
		t.Fatal(err)
	}
	want("push oakum[bot]")
	w.Rename("acme/store")
	w.Archive(true)
	w.Archive(false)
	want("repository.renamed ada", "repository.archived ada", "repository.unarchived ada")
	in := w.Installation()
	in.Suspend(true)
	in.Suspend(false)
	in.Select(w.Add("acme/new", map[string]string{"x": "y\n"}), false)
	want("installation.suspend ada", "installation.unsuspend ada", "installation_repositories.removed ada")
	in.Remove()
	want("installation.deleted ada")

	// Held back, repeated, replayed, in another order.
	more := w.Add("acme/more", map[string]string{"x": "y\n"})
	w.Hold()
	for range 3 {
		more.OpenIssue("ada", "x", "")
	}
	w.Release(func(all []githubtest.Delivery) []githubtest.Delivery {
		slices.Reverse(all)
		return append(all, all[0])
	})
	w.Settle()
	if n := len(receiver.events()); n != 4 {
		t.Errorf("%d events of 3, one of them twice", n)
	}
	all := w.Deliveries()
	last := all[len(all)-1]
	w.Redeliver(last.ID)
	w.Duplicate(last.ID)
	w.Replay(last.ID, "another")
	w.Settle()
	again := receiver.take()
	for _, e := range again {
		if (e.guid == last.GUID) == (e.guid == "another") || string(e.body) != string(last.Payload) {
			t.Errorf("again: %s", e.guid)
		}
	}
	if len(again) != 3 {
		t.Errorf("again: %q", names(again))
	}
}
