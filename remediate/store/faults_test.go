package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate/store/storetest"
)

// fault is a database that can be cut off and healed.
type fault struct {
	address   string
	cut, heal func()
}

// faulty makes the database at an address one that can be cut off: the server is
// reached through a proxy, the file is locked by a stranger.
func faulty(t *testing.T, address string) fault {
	if !strings.HasPrefix(address, "postgres") {
		var lock *sql.Conn
		db, err := sql.Open("sqlite", "file:"+address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		do := func(statement string) {
			for {
				_, err := lock.ExecContext(t.Context(), statement)
				if err == nil || t.Context().Err() != nil {
					return
				}
			}
		}
		return fault{
			address,
			func() {
				if lock, err = db.Conn(t.Context()); err != nil {
					t.Error(err)
					return
				}
				do("BEGIN IMMEDIATE")
			},
			func() { do("ROLLBACK"); _ = lock.Close() },
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: u.Host}
	p.listener, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go p.run()
	t.Cleanup(func() { _ = p.listener.Close(); p.cut(true) })
	u.Host = p.listener.Addr().String()
	return fault{u.String(), func() { p.cut(true) }, func() { p.cut(false) }}
}

// proxy forwards connections, and breaks them off.
type proxy struct {
	listener net.Listener
	server   string
	mu       sync.Mutex
	off      bool
	open     []net.Conn
}

func (p *proxy) run() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		p.mu.Lock()
		if p.off || err != nil {
			_ = client.Close()
			if err == nil {
				_ = server.Close()
			}
		} else {
			p.open = append(p.open, client, server)
			go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
		}
		p.mu.Unlock()
	}
}

func (p *proxy) cut(off bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = off
	for _, c := range p.open {
		_ = c.Close()
	}
	p.open = nil
}

// TestGoneAndBack: while the database is away nothing is accepted, and a task
// that runs is told to stop before anybody else may begin it; when it is back, all
// goes on by itself.
func TestGoneAndBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		f := faulty(t, address)
		s := open(t, f.address, Options{Lease: 2 * time.Second})
		var running, back atomic.Bool
		again := make(chan struct{})
		defer working(t, s, func(ctx context.Context, _ Repository, task Task) error {
			if task.Key != "1" {
				return nil
			}
			running.Store(true)
			defer running.Store(false)
			if back.Load() {
				close(again)
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})()
		accept(t, s, "a", task(1, Preview, "1", ``))
		until(t, "the task to begin", running.Load)
		f.cut()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if fresh, err := s.Accept(ctx, delivery("b"), []Task{task(1, Preview, "2", ``)}); err == nil {
			t.Errorf("accepted by a database that is away: %t", fresh)
		}
		if err := s.Ready(ctx); err == nil {
			t.Error("ready without a database")
		}
		until(t, "the task to be stopped", func() bool { return !running.Load() })
		back.Store(true)
		select {
		case <-again:
			t.Error("begun again while the database is away")
		case <-ctx.Done():
		}
		f.heal()
		<-again
		accept(t, s, "b", task(1, Preview, "2", ``))
		if err := s.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		until(t, "nothing to do", func() bool { return len(waiting(t, s)) == 0 })
	})
}

// TestFull: on a full disk nothing is half written, and it goes on when there is
// room again.
func TestFull(t *testing.T) {
	t.Parallel()
	s := open(t, storetest.SQLite(t), Options{})
	writer := s.backend.(*sqlite).writer
	limit := func(pages string) {
		if _, err := writer.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, s, func() { limit("80") }, func() { limit("1000000") })
}

// fill accepts many deliveries at once until one is refused for want of room,
// then makes room.
func fill(t *testing.T, s *Store, full, room func()) {
	full()
	big := `"` + strings.Repeat("x", 20_000) + `"`
	accepted, refused := map[string]bool{}, map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range int64(8) {
		wg.Go(func() {
			for n := range 40 {
				name := fmt.Sprint(i, "-", n)
				_, err := s.Accept(t.Context(), delivery(name), []Task{task(i+1, Preview, name, big), task(i+1, Follow, name, `1`)})
				mu.Lock()
				if err == nil {
					accepted[name] = true
				} else {
					refused[name] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(refused) == 0 || len(accepted) == 0 {
		t.Fatalf("%d refused, %d accepted", len(refused), len(accepted))
	}
	t.Logf("%d refused, %d accepted", len(refused), len(accepted))
	room()
	for name := range refused {
		fresh, err := s.Accept(t.Context(), delivery(name), []Task{task(1, Tick, name, `1`)})
		if err != nil || !fresh {
			t.Fatalf("%s, which was refused: %t, %v", name, fresh, err)
		}
	}
	got := map[Kind]map[string]bool{Preview: {}, Follow: {}, Tick: {}}
	list, err := s.Waiting(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range list {
		got[w.Kind][w.Key] = true
	}
	for _, c := range []struct {
		kind Kind
		want map[string]bool
	}{{Preview, accepted}, {Follow, accepted}, {Tick, refused}} {
		for name := range c.want {
			if !got[c.kind][name] {
				t.Errorf("%s %s is lost", c.kind, name)
			}
		}
		if len(got[c.kind]) != len(c.want) {
			t.Errorf("%d tasks of kind %s, want %d", len(got[c.kind]), c.kind, len(c.want))
		}
	}
}

// TestBatch: of jobs in one transaction one may fail, or have lost its caller,
// and the others are written; those after one that took long are left.
func TestBatch(t *testing.T) {
	t.Parallel()
	s := open(t, storetest.SQLite(t), Options{})
	b := s.backend.(*sqlite)
	put := func(name string, fail error) func(context.Context, querier) error {
		return func(ctx context.Context, q querier) error {
			_, err := q.ExecContext(ctx, `INSERT INTO duty (name, done) VALUES ($1, 1)`, name)
			return errors.Join(err, fail)
		}
	}
	var jobs []job
	for _, run := range []func(context.Context, querier) error{
		put("a", nil), put("b", errBroken), put("c", nil), put("a", nil), put("d", nil),
		put("long", nil), put("left", nil), put("left", nil),
	} {
		jobs = append(jobs, job{run, new(atomic.Bool), make(chan error, 1)})
	}
	jobs[2].taken.Store(true) // its caller has gone
	if left := b.batch(jobs[:5], time.Hour); len(left) != 0 {
		t.Errorf("%d are left of a short one", len(left))
	}
	if left := b.batch(jobs[5:], 0); len(left) != 2 || left[0].taken.Load() {
		t.Errorf("%d are left of a long one, want 2", len(left))
	}
	for i, want := range []string{"", "broken", "", "UNIQUE", "", ""} {
		if err := <-jobs[i].reply; (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("job %d: %v, want %q", i, err, want)
		}
	}
	rows, err := b.read().QueryContext(t.Context(), `SELECT name FROM duty ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := collect(rows, func() (name string, err error) { return name, rows.Scan(&name) })
	if err != nil {
		t.Fatal(err)
	}
	equal(t, names, []string{"a", "d", "long"})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Accept(t.Context(), delivery("late"), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("accepted by a closed store: %v", err)
	}
}
