package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate/store/storetest"
)

func open(t testing.TB, address string, o Options) *Store {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := Open(t.Context(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func repository(id int64) Repository {
	return Repository{ID: id, Installation: 7, Name: fmt.Sprintf("shop/r%d", id)}
}

func task(id int64, kind Kind, key, data string) Task {
	return Task{Repository: repository(id), Kind: kind, Key: key, Data: []byte(data)}
}

func delivery(body string) Delivery {
	return Delivery{ID: "guid-" + body, Digest: sha256.Sum256([]byte(body)), Event: "push", Received: time.Now()}
}

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

// working runs Work; the returned function ends it and waits.
func working(t testing.TB, s *Store, h Handler) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Work(ctx, h); err != nil {
			t.Error(err)
		}
	}()
	return sync.OnceFunc(func() { cancel(); <-done })
}

// log is what handlers were called for.
type calls struct {
	mu   sync.Mutex
	list []string
}

func (c *calls) add(r Repository, t Task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf("%s %s/%s %s", r.Name, t.Kind, t.Key, t.Data))
}

func (c *calls) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

func equal(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func accept(t testing.TB, s *Store, body string, tasks ...Task) bool {
	t.Helper()
	fresh, err := s.Accept(t.Context(), delivery(body), tasks)
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

func waiting(t testing.TB, s *Store) []string {
	t.Helper()
	list, err := s.Waiting(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, w := range list {
		text = append(text, fmt.Sprintf("%s %s/%s %s %d %s", w.State, w.Kind, w.Key, w.Data, w.Attempts, w.Reason))
	}
	return text
}

var errBroken = errors.New("broken")

// TestCoalesce: of tasks of one kind and key the newest is done, in order of
// arrival, and a delivery that comes again asks for nothing.
func TestCoalesce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{})
		if !accept(t, s, "a", task(1, Reconcile, "", `1`), task(1, Preview, "5", `1`)) {
			t.Error("the first delivery is not fresh")
		}
		accept(t, s, "b", task(1, Reconcile, "", `2`))
		accept(t, s, "c", task(1, Preview, "6", `3`))
		if accept(t, s, "a", task(1, Reconcile, "", `1`)) {
			t.Error("a replay is fresh")
		}
		other := delivery("a")
		other.Event = "pull_request"
		if fresh, err := s.Accept(t.Context(), other, nil); err != nil || !fresh {
			t.Errorf("the same body of another event: %t, %v", fresh, err)
		}
		var c calls
		end := working(t, s, func(_ context.Context, r Repository, task Task) error { c.add(r, task); return nil })
		until(t, "nothing to do", func() bool { return len(waiting(t, s)) == 0 })
		end()
		equal(t, c.all(), []string{"shop/r1 reconcile/ 2", "shop/r1 preview/5 1", "shop/r1 preview/6 3"})
	})
}

// TestNewerWhileRunning: a task that was replaced after it has begun is done
// again, with the newer data, and never beside the first.
func TestNewerWhileRunning(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{})
		begun, end := make(chan string), make(chan struct{})
		stop := working(t, s, func(_ context.Context, _ Repository, task Task) error {
			begun <- string(task.Data)
			<-end
			return nil
		})
		defer stop()
		accept(t, s, "a", task(1, Reconcile, "", `1`))
		if got := <-begun; got != "1" {
			t.Errorf("began %s", got)
		}
		equal(t, waiting(t, s), []string{"running reconcile/ 1 0 "})
		accept(t, s, "b", task(1, Reconcile, "", `2`))
		accept(t, s, "c", task(1, Reconcile, "", `3`))
		select {
		case got := <-begun:
			t.Fatalf("%s runs beside the first", got)
		case end <- struct{}{}:
		}
		if got := <-begun; got != "3" {
			t.Errorf("then %s", got)
		}
		end <- struct{}{}
		until(t, "nothing to do", func() bool { return len(waiting(t, s)) == 0 })
	})
}

// TestOutcomes: what becomes of tasks that fail, wait, panic and are parked.
func TestOutcomes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{Attempts: 2})
		var c calls
		ok := false
		end := working(t, s, func(_ context.Context, r Repository, task Task) error {
			c.add(r, task)
			switch c.mu.Lock(); {
			case ok:
				defer c.mu.Unlock()
				return nil
			default:
				c.mu.Unlock()
			}
			switch task.Key {
			case "fails":
				return fmt.Errorf("asking: %w", errBroken)
			case "poison":
				return fmt.Errorf("all in vain: %w", Park(errBroken))
			case "later":
				return fmt.Errorf("limit: %w", Later(time.Hour))
			case "panics":
				panic("at the disco")
			}
			return nil
		})
		defer end()
		accept(t, s, "a", task(1, Preview, "fails", ``), task(1, Preview, "poison", ``), task(1, Preview, "later", ``), task(1, Preview, "panics", ``), task(1, Preview, "good", ``))
		want := []string{
			"parked preview/fails null 2 asking: broken",
			"parked preview/poison null 1 all in vain: broken",
			"open preview/later null 0 limit: later: in 1h0m0s",
			"parked preview/panics null 2 panic: at the disco",
		}
		until(t, "all to be parked", func() bool { return slices.Equal(waiting(t, s), want) })
		equal(t, c.all()[:5], []string{"shop/r1 preview/fails null", "shop/r1 preview/poison null", "shop/r1 preview/later null", "shop/r1 preview/panics null", "shop/r1 preview/good null"})
		if load, err := s.Load(t.Context()); err != nil || load.Parked != 3 || load.Open != 1 || load.Running != 0 || !load.Oldest.IsZero() {
			t.Errorf("load %+v, %v", load, err)
		}

		c.mu.Lock()
		ok = true
		c.mu.Unlock()
		list, err := s.Waiting(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Retry(t.Context(), list[0].ID); err != nil {
			t.Error(err)
		}
		accept(t, s, "b", task(1, Preview, "poison", `2`))
		until(t, "the retried and the replaced to be done", func() bool { return slices.Equal(waiting(t, s), want[2:]) })
		if err := s.Retry(t.Context(), list[0].ID); !errors.Is(err, ErrNone) {
			t.Errorf("retrying what is done: %v", err)
		}
	})
}

// TestInterrupted: at the end of Work what runs is given back, uncounted, and
// done by the next process.
func TestInterrupted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{Grace: time.Millisecond})
		begun := make(chan struct{})
		end := working(t, s, func(ctx context.Context, _ Repository, _ Task) error {
			close(begun)
			<-ctx.Done()
			return fmt.Errorf("asking: %w", ctx.Err())
		})
		accept(t, s, "a", task(1, Reconcile, "", `1`), task(1, Preview, "1", `1`))
		<-begun
		end()
		equal(t, waiting(t, s), []string{"open reconcile/ 1 0 ", "open preview/1 1 0 "})

		next := open(t, address, Options{Lease: time.Hour}) // it need not wait for anybody
		var c calls
		defer working(t, next, func(_ context.Context, r Repository, task Task) error { c.add(r, task); return nil })()
		until(t, "both to be done", func() bool { return len(c.all()) == 2 })
	})
}

// TestDeadProcess: what a process held that was killed is taken by another, and
// by none while it lives.
func TestDeadProcess(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		lease := 2 * time.Second
		dead := open(t, address, Options{Lease: lease})
		m, err := dead.join(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		accept(t, dead, "a", task(1, Reconcile, "", `1`))
		turn, err := dead.claim(t.Context(), m)
		if err != nil || turn == nil {
			t.Fatal(turn, err)
		}
		alive := open(t, address, Options{Lease: lease})
		if other, err := alive.claim(t.Context(), m); err != nil || other != nil {
			t.Fatalf("claimed twice: %v, %v", other, err)
		}
		taken := make(chan struct{})
		end := working(t, alive, func(context.Context, Repository, Task) error { close(taken); return nil })
		defer end()
		select { // nobody renews m, so its fence falls, and only then is its work taken
		case <-m.ctx.Done():
		case <-taken:
			t.Error("taken while its holder worked")
		}
		<-taken
		if !errors.Is(context.Cause(m.ctx), errClaimLost) {
			t.Errorf("ended because %v", context.Cause(m.ctx))
		}
		if _, err := turn.settle(t.Context(), m, nil, false); !errors.Is(err, errClaimLost) && !errors.Is(err, context.Canceled) {
			t.Errorf("the dead settles: %v", err)
		}
		if _, err := m.beat(); err == nil {
			t.Error("the dead beats")
		}
		// What was buried claims nothing, though nobody else does.
		end()
		buried := &member{store: dead, id: m.id, ctx: t.Context()}
		accept(t, dead, "b", task(2, Reconcile, "", `1`))
		if turn, err := dead.claim(t.Context(), buried); turn != nil || err == nil || !strings.Contains(strings.ToLower(err.Error()), "foreign key") {
			t.Errorf("the dead claims: %v, %v", turn, err)
		}
	})
}

// TestProcesses: each process knows how many there are, as they come and go.
func TestProcesses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		nothing := func(context.Context, Repository, Task) error { return nil }
		one, other := open(t, address, Options{Lease: 2 * time.Second}), open(t, address, Options{Lease: 2 * time.Second})
		defer working(t, one, nothing)()
		if n := one.Processes(); n != 1 {
			t.Errorf("%d processes alone", n)
		}
		end := working(t, other, nothing)
		until(t, "both to know of each other", func() bool { return one.Processes() == 2 && other.Processes() == 2 })
		end()
		until(t, "the one to be alone again", func() bool { return one.Processes() == 1 })
	})
}

// TestDeaths: a task that takes the process with it again and again is parked.
func TestDeaths(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{})
		accept(t, s, "a", task(1, Reconcile, "", `1`))
		for range maxDeaths {
			m, err := s.join(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if turn, err := s.claim(t.Context(), m); err != nil || turn == nil {
				t.Fatal(turn, err)
			}
			if err := m.leave(); err != nil {
				t.Fatal(err)
			}
		}
		defer working(t, s, func(context.Context, Repository, Task) error { t.Error("begun once more"); return nil })()
		want := []string{"parked reconcile/ 1 1 the process ended 8 times while it did this"}
		until(t, "the task to be parked", func() bool { return slices.Equal(waiting(t, s), want) })
	})
}

// TestSerial: many workers of several processes never meet in a repository.
func TestSerial(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		const repositories, each, processes = 5, 40, 3
		var mu sync.Mutex
		busy, newest := map[int64]bool{}, map[int64]string{}
		handle := func(_ context.Context, r Repository, task Task) error {
			mu.Lock()
			if busy[r.ID] {
				t.Errorf("two in repository %d", r.ID)
			}
			busy[r.ID] = true
			mu.Unlock()
			time.Sleep(time.Millisecond) // so that they could meet
			mu.Lock()
			busy[r.ID], newest[r.ID] = false, string(task.Data)
			mu.Unlock()
			return nil
		}
		var stores []*Store
		for range processes {
			s := open(t, address, Options{Workers: 4})
			stores = append(stores, s)
			defer working(t, s, handle)()
		}
		var wg sync.WaitGroup
		for r := range int64(repositories) {
			wg.Go(func() {
				for i := range each {
					if _, err := stores[i%processes].Accept(t.Context(), delivery(fmt.Sprint(r, i)), []Task{task(r+1, Reconcile, "", fmt.Sprint(i))}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		until(t, "nothing to do", func() bool { return len(waiting(t, stores[0])) == 0 })
		mu.Lock()
		defer mu.Unlock()
		for r := range int64(repositories) {
			if newest[r+1] != fmt.Sprint(each-1) {
				t.Errorf("repository %d was done last with %q", r+1, newest[r+1])
			}
		}
	})
}

// TestRefused: tasks that are too large, or are none.
func TestRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{})
		for want, tasks := range map[string][]Task{
			"without a kind":          {{Repository: repository(1)}},
			"without a repository":    {{Kind: Preview}},
			"more than 200 bytes":     {task(1, Preview, strings.Repeat("k", 201), ``)},
			"or no text":              {task(1, Preview, "\x00", ``)},
			"more than 65536 bytes":   {task(1, Preview, "1", `"`+strings.Repeat("d", 64<<10)+`"`)},
			"is not JSON":             {task(1, Preview, "1", `{`)},
			"at most 10000 are taken": make([]Task, 10_001),
		} {
			if _, err := s.Accept(t.Context(), delivery(want), append([]Task{task(2, Preview, "2", ``)}, tasks...)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("want %q, got %v", want, err)
			}
			if err := s.Add(t.Context(), 0, tasks...); err == nil {
				t.Errorf("%s: added", want)
			}
		}
		equal(t, waiting(t, s), nil)
		// Names of strangers are made fit.
		odd := task(1, Preview, "1", `"\u0000"`)
		odd.Repository.Name = "shop/\x00\xff" + strings.Repeat("é", 9000)
		accept(t, s, "odd", odd)
		equal(t, waiting(t, s), []string{`open preview/1 "\u0000" 0 `})
	})
}
