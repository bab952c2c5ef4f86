package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/oakum-dev/oakum/remediate/store"
)

const (
	secret = "0123456789abcdef0123456789abcdef"
	before = "fedcba9876543210fedcba9876543210"
)

func sign(key string, body []byte) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

// inbox is the store, which may be down.
type inbox struct {
	Inbox
	mu   sync.Mutex
	down error
	got  []store.Task
}

func (i *inbox) Accept(ctx context.Context, d store.Delivery, tasks []store.Task) (bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down != nil {
		return false, i.down
	}
	i.got = tasks
	return i.Inbox.Accept(ctx, d, tasks)
}

// take is what the handler made of the last request.
func (i *inbox) take() []store.Task {
	i.mu.Lock()
	defer i.mu.Unlock()
	got := i.got
	i.got = nil
	return got
}

func newInbox(t testing.TB) *inbox {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "oakum.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &inbox{Inbox: s}
}

func serve(t testing.TB, box Inbox, c Config) string {
	t.Helper()
	if c.Secrets == nil {
		c.Secrets = []string{secret, before}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := New(box, c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func request(t testing.TB, url, event string, body []byte, change func(*http.Request)) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	r.Header.Set("X-Hub-Signature-256", sign(secret, body))
	if change != nil {
		change(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res
}

const push = `{"ref":"refs/heads/main","after":"6113728f27ae82c7b1a177c8d03f9e96e0adf246",` +
	`"repository":{"id":7,"full_name":"shop/web","default_branch":"main"},"installation":{"id":3},"sender":{"login":"ann"}}`

// TestStatus: what is refused, and how, and that nothing of it is kept.
func TestStatus(t *testing.T) {
	t.Parallel()
	mac1 := hmac.New(sha1.New, []byte(secret))
	mac1.Write([]byte(push))
	tests := []struct {
		name   string
		want   int
		body   string
		change func(*http.Request)
	}{
		{"signed", 202, push, nil},
		{"signed by the secret before", 202, push + " ", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign(before, []byte(push+" "))) }},
		{"content type with a charset", 202, push + "\n", func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }},
		{"chunked", 202, push + "\t", func(r *http.Request) { r.ContentLength = -1 }},
		{"both signatures", 202, push + "\t\t", func(r *http.Request) { r.Header.Set("X-Hub-Signature", "sha1=00") }},
		{"unsigned", 401, push, func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }},
		{"sha1 only", 401, push, func(r *http.Request) {
			r.Header.Del("X-Hub-Signature-256")
			r.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(mac1.Sum(nil)))
		}},
		{"sha1 where sha256 belongs", 401, push, func(r *http.Request) {
			r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac1.Sum(nil)))
		}},
		{"another secret", 401, push, func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign(secret+"x", []byte(push))) }},
		{"empty secret", 401, push, func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign("", []byte(push))) }},
		{"another body", 401, push + "  ", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign(secret, []byte(push))) }},
		{"signature cut off", 401, push, func(r *http.Request) {
			r.Header.Set("X-Hub-Signature-256", r.Header.Get("X-Hub-Signature-256")[:40])
		}},
		{"signature is no hex", 401, push, func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("z", 64)) }},
		{"GET", 405, "", func(r *http.Request) { r.Method = http.MethodGet }},
		{"PUT", 405, push, func(r *http.Request) { r.Method = http.MethodPut }},
		{"form", 415, "payload=" + push, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }},
		{"no content type", 415, push, func(r *http.Request) { r.Header.Del("Content-Type") }},
		{"packed", 415, push, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }},
		{"too large", 413, strings.Repeat(" ", MaxBody+1), nil},
		{"too large and chunked", 413, strings.Repeat(" ", MaxBody+1), func(r *http.Request) { r.ContentLength = -1 }},
		{"as large as may be", 400, strings.Repeat(" ", MaxBody), nil},
		{"no event", 400, push, func(r *http.Request) { r.Header.Del("X-GitHub-Event") }},
		{"no JSON", 400, push[1:], nil},
		{"empty", 400, "", nil},
		{"another type of value", 400, `{"ref":{}}`, nil},
		{"nested without end", 400, strings.Repeat(`[`, 100_000), nil},
		{"an event without rules", 204, `{"zen":"…"}`, func(r *http.Request) { r.Header.Set("X-GitHub-Event", "ping") }},
		{"an unknown event that is odd", 204, `[`, func(r *http.Request) { r.Header.Set("X-GitHub-Event", strings.Repeat("x", 5000)) }},
		{"another branch", 204, strings.Replace(push, "heads/main", "heads/next", 1), nil},
	}
	box := newInbox(t)
	url := serve(t, box, Config{})
	for _, c := range tests {
		res := request(t, url, "push", []byte(c.body), c.change)
		if res.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", c.name, res.Status, c.want)
		}
		if kept := box.take(); (kept != nil) != (c.want == 202) {
			t.Errorf("%s: kept %v", c.name, kept)
		}
	}
}

// TestReplay: the same event and body again is told as received and kept once,
// whatever the headers say that are not signed.
func TestReplay(t *testing.T) {
	t.Parallel()
	box := newInbox(t)
	url := serve(t, box, Config{})
	for i := range 3 {
		res := request(t, url, "push", []byte(push), func(r *http.Request) { r.Header.Set("X-GitHub-Delivery", fmt.Sprint(i)) })
		if res.StatusCode != 202 {
			t.Errorf("time %d: %s", i, res.Status)
		}
	}
	list, err := box.Inbox.(*store.Store).Waiting(t.Context(), 0)
	if err != nil || len(list) != 1 || !strings.Contains(string(list[0].Data), `"delivery":"0"`) {
		t.Errorf("kept %+v, %v", list, err)
	}
}

// TestStoreDown: what cannot be kept is asked for again, and taken then.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	box := newInbox(t)
	url := serve(t, box, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	box.down = errors.New("disk full")
	res := request(t, url, "push", []byte(push), nil)
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
	}
	if !strings.Contains(log.String(), "disk full") || strings.Contains(log.String(), "6113728f") {
		t.Errorf("log: %s", &log)
	}
	box.down = nil
	if res := request(t, url, "push", []byte(push), nil); res.StatusCode != 202 {
		t.Error(res.Status)
	}
	if len(box.take()) != 1 {
		t.Error("not kept")
	}
}

// TestSecrets: without a good secret there is no handler.
func TestSecrets(t *testing.T) {
	t.Parallel()
	for want, secrets := range map[string][]string{
		"there is no secret": nil,
		"secret 1 has 0":     {""},
		"secret 2 has 31":    {secret, secret[:31]},
	} {
		if _, err := New(nil, Config{Secrets: secrets}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret[:31]) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := New(nil, Config{Secrets: []string{secret}}); err != nil {
		t.Error(err)
	}
}

// FuzzPayload: whatever is signed gives tasks that the store takes, or a
// refusal, and no panic.
func FuzzPayload(f *testing.F) {
	f.Add("push", []byte(push))
	for event, actions := range rules {
		for action := range actions {
			f.Add(event, fmt.Appendf(nil, `{"action":%q,"number":1,"repository":{"id":7,"full_name":"a/b","default_branch":"main"},"installation":{"id":3},`+
				`"pull_request":{"number":1,"head":{"ref":"oakum/x","sha":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","repo":{"id":7}}},"changes":{"base":{},"default_branch":{}},`+
				`"check_run":{"id":9,"head_sha":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","app":{"id":5},"pull_requests":[{"number":4,"base":{"repo":{"id":7}}}]},`+
				`"issue":{"number":2,"body":"<!-- oakum:v1 -->"},"comment":{"id":8,"body":"/oakum fix\n/oakum help"},"merge_group":{"head_sha":"6113728f27ae82c7b1a177c8d03f9e96e0adf246"},`+
				`"requested_action":{"identifier":"fix"},"repositories_added":[{"id":1}],"repositories_removed":[{"id":2}]}`, action))
		}
	}
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		c := Config{AppID: 5, Login: "oakum[bot]", Branches: "oakum/"}
		tasks, err := c.tasks(&store.Delivery{Event: event, ID: "1"}, body)
		if err != nil && tasks != nil {
			t.Errorf("tasks beside %v", err)
		}
		for _, task := range tasks {
			if err := task.Check(); err != nil {
				t.Error(err)
			}
			var ask store.Ask
			if err := jsonStrict(task.Data, &ask); err != nil {
				t.Errorf("%s: %v", task.Data, err)
			}
		}
	})
}
