package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
)

// within bounds everything that is waited for; nothing takes that long.
const within = 3 * time.Minute

// watching is a cluster that is watched as oakum does.
type watching struct {
	watcher *cluster.Watcher
	options detect.Options
	config  *rest.Config

	mu       sync.Mutex
	view     *cluster.View
	monitor  *detect.Monitor
	findings map[string]told // that are there, by fingerprint
	gone     map[string]time.Time
}

// told is what a finding says, and when it was told.
type told struct {
	said string
	at   time.Time
}

// watch begins to watch, with the whole library of policies.
func watch(ctx context.Context, t *testing.T, config *rest.Config) *watching {
	t.Helper()
	all, err := (&policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names(), Known: true}).LoadFS(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	w := &watching{options: detect.Options{Policies: all}, config: config, findings: map[string]told{}, gone: map[string]time.Time{}}
	w.watcher, err = cluster.Watch(ctx, config, w.reading())
	if err != nil {
		t.Fatal(err)
	}
	inventory := w.watcher.Inventory()
	w.options.Kubernetes = inventory.Minor()
	w.view = inventory.View()
	w.monitor = detect.NewMonitor(w.view.Set(), w.options)
	w.tell(detect.Delta{Appeared: w.monitor.Result().Findings})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			u, err := w.watcher.Next(ctx)
			if err != nil {
				return
			}
			w.mu.Lock()
			w.tell(w.monitor.Apply(w.view.Apply(u.Kubernetes, u.Changes)))
			w.mu.Unlock()
		}
	})
	t.Cleanup(func() { // the context of the test is over
		w.watcher.Close()
		running.Wait()
	})
	return w
}

func (w *watching) reading() cluster.Options {
	return cluster.Options{Cluster: "test", Wants: w.options.Wants, Now: time.Now}
}

func says(f *detect.Finding) string { return f.Policy.Name + " " + f.Resource.ID() + " " + f.Message }

func (w *watching) tell(d detect.Delta) {
	for _, f := range slices.Concat(d.Appeared, d.Changed) {
		w.findings[f.Fingerprint] = told{says(f), time.Now()}
	}
	for _, f := range d.Gone {
		delete(w.findings, f.Fingerprint)
		w.gone[says(f)] = time.Now()
	}
}

// until waits for a condition.
func until(ctx context.Context, t *testing.T, what string, holds func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, within, true, func(context.Context) (bool, error) { return holds(), nil })
	if err != nil {
		t.Fatalf("%s: not within %s", what, within)
	}
}

// appears waits until a finding is told, and says when it was.
func (w *watching) appears(ctx context.Context, t *testing.T, finding string) (at time.Time) {
	t.Helper()
	until(ctx, t, finding, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, told := range w.findings {
			if strings.HasPrefix(told.said, finding) {
				at = told.at
				return true
			}
		}
		return false
	})
	return at
}

// goes waits until a finding is not told any more.
func (w *watching) goes(ctx context.Context, t *testing.T, finding string) (at time.Time) {
	t.Helper()
	until(ctx, t, "the end of "+finding, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, told := range w.findings {
			if strings.HasPrefix(told.said, finding) {
				return false
			}
		}
		for said, when := range w.gone {
			if strings.HasPrefix(said, finding) && when.After(at) {
				at = when
			}
		}
		return !at.IsZero()
	})
	return at
}

// saysStale tells whether a kind is said to be stale, and why.
func (w *watching) saysStale(kind, reason string) bool {
	return slices.ContainsFunc(w.watcher.Stale(), func(s cluster.Stale) bool { return s.Kind == kind && strings.Contains(s.Reason, reason) })
}

// right waits until nothing is stale and everything is as somebody who looks
// now for the first time, with the same rights, sees it.
func (w *watching) right(ctx context.Context, t *testing.T, config *rest.Config) {
	t.Helper()
	var difference string
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, within, true, func(ctx context.Context) (bool, error) {
		if stale := w.watcher.Stale(); len(stale) > 0 {
			difference = fmt.Sprint("stale: ", stale)
			return false, nil
		}
		fresh, err := cluster.Read(ctx, config, w.reading())
		if err != nil {
			return false, err
		}
		set := fresh.Set() // it drops what is null
		w.mu.Lock()
		defer w.mu.Unlock()
		difference = cmp.Diff(versions(fresh), versions(w.view.Inventory()))
		if difference == "" {
			difference = cmp.Diff(versions(fresh), versions(w.watcher.Inventory()))
		}
		if difference != "" {
			return false, nil
		}
		difference = cmp.Diff(said(detect.Scan(set, w.options)), said(w.monitor.Result()))
		return difference == "", nil
	})
	if err != nil {
		t.Errorf("what is watched is not what there is: %v\n%s", err, difference)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	want, got := map[string]string{}, map[string]string{}
	for _, f := range w.monitor.Result().Findings {
		want[f.Fingerprint] = says(f)
	}
	for fingerprint, told := range w.findings {
		got[fingerprint] = told.said
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("what was told, one by one, is not what there is:\n%s", d)
	}
}

// versions are the objects of an inventory that can be watched, each in all that
// it holds.
func versions(i *cluster.Inventory) map[string]string {
	out := map[string]string{}
	for _, o := range i.Objects {
		if o["kind"] == "PodMetrics" {
			continue
		}
		meta, _ := o["metadata"].(map[string]any)
		content, _ := json.Marshal(o)
		out[fmt.Sprint(o["apiVersion"], " ", o["kind"], " ", meta["namespace"], "/", meta["name"])] = string(content)
	}
	return out
}

func said(r detect.Result) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprint(f.Fingerprint, " ", f.Severity, " ", says(f)))
	}
	for _, u := range r.NotEvaluated {
		out = append(out, u.Error())
	}
	slices.Sort(out)
	return out
}

// breaking stands between a client and its API server.
type breaking struct {
	next http.RoundTripper

	mu     sync.Mutex
	fault  func(*http.Request) (*http.Response, error) // in place of an answer; nil, nil: none
	body   func(*http.Request, io.Reader) io.Reader    // what becomes of an answer
	open   map[*breakable]bool
	counts map[string]int // of requests, by what they ask for
}

// through makes a client go through something that breaks.
func through(config *rest.Config) (*rest.Config, *breaking) {
	b := &breaking{open: map[*breakable]bool{}, counts: map[string]int{}}
	out := rest.CopyConfig(config)
	out.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) { return b.roundTrip(next, r) })
	})
	return out, b
}

func (b *breaking) roundTrip(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	fault, body := b.fault, b.body
	b.counts[r.URL.Path]++
	b.mu.Unlock()
	if fault != nil {
		if response, err := fault(r); response != nil || err != nil {
			return response, err
		}
	}
	response, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	s := &breakable{ReadCloser: response.Body, Reader: response.Body, b: b}
	if body != nil {
		s.Reader = body(r, response.Body)
	}
	b.mu.Lock()
	b.open[s] = true
	b.mu.Unlock()
	response.Body = s
	return response, nil
}

// set changes what breaks.
func (b *breaking) set(fault func(*http.Request) (*http.Response, error), body func(*http.Request, io.Reader) io.Reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault, b.body = fault, body
}

// cut breaks all connections off.
func (b *breaking) cut() {
	b.mu.Lock()
	open := slices.Collect(maps.Keys(b.open))
	b.mu.Unlock()
	for _, s := range open {
		s.cut.Store(true)
		s.Close()
	}
}

func (b *breaking) count(path string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[path]
}

func unreachable(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }

// breakable is an answer that may end at any time.
type breakable struct {
	io.ReadCloser
	io.Reader
	b   *breaking
	cut atomic.Bool
}

func (s *breakable) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && s.cut.Load() {
		err = io.ErrUnexpectedEOF // as where the other side is gone
	}
	return n, err
}

func (s *breakable) Close() error {
	s.b.mu.Lock()
	delete(s.b.open, s)
	s.b.mu.Unlock()
	return s.ReadCloser.Close()
}

// reading is how oakum's service account reaches a server that may be killed
// and started again: with a token in a file, as in a pod.
func (p *Process) reading(ctx context.Context, t *testing.T) (config *rest.Config, renew func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	renew = func() {
		t.Helper()
		// An account that was made a moment ago may not be known yet.
		err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, within, true, func(ctx context.Context) (bool, error) {
			token, err := kubernetes.NewForConfigOrDie(p.Config).CoreV1().ServiceAccounts("oakum").CreateToken(ctx, "oakum", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			return true, os.WriteFile(file, []byte(token.Status.Token), 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	renew()
	return &rest.Config{Host: p.Config.Host, BearerTokenFile: file, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAFile: p.Roots}}, renew
}
