package webhook

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/oakum-dev/oakum/remediate/store"
)

// FailedDelivery is an event that GitHub could not deliver.
type FailedDelivery struct {
	ID   int64  // of the attempt, by which it is asked for again
	GUID string // of the event, the same for all its attempts
	At   time.Time
}

// Deliveries are those of the App, as GitHub remembers them.
type Deliveries interface {
	// Failed lists attempts since a time that failed, of events that no other
	// attempt delivered.
	Failed(ctx context.Context, since time.Time) ([]FailedDelivery, error)
	Redeliver(ctx context.Context, id int64) error
}

// Tasks keeps what is to be done; *store.Store does.
type Tasks interface {
	Add(ctx context.Context, after time.Duration, tasks ...store.Task) error
	// Due says whether it is this process's turn now, and when it was anybody's
	// last, by one clock.
	Due(ctx context.Context, name string, every time.Duration) (last, now time.Time, due bool, err error)
}

// Sweeper makes good what no webhook told: it has GitHub repeat what it could not
// deliver, and has every repository looked at once in a while.
type Sweeper struct {
	Tasks        Tasks
	Deliveries   Deliveries                                        // nil: with a token there are none
	Repositories func(context.Context) ([]store.Repository, error) // all that oakum looks after

	Redeliver time.Duration // between two looks for failed deliveries; 5 minutes
	Reconcile time.Duration // in which every repository is looked at once; 6 hours
	Logger    *slog.Logger

	asked  map[string]asked // by GUID
	missed *time.Time       // since when repositories were not looked at, where that failed
}

// asked is how often a delivery was asked for, and when it may be again.
type asked struct {
	times       int
	next, until time.Time
}

const (
	// GitHub repeats what is at most three days old.
	redeliverable = 3 * 24 * time.Hour
	// A delivery fails a while after it was made.
	overlap = 15 * time.Minute
	// spacing is kept between two requests that have GitHub do something.
	spacing = time.Second
	// tries of one delivery: what was refused so often is not wanted.
	tries = 6
)

// Run sweeps until the context ends. What fails is told and tried again.
func (s *Sweeper) Run(ctx context.Context) {
	if s.Redeliver <= 0 {
		s.Redeliver = 5 * time.Minute
	}
	if s.Reconcile <= 0 {
		s.Reconcile = 6 * time.Hour
	}
	if s.Logger == nil {
		s.Logger = slog.Default()
	}
	s.asked = map[string]asked{}
	tick := min(s.Redeliver, s.Reconcile/60)
	since := time.Now().Add(-redeliverable) // what was missed while nobody ran
	for ctx.Err() == nil {
		begin := time.Now()
		if s.Deliveries != nil {
			if _, _, due, err := s.Tasks.Due(ctx, "redeliver", s.Redeliver); err != nil {
				s.warn(ctx, err)
			} else if due {
				if err := s.redeliver(ctx, since); err != nil {
					s.warn(ctx, fmt.Errorf("sweeping failed deliveries: %w", err))
				} else {
					// Another process may have had the turns between: look behind
					// its last ones too.
					since = begin.Add(-overlap - 2*s.Redeliver)
				}
			}
		}
		if err := s.reconcile(ctx); err != nil {
			s.warn(ctx, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(tick + rand.N(tick/10+1)):
		}
	}
}

func (s *Sweeper) warn(ctx context.Context, err error) {
	if ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "sweeping failed", "error", err)
	}
}

// redeliver asks for every event that failed once, then again after longer and
// longer times.
func (s *Sweeper) redeliver(ctx context.Context, since time.Time) error {
	now := time.Now()
	for guid, a := range s.asked {
		if now.After(a.until) {
			delete(s.asked, guid)
		}
	}
	failed, err := s.Deliveries.Failed(ctx, since)
	if err != nil {
		return err
	}
	latest := map[string]FailedDelivery{}
	var order []string
	for _, f := range failed {
		old, seen := latest[f.GUID]
		if !seen {
			order = append(order, f.GUID)
		}
		if !seen || f.At.After(old.At) {
			latest[f.GUID] = f
		}
	}
	var errs []error
	for _, guid := range order {
		f, a := latest[guid], s.asked[guid]
		if a.times >= tries || now.Before(a.next) || now.Sub(f.At) > redeliverable {
			continue
		}
		if err := s.Deliveries.Redeliver(ctx, f.ID); err != nil {
			errs = append(errs, fmt.Errorf("delivery %d: %w", f.ID, err))
			if ctx.Err() != nil {
				break
			}
		}
		s.asked[guid] = asked{a.times + 1, now.Add(s.Redeliver << a.times), now.Add(redeliverable)}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(spacing):
		}
	}
	return errors.Join(errs...)
}

// reconcile has those repositories looked at whose moment in the period came
// since the last turn, so that all of them are spread over it. After a pause of
// a whole period, and in the beginning, that is every one.
func (s *Sweeper) reconcile(ctx context.Context) error {
	last, now, due, err := s.Tasks.Due(ctx, "reconcile", s.Reconcile/60)
	if err != nil || !due {
		return err
	}
	if s.missed != nil && s.missed.Before(last) {
		last = *s.missed
	}
	s.missed = &last
	list, err := s.Repositories(ctx)
	if err != nil {
		return fmt.Errorf("listing the repositories to look at: %w", err)
	}
	var tasks []store.Task
	for _, r := range list {
		if came(r.ID, s.Reconcile, last, now) {
			tasks = append(tasks, store.Task{Repository: r, Kind: store.Reconcile})
		}
	}
	for len(tasks) > 0 {
		n := min(len(tasks), 100)
		if err := s.Tasks.Add(ctx, 0, tasks[:n]...); err != nil {
			return err
		}
		tasks = tasks[n:]
	}
	s.missed = nil
	return nil
}

// came says whether the moment of a repository, the same in every period, lies
// after a time and not after another.
func came(id int64, period time.Duration, after, until time.Time) bool {
	if after.IsZero() || until.Sub(after) >= period {
		return true
	}
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, id)
	phase := int64(h.Sum64() % uint64(period))
	turn := func(t time.Time) int64 { return (t.UnixNano() - phase) / int64(period) }
	return turn(until) > turn(after)
}
