package apiserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
)

// TestWatchRestart: the API server is killed in the middle of a list and of a
// watch, and comes again; what happened meanwhile is known, and that nothing
// was known while it was away.
func TestWatchRestart(t *testing.T) {
	t.Parallel()
	server := StartProcess(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	many(ctx, t, server.Config, 1200)
	reading, _ := server.reading(ctx, t)
	config, broken := through(reading)

	// In the middle of a list: of ConfigMaps, after some of them.
	killed := make(chan struct{})
	kill := sync.OnceFunc(func() { server.Kill(t); close(killed) })
	broken.set(nil, func(r *http.Request, body io.Reader) io.Reader {
		if r.URL.Path != "/api/v1/configmaps" {
			return body
		}
		return io.MultiReader(io.LimitReader(body, 50_000), reader(func([]byte) (int, error) {
			kill()
			return 0, io.ErrUnexpectedEOF
		}))
	})
	var running sync.WaitGroup
	running.Go(func() {
		<-killed
		broken.set(nil, nil)
		server.Start(t)
	})
	w := watch(ctx, t, config)
	running.Wait()
	w.right(ctx, t, reading)

	// In the middle of a watch, again and again.
	for round := range 3 {
		broken.set(unreachable, nil)
		changeAll(ctx, t, server.Config, round)
		server.Kill(t)
		until(ctx, t, "word of what is stale", func() bool { return len(w.watcher.Stale()) > 20 })
		for _, s := range w.watcher.Stale() {
			if s.Reason == "" || s.Since.IsZero() || time.Since(s.Since) > within {
				t.Errorf("stale: %+v", s)
			}
		}
		server.Start(t)
		broken.set(nil, nil)
		w.appears(ctx, t, fmt.Sprint("privileged-container Deployment shop/new-", round))
		w.right(ctx, t, reading)
	}
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

// TestWatchExpired: what happened while nobody watched is forgotten by etcd and
// by the API server; it is read anew.
func TestWatchExpired(t *testing.T) {
	t.Parallel()
	server := StartProcess(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	reading, _ := server.reading(ctx, t)
	config, broken := through(reading)
	w := watch(ctx, t, config)
	for round := 1; round < 4; round += 2 {
		// A watch that never told anything is not resumed, but read anew at once.
		changeAll(ctx, t, server.Config, round-1)
		w.appears(ctx, t, fmt.Sprint("privileged-container Deployment shop/new-", round-1))
		broken.set(unreachable, nil)
		broken.cut()
		changeAll(ctx, t, server.Config, round)
		compact(ctx, t, server.Etcd)
		server.Kill(t) // what the API server remembers goes with it
		server.Start(t)
		compact(ctx, t, server.Etcd)
		var expired sync.Once
		gone := make(chan struct{})
		broken.set(nil, func(r *http.Request, body io.Reader) io.Reader {
			return io.TeeReader(body, writer(func(p []byte) (int, error) {
				if strings.Contains(string(p), `"code":410`) || strings.Contains(string(p), "too old resource version") {
					expired.Do(func() { close(gone) })
				}
				return len(p), nil
			}))
		})
		w.appears(ctx, t, fmt.Sprint("privileged-container Deployment shop/new-", round))
		w.right(ctx, t, reading)
		select {
		case <-gone:
		default:
			t.Error("no resource version had expired: it proves nothing")
		}
	}
}

// compact makes etcd forget all but what there is now.
func compact(ctx context.Context, t *testing.T, etcd string) {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{etcd}, Context: ctx})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	now, err := c.Get(ctx, "/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Compact(ctx, now.Header.Revision); err != nil && !strings.Contains(err.Error(), "compacted") {
		t.Fatal(err)
	}
}

// TestWatchFaults: whatever stands between oakum and the API server, once it is
// over all is as if it had not been.
func TestWatchFaults(t *testing.T) {
	t.Parallel()
	server := StartProcess(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	config, broken := through(server.Config)
	w := watch(ctx, t, config)
	for round, test := range []struct {
		name  string
		fault func(*http.Request) (*http.Response, error)
		body  func(*http.Request, io.Reader) io.Reader
		stale string // part of what is said meanwhile
	}{
		{"unreachable", unreachable, nil, "connection refused"},
		{"too many requests", func(r *http.Request) (*http.Response, error) {
			return answer(r, apierrors.NewTooManyRequests("wait", 1)), nil
		}, nil, ""},
		{"internal errors", func(r *http.Request) (*http.Response, error) {
			return answer(r, apierrors.NewInternalError(io.ErrUnexpectedEOF)), nil
		}, nil, "Internal error"},
		{"a proxy without a server", func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusBadGateway, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>")), Request: r}, nil
		}, nil, ""},
		{"no answer", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, nil, "has not answered"},
		{"answers that are cut off", nil, func(_ *http.Request, body io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(body, 300), cutOff{}) // in the middle of an object
		}, ""},
		{"answers that are no JSON", nil, func(*http.Request, io.Reader) io.Reader { return strings.NewReader("{]") }, ""},
		{"watches that end at once", nil, func(r *http.Request, body io.Reader) io.Reader {
			if r.URL.Query().Get("watch") == "" {
				return body
			}
			return strings.NewReader("")
		}, "cut off"},
		{"everything expired", func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("watch") == "" {
				return nil, nil
			}
			return answer(r, apierrors.NewResourceExpired("too old resource version")), nil
		}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			broken.set(test.fault, test.body)
			broken.cut()
			changeAll(ctx, t, server.Config, round)
			before := broken.count("/apis/apps/v1/deployments")
			if test.stale != "" {
				until(ctx, t, "word of what is stale", func() bool { return w.saysStale("apps/Deployment", test.stale) })
			} else {
				until(ctx, t, "another try", func() bool { return broken.count("/apis/apps/v1/deployments") > before+1 })
			}
			broken.set(nil, nil)
			broken.cut()
			w.appears(ctx, t, fmt.Sprint("privileged-container Deployment shop/new-", round))
			w.right(ctx, t, server.Config)
		})
	}
}

// TestWatchBeginning: an API server that has not loaded its roles yet refuses
// everything, and says that oakum may do nothing. No finding goes because of it.
func TestWatchBeginning(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	config, broken := through(server.Config)
	w := watch(ctx, t, config)
	const rights = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
	before := broken.count(rights)
	broken.set(func(r *http.Request) (*http.Response, error) {
		depth := strings.Count(r.URL.Path, "/")
		switch {
		case r.URL.Path == rights:
			return &http.Response{
				StatusCode: http.StatusCreated, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
				Body: io.NopCloser(strings.NewReader(`{"kind":"SelfSubjectRulesReview","apiVersion":"authorization.k8s.io/v1","status":{"resourceRules":[],"nonResourceRules":[],"incomplete":false}}`)),
			}, nil
		case strings.HasPrefix(r.URL.Path, "/api/") && depth > 2, strings.HasPrefix(r.URL.Path, "/apis/") && depth > 3:
			return answer(r, apierrors.NewForbidden(schema.GroupResource{}, "", nil)), nil
		}
		return nil, nil // discovery
	}, nil)
	broken.cut()
	until(ctx, t, "word of what is refused", func() bool { return w.saysStale("apps/Deployment", "no right to") })
	until(ctx, t, "a second look at the rights", func() bool { return broken.count(rights) > before+1 })
	broken.set(nil, nil)
	w.right(ctx, t, server.Config)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.gone) > 0 {
		t.Errorf("%d findings went: %v", len(w.gone), w.gone)
	}
}

type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestWatchToken: a token that is not valid any more is read anew, as pods get
// it.
func TestWatchToken(t *testing.T) {
	t.Parallel()
	server := StartProcess(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	reading, renew := server.reading(ctx, t)
	config, broken := through(reading)
	w := watch(ctx, t, config)
	accounts := kubernetes.NewForConfigOrDie(server.Config).CoreV1().ServiceAccounts("oakum")
	if err := accounts.Delete(ctx, "oakum", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "oakum"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// The API server believes a token for a while that it has seen.
	until(ctx, t, "a refusal", func() bool {
		broken.cut()
		_, err := kubernetes.NewForConfigOrDie(reading).CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: 1})
		return apierrors.IsUnauthorized(err)
	})
	broken.cut()
	changeAll(ctx, t, server.Config, 0)
	until(ctx, t, "word of what is stale", func() bool { return w.saysStale("apps/Deployment", "Unauthorized") })
	renew()
	w.appears(ctx, t, "privileged-container Deployment shop/new-0")
	w.right(ctx, t, reading)
}
