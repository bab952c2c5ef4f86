package webhook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/remediate/store"
	"github.com/oakum-dev/oakum/remediate/store/storetest"
)

// TestMain lets the test binary be a process of the service, which the load
// test kills.
func TestMain(m *testing.M) {
	if os.Getenv("OAKUM_LOAD_STORE") != "" {
		if err := replica(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// load is how hard a service is tried.
type load struct {
	deliveries, rate, repositories int
	replicas                       int
	kill                           time.Duration // between two kills; 0: none
}

// TestLoad sends deliveries, many of them twice, late and out of order, to real
// processes that are killed all the while. Then the world must be as it is when
// nobody disturbs: nothing lost, nothing done twice, no two at once.
func TestLoad(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		l := load{deliveries: 2000, rate: 500, repositories: 60, replicas: 1, kill: 2 * time.Second}
		if os.Getenv("OAKUM_LONG") != "" {
			l.deliveries, l.repositories, l.kill = 20_000, 300, 3*time.Second
		}
		if strings.HasPrefix(address, "postgres") {
			l.replicas = 3
		}
		undisturbed := l
		undisturbed.kill = 0
		other := map[bool]func(testing.TB) string{true: storetest.Postgres, false: storetest.SQLite}[l.replicas > 1](t)
		want := undisturbed.run(t, other)
		got := l.run(t, address)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the world after kills (+) and without (-):\n%s", d)
		}
	})
}

// run plays all events against a service and gives the end of the world.
func (l load) run(t *testing.T, address string) map[string]int {
	w := &world{state: map[string]int{}, done: map[string]int{}, busy: map[string]string{}, killed: map[string]bool{}}
	hub := httptest.NewServer(w)
	defer hub.Close()
	// The same file for all processes of a test: its tables are there when they begin.
	s, err := store.Open(t.Context(), address, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var replicas []*process
	for range l.replicas {
		p := &process{world: w, store: address, hub: hub.URL}
		p.listen(t)
		p.start(t)
		defer p.end()
		replicas = append(replicas, p)
	}

	kills := 0
	stop, killed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(killed)
		for l.kill > 0 {
			select {
			case <-stop:
				return
			case <-time.After(l.kill/2 + rand.N(l.kill)):
				p := replicas[rand.N(len(replicas))]
				p.kill()
				p.start(t)
				kills++
			}
		}
	}()
	begin := time.Now()
	repeats := l.deliver(w, replicas)
	delivered := time.Since(begin)
	close(stop)
	<-killed

	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		list, err := s.Waiting(t.Context(), 0)
		if err == nil && len(list) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still to do after five minutes: %d tasks, such as %+v; %v", len(list), list[:min(len(list), 3)], err)
		}
	}
	t.Logf("%d deliveries in %.1f s (%.0f/s), %d asked for again, %d kills; %d tasks begun; all done %.1f s later",
		l.deliveries, delivered.Seconds(), float64(l.deliveries)/delivered.Seconds(), repeats, kills, w.begun.Load(), time.Since(begin).Seconds()-delivered.Seconds())
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, wrong := range w.wrong {
		t.Error(wrong)
	}
	if d := cmp.Diff(w.state, w.done); d != "" {
		t.Errorf("asked for (-) and done (+):\n%s", d)
	}
	return maps.Clone(w.done)
}

// deliver sends all events, each until it is acknowledged, as GitHub and the
// sweeper do together; it says how often that took another attempt.
func (l load) deliver(w *world, replicas []*process) int {
	random := rand.New(rand.NewPCG(1, 2))
	events := make([]func() (string, string), l.deliveries)
	for i := range events {
		id := random.IntN(l.repositories) + 1
		var key, event, body string
		switch n := random.IntN(10); {
		case n < 4: // every one of them must be answered
			key, event = fmt.Sprintf("command %d %d", id, i+1), "issue_comment"
			body = fmt.Sprintf(`"action":"created","issue":{"number":1},"comment":{"id":%d,"body":"/oakum fix"}`, i+1)
		case n < 6:
			number := random.IntN(5) + 1
			key, event = fmt.Sprintf("preview %d %d", id, number), "pull_request"
			body = fmt.Sprintf(`"action":"synchronize","pull_request":{"number":%d},"n":%d`, number, i)
		default:
			key, event = fmt.Sprintf("reconcile %d ", id), "push"
			body = fmt.Sprintf(`"ref":"refs/heads/main","n":%d`, i)
		}
		body = fmt.Sprintf(`{"repository":{"id":%d,"full_name":"shop/r%d","default_branch":"main"},"installation":{"id":3},"sender":{"type":"User"},%s}`, id, id, body)
		// The world changes first, and is told of then.
		events[i] = func() (string, string) { w.change(key); return event, body }
	}
	for i := 0; i+50 <= len(events); i += 50 { // disorder
		random.Shuffle(50, func(a, b int) { events[i+a], events[i+b] = events[i+b], events[i+a] })
	}

	var again atomic.Int64
	var wg sync.WaitGroup
	post := func(event, body string) {
		for attempt := 0; ; attempt++ {
			if replicas[rand.N(len(replicas))].post(event, body) {
				return
			}
			again.Add(1)
			time.Sleep(50 * time.Millisecond)
		}
	}
	tick := time.NewTicker(time.Second / time.Duration(l.rate))
	defer tick.Stop()
	limit := make(chan struct{}, 64)
	for i := range events {
		<-tick.C
		limit <- struct{}{}
		event, body := events[i]()
		wg.Go(func() {
			defer func() { <-limit }()
			if i%10 == 0 { // delivered twice at once
				wg.Go(func() { post(event, body) })
			}
			post(event, body)
			if i%20 == 0 { // and repeated when it was long done
				wg.Go(func() { time.Sleep(time.Second); post(event, body) })
			}
		})
	}
	wg.Wait()
	return int(again.Load())
}

// world is what the service acts on: how often each thing was changed by people,
// and at which change the service last acted on it.
type world struct {
	mu          sync.Mutex
	state, done map[string]int
	busy        map[string]string // repository -> process that is at it
	killed      map[string]bool   // processes
	wrong       []string
	begun       atomic.Int64
}

func (w *world) change(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state[key]++
}

// ServeHTTP is asked by tasks: begin says the present state of a thing and
// whether there is something to do, act does it, end says that the task is over.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	repository, key, process := q.Get("repository"), q.Get("key"), q.Get("process")
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.killed[process] {
		return // it was on its way when the process was killed: as if it had been lost
	}
	switch r.URL.Path {
	case "/begin":
		w.begun.Add(1)
		if other := w.busy[repository]; other != "" {
			w.wrong = append(w.wrong, fmt.Sprintf("repository %s: %s begins %s while %s is at it", repository, process, key, other))
		}
		w.busy[repository] = process
		_, _ = fmt.Fprint(rw, w.state[key], w.done[key])
	case "/act":
		var state int
		_, _ = fmt.Sscan(q.Get("state"), &state)
		if w.busy[repository] != process {
			w.wrong = append(w.wrong, fmt.Sprintf("repository %s: %s acts on %s without a claim", repository, process, key))
		}
		if state <= w.done[key] {
			w.wrong = append(w.wrong, fmt.Sprintf("%s was done twice at %d", key, state))
		}
		w.done[key] = state
	case "/end":
		if w.busy[repository] == process {
			delete(w.busy, repository)
		}
	}
}

// dead has the world forget what a process was at.
func (w *world) dead(process string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.killed[process] = true
	maps.DeleteFunc(w.busy, func(_, p string) bool { return p == process })
}

// process is one replica. Its socket stays open when it is killed, as a load
// balancer's does.
type process struct {
	world      *world
	store, hub string
	socket     *os.File
	url        string
	mu         sync.Mutex
	cmd        *exec.Cmd
	name       string
	client     http.Client
}

func (p *process) listen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.url = "http://" + l.Addr().String()
	if p.socket, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	p.client = http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(func() { p.client.CloseIdleConnections(); _ = p.socket.Close() })
}

func (p *process) start(t *testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name = fmt.Sprintf("p%d", rand.Uint32())
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "OAKUM_LOAD_STORE="+p.store, "OAKUM_LOAD_HUB="+p.hub, "OAKUM_LOAD_NAME="+p.name)
	p.cmd.ExtraFiles = []*os.File{p.socket}
	p.cmd.Stderr = os.Stderr
	if _, err := p.cmd.StdinPipe(); err != nil { // its end tells that the test has died
		t.Error(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Error(err)
	}
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.world.dead(p.name)
}

func (p *process) end() { p.kill() }

// post delivers one event and says whether it was acknowledged.
func (p *process) post(event, body string) bool {
	r, err := http.NewRequest(http.MethodPost, p.url, strings.NewReader(body))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-Hub-Signature-256", sign(secret, []byte(body)))
	res, err := p.client.Do(r)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusAccepted
}

// replica is the process: a handler on the socket that it was given, and workers.
func replica() error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	ctx := context.Background()
	s, err := store.Open(ctx, os.Getenv("OAKUM_LOAD_STORE"), store.Options{
		Workers: 8, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	h, err := New(s, Config{Secrets: []string{secret}})
	if err != nil {
		return err
	}
	socket, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	server := http.Server{Handler: h, ReadTimeout: 10 * time.Second}
	go func() { fmt.Fprintln(os.Stderr, server.Serve(socket)) }()
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	ask := func(ctx context.Context, path string, r store.Repository, key string, state int) (now, done int, err error) {
		url := fmt.Sprintf("%s/%s?repository=%d&process=%s&state=%d&key=%s", os.Getenv("OAKUM_LOAD_HUB"), path,
			r.ID, os.Getenv("OAKUM_LOAD_NAME"), state, strings.ReplaceAll(key, " ", "+"))
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return 0, 0, err
		}
		res, err := client.Do(req)
		if err != nil {
			return 0, 0, err
		}
		defer func() { _ = res.Body.Close() }()
		_, _ = fmt.Fscan(res.Body, &now, &done)
		return now, done, nil
	}
	return s.Work(ctx, func(ctx context.Context, r store.Repository, t store.Task) error {
		key := fmt.Sprintf("%s %d %s", t.Kind, r.ID, t.Key)
		defer func() { _, _, _ = ask(context.WithoutCancel(ctx), "end", r, key, 0) }()
		now, done, err := ask(ctx, "begin", r, key, 0)
		if err != nil || now == done {
			return err
		}
		pause := rand.N(4 * time.Millisecond)
		if rand.N(100) == 0 {
			pause = rand.N(time.Second) // long enough to be killed in the middle
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		_, _, err = ask(ctx, "act", r, key, now)
		return err
	})
}
