package apiserver

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func workload(name string, privileged bool) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "shop/web:1", SecurityContext: &corev1.SecurityContext{Privileged: &privileged}}}},
			},
		},
	}
}

// changeAll makes a bit of everything happen that a watch may miss: objects come,
// change and go. round tells one time from another.
func changeAll(ctx context.Context, t *testing.T, config *rest.Config, round int) {
	t.Helper()
	c := kubernetes.NewForConfigOrDie(config)
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.AppsV1().Deployments("shop").Create(ctx, workload(fmt.Sprint("new-", round), true), metav1.CreateOptions{})
	try(err)
	changed := workload("changing", round%2 == 0)
	changed.Annotations = map[string]string{"round": fmt.Sprint(round)}
	if _, err = c.AppsV1().Deployments("shop").Update(ctx, changed, metav1.UpdateOptions{}); apierrors.IsNotFound(err) {
		_, err = c.AppsV1().Deployments("shop").Create(ctx, changed, metav1.CreateOptions{})
	}
	try(err)
	if round > 0 {
		if err := c.AppsV1().Deployments("shop").Delete(ctx, fmt.Sprint("new-", round-1), metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
			try(err)
		}
	}
	_, err = c.NetworkingV1().NetworkPolicies("shop").Create(ctx, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("deny-", round)}}, metav1.CreateOptions{})
	try(err)
	_, err = c.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("space-", round)}}, metav1.CreateOptions{})
	try(err)
}

// TestWatch: a finding appears and disappears with the object. What takes how
// long is told, since no machine is like another.
func TestWatch(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	w := watch(ctx, t, server.Config)
	deployments := kubernetes.NewForConfigOrDie(server.Config).AppsV1().Deployments("shop")
	const finding = "privileged-container Deployment shop/probe"
	var appeared, went []time.Duration
	for range 10 {
		if _, err := deployments.Create(ctx, workload("probe", true), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		appeared = append(appeared, w.appears(ctx, t, finding).Sub(began).Round(time.Millisecond))
		if err := deployments.Delete(ctx, "probe", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		went = append(went, w.goes(ctx, t, finding).Sub(began).Round(time.Millisecond))
	}
	t.Logf("after the API server has the object, the finding appears within %v", appeared)
	t.Logf("after the API server has dropped the object, it is gone within %v", went)
	w.right(ctx, t, server.Config)
}

// TestWatchReader: with the shipped role no request of a watch is refused, none
// writes, and none touches a Secret: by the API server's own audit log.
func TestWatchReader(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	extensions(ctx, t, server.Config)
	prepare(ctx, t, server.Config)
	began := time.Now()
	config := account(ctx, t, server.Config)
	w := watch(ctx, t, config)
	changeAll(ctx, t, server.Config, 0)
	w.appears(ctx, t, "privileged-container Deployment shop/new-0")
	w.right(ctx, t, config)
	w.watcher.Close() // what is being answered is in no log
	verbs := map[string]int{}
	for _, e := range audited(ctx, t, server, "system:serviceaccount:oakum:oakum") {
		if e.RequestReceivedTimestamp.Time.Before(began) {
			continue
		}
		verbs[e.Verb]++
		if e.ResponseStatus.Code >= 400 {
			t.Errorf("%s %s was answered with %d", e.Verb, e.RequestURI, e.ResponseStatus.Code)
		}
		asksOwnRights := e.Verb == "create" && e.ObjectRef.Resource == "selfsubjectrulesreviews"
		if e.Verb != "get" && e.Verb != "list" && e.Verb != "watch" && !asksOwnRights {
			t.Errorf("%s %s is more than to look", e.Verb, e.RequestURI)
		}
		if e.ObjectRef != nil && e.ObjectRef.Resource == "secrets" {
			t.Errorf("%s %s asks for Secrets", e.Verb, e.RequestURI)
		}
	}
	if verbs["watch"] < 50 {
		t.Errorf("the audit log has %v: it proves nothing", verbs)
	}
	t.Logf("requests: %v", verbs)
}

// TestWatchSecrets: of Secrets no watch asks for more than what they are called.
func TestWatchSecrets(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	config, broken := through(server.Config)
	var mu sync.Mutex
	var heard strings.Builder
	broken.set(nil, func(r *http.Request, body io.Reader) io.Reader {
		if !strings.HasSuffix(r.URL.Path, "/secrets") {
			return body
		}
		return io.TeeReader(body, writer(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return heard.Write(p)
		}))
	})
	w := watch(ctx, t, config)
	secrets := kubernetes.NewForConfigOrDie(server.Config).CoreV1().Secrets("shop")
	if _, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "later"}, StringData: map[string]string{"word": "swordfish"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, "the Secret", func() bool {
		_, ok := versions(w.watcher.Inventory())["v1 Secret shop/later"]
		return ok
	})
	mu.Lock()
	defer mu.Unlock()
	if s := heard.String(); !strings.Contains(s, "later") || strings.Contains(s, "swordfish") || strings.Contains(s, base64.StdEncoding.EncodeToString([]byte("swordfish"))) {
		t.Errorf("the API server was asked for what Secrets hold:\n%q", s)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// TestWatchRestart: the API server is killed in the middle of a list and of a
// watch, and comes again; what happened meanwhile is known, and that nothing
// was known while it was away.
func TestWatchRestart(t *testing.T) {
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
	server := StartProcess(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	reading, _ := server.reading(ctx, t)
	config, broken := through(reading)
	w := watch(ctx, t, config)
	for round := range 2 {
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
	server := Start(t)
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
			return io.MultiReader(io.LimitReader(body, 3000), cutOff{})
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
			until(ctx, t, "another try", func() bool { return broken.count("/apis/apps/v1/deployments") > before+1 })
			if test.stale != "" {
				until(ctx, t, "word of what is stale", func() bool { return w.saysStale("apps/Deployment", test.stale) })
			}
			broken.set(nil, nil)
			broken.cut()
			w.appears(ctx, t, fmt.Sprint("privileged-container Deployment shop/new-", round))
			w.right(ctx, t, server.Config)
		})
	}
}

type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestWatchToken: a token that is not valid any more is read anew, as pods get
// it.
func TestWatchToken(t *testing.T) {
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

// TestWatchKinds: kinds of extensions come and go while the cluster is watched.
func TestWatchKinds(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	w := watch(ctx, t, server.Config)
	const name = "helmreleases.helm.toolkit.fluxcd.io"
	resource := schema.GroupVersionResource{Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"}
	client := dynamic.NewForConfigOrDie(server.Config)
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	for range 2 {
		definition := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": name},
			"spec": map[string]any{
				"group": resource.Group, "scope": "Namespaced", "names": map[string]any{"kind": "HelmRelease", "plural": resource.Resource},
				"versions": []any{map[string]any{"name": "v2", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}},
			},
		}}
		if _, err := definitions.Create(ctx, definition, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		release := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": map[string]any{"name": "one"}}}
		err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, within, true, func(ctx context.Context) (bool, error) {
			_, err := client.Resource(resource).Namespace("shop").Create(ctx, release, metav1.CreateOptions{})
			if apierrors.IsNotFound(err) {
				return false, nil // it is not served yet
			}
			return err == nil, err
		})
		if err != nil {
			t.Fatal(err)
		}
		const object = "helm.toolkit.fluxcd.io/v2 HelmRelease shop/one"
		there := func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			_, ok := versions(w.view.Inventory())[object]
			return ok
		}
		until(ctx, t, object, there)
		w.right(ctx, t, server.Config)
		if err := definitions.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		until(ctx, t, "the end of "+object, func() bool { return !there() })
		until(ctx, t, "the end of the definition", func() bool {
			_, err := definitions.Get(ctx, name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
		w.right(ctx, t, server.Config)
	}
}

// TestWatchTwo: one cluster does not mind what becomes of another.
func TestWatchTwo(t *testing.T) {
	ctx := t.Context()
	one, other := StartProcess(t), StartProcess(t)
	prepare(ctx, t, one.Config)
	prepare(ctx, t, other.Config)
	readingOne, _ := one.reading(ctx, t)
	readingOther, _ := other.reading(ctx, t)
	first, second := watch(ctx, t, readingOne), watch(ctx, t, readingOther)
	one.Kill(t)
	changeAll(ctx, t, other.Config, 0)
	second.appears(ctx, t, "privileged-container Deployment shop/new-0")
	until(ctx, t, "word of what is stale", func() bool { return len(first.watcher.Stale()) > 20 })
	if stale := second.watcher.Stale(); len(stale) > 0 {
		t.Errorf("stale where nothing is wrong: %v", stale)
	}
	one.Start(t)
	changeAll(ctx, t, one.Config, 1000)
	first.appears(ctx, t, "privileged-container Deployment shop/new-1000")
	first.right(ctx, t, readingOne)
	second.right(ctx, t, readingOther)
}

// TestWatchEnds: nothing runs on when a watch is closed, whatever it waits for.
func TestWatchEnds(t *testing.T) {
	server := Start(t)
	ctx := t.Context()
	prepare(ctx, t, server.Config)
	for name, fault := range map[string]func(*http.Request) (*http.Response, error){
		"nothing": nil, "no server": unreachable,
		"no answer": func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			config, broken := through(server.Config)
			w := watch(ctx, t, config)
			broken.set(fault, nil)
			broken.cut()
			if fault != nil {
				until(ctx, t, "word of what is stale", func() bool { return len(w.watcher.Stale()) > 20 })
			}
			cancel()
			done := make(chan struct{})
			go func() { w.watcher.Close(); close(done) }()
			select {
			case <-done:
			case <-time.After(within):
				t.Error("it still runs")
			}
		})
	}
}
