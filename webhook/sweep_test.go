package webhook

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oakum-dev/oakum/remediate/store"
)

// hub is GitHub's memory of deliveries: asking for one adds an attempt.
type hub struct {
	mu       sync.Mutex
	attempts []FailedDelivery
	asked    []string
	since    []time.Time
	down     bool
	delivers bool // a repeated delivery arrives
}

func (h *hub) Failed(_ context.Context, since time.Time) ([]FailedDelivery, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.since = append(h.since, since)
	if h.down {
		return nil, errors.New("502")
	}
	return slices.Clone(h.attempts), nil
}

func (h *hub) Redeliver(_ context.Context, id int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.attempts, func(f FailedDelivery) bool { return f.ID == id })
	guid := h.attempts[i].GUID
	h.asked = append(h.asked, fmt.Sprintf("%s %d", guid, id))
	if h.delivers {
		h.attempts = slices.DeleteFunc(h.attempts, func(f FailedDelivery) bool { return f.GUID == guid })
	} else {
		h.attempts = append(h.attempts, FailedDelivery{ID: int64(len(h.asked)) + 100, GUID: guid, At: time.Now()})
	}
	return nil
}

// turns keeps tasks and turns by the clock of the bubble.
type turns struct {
	mu    sync.Mutex
	last  map[string]time.Time
	added []string
}

func (d *turns) Add(_ context.Context, _ time.Duration, tasks ...store.Task) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range tasks {
		d.added = append(d.added, fmt.Sprintf("%s %d", t.Kind, t.Repository.ID))
	}
	return nil
}

func (d *turns) Due(_ context.Context, name string, every time.Duration) (last, now time.Time, due bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, now = d.last[name], time.Now()
	if due = last.IsZero() || now.Sub(last) >= every; due {
		d.last[name] = now
	}
	return last, now, due, nil
}

// TestRedeliver: what failed is asked for once, and again after longer times;
// what arrived, or is too old, is not.
func TestRedeliver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		h := &hub{down: true, attempts: []FailedDelivery{
			{1, "a", begin.Add(-time.Hour)},
			{2, "b", begin.Add(-2 * time.Hour)},
			{3, "a", begin.Add(-time.Minute)},
			{4, "old", begin.Add(-redeliverable - time.Second)},
		}}
		s := &Sweeper{
			Tasks: &turns{last: map[string]time.Time{}}, Deliveries: h,
			Repositories: func(context.Context) ([]store.Repository, error) { return nil, nil },
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		defer func() { cancel(); <-done }()

		time.Sleep(time.Minute)
		h.mu.Lock()
		if len(h.asked) > 0 || len(h.since) != 1 || begin.Sub(h.since[0]) < redeliverable {
			t.Errorf("asked for %v, since %v", h.asked, h.since)
		}
		h.down = false
		h.mu.Unlock()

		time.Sleep(6 * time.Minute)
		h.mu.Lock()
		if want := []string{"a 3", "b 2"}; !slices.Equal(h.asked, want) || begin.Sub(h.since[1]) < redeliverable {
			t.Errorf("asked for %v, want %v, since %v", h.asked, want, h.since)
		}
		h.mu.Unlock()

		time.Sleep(24 * time.Hour) // they fail again and again
		h.mu.Lock()
		if len(h.asked) != 2*tries || h.asked[2] != "a 101" {
			t.Errorf("asked for %v", h.asked)
		}
		if last := h.since[len(h.since)-1]; time.Since(last) > time.Hour {
			t.Errorf("still looks back to %v", last)
		}
		h.delivers = true
		h.attempts = []FailedDelivery{{9, "c", time.Now()}}
		h.asked = nil
		h.mu.Unlock()

		time.Sleep(24 * time.Hour)
		h.mu.Lock()
		defer h.mu.Unlock()
		if want := []string{"c 9"}; !slices.Equal(h.asked, want) {
			t.Errorf("asked for %v, want %v", h.asked, want)
		}
	})
}

// TestReconcileSpread: every repository once a period, not all at one moment, by
// however many processes; all of them after a pause and in the beginning, and
// what failed is made up for.
func TestReconcileSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const repositories = 600
		d := &turns{last: map[string]time.Time{}}
		var mu sync.Mutex
		down := false
		list := func(context.Context) (rs []store.Repository, err error) {
			mu.Lock()
			defer mu.Unlock()
			if down {
				return nil, errors.New("502")
			}
			for i := range int64(repositories) {
				rs = append(rs, store.Repository{ID: i + 1})
			}
			return rs, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			s := &Sweeper{Tasks: d, Repositories: list}
			wg.Go(func() { s.Run(ctx) })
		}
		count := func() int {
			d.mu.Lock()
			defer d.mu.Unlock()
			n := len(d.added)
			d.added = nil
			return n
		}
		time.Sleep(time.Minute)
		if n := count(); n != repositories {
			t.Errorf("%d in the beginning", n)
		}
		most, all := 0, 0
		for range 36 {
			time.Sleep(10 * time.Minute)
			n := count()
			most, all = max(most, n), all+n
		}
		// Ticks are a little apart, so the last ones may not be in the period.
		if all < repositories*9/10 || all > repositories*11/10 || most > repositories/6 {
			t.Errorf("%d in a period, at most %d in ten minutes", all, most)
		}
		mu.Lock()
		down = true
		mu.Unlock()
		time.Sleep(time.Hour)
		if n := count(); n != 0 {
			t.Errorf("%d while GitHub is away", n)
		}
		mu.Lock()
		down = false
		mu.Unlock()
		time.Sleep(30 * time.Minute)
		if n := count(); n < repositories/6 {
			t.Errorf("%d after an hour without GitHub", n)
		}
		cancel()
		wg.Wait()
		time.Sleep(24 * time.Hour)
		ctx, cancel = context.WithCancel(t.Context())
		s := &Sweeper{Tasks: d, Repositories: list}
		wg.Go(func() { s.Run(ctx) })
		time.Sleep(time.Minute)
		if n := count(); n != repositories {
			t.Errorf("%d after a day", n)
		}
		cancel()
		wg.Wait()
	})
}

// TestSweepIntoStore: the sweeper and the real store agree.
func TestSweepIntoStore(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "oakum.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		sweeper := &Sweeper{Tasks: s, Repositories: func(context.Context) ([]store.Repository, error) {
			return []store.Repository{{ID: 1, Name: "a/b"}, {ID: 2, Name: "a/c"}}, nil
		}}
		go sweeper.Run(ctx)
	}
	var tasks []store.Waiting
	for deadline := time.Now().Add(time.Minute); len(tasks) < 2 && time.Now().Before(deadline); {
		if tasks, err = s.Waiting(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	for _, w := range tasks {
		told = append(told, w.Repository.Name+" "+string(w.Kind))
	}
	if got := strings.Join(told, ", "); got != "a/b reconcile, a/c reconcile" {
		t.Error(got)
	}
}
