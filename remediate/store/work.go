package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	poll     = 250 * time.Millisecond // how often work of other processes is looked for
	retry    = time.Second            // after the database has failed
	pruneBy  = 10 * time.Minute
	pruneMax = 5000 // deliveries forgotten in one transaction
)

// Work does tasks until the context ends: each repository's one after the other,
// whichever process they are in, those of Options.Workers repositories at once.
// Then it begins no more, lets those that run end for Options.Grace, cancels the
// rest and gives it back. It returns nil; a database that fails is waited for.
func (s *Store) Work(ctx context.Context, handle Handler) error {
	for ctx.Err() == nil {
		m, err := s.join(ctx)
		if err != nil {
			s.options.Logger.ErrorContext(ctx, "the store cannot be worked with", "error", err)
			wait(ctx, retry)
			continue
		}
		s.serve(ctx, m, handle)
		if err := m.leave(); err != nil {
			s.options.Logger.WarnContext(ctx, "the store was left badly", "error", err)
		}
	}
	return nil
}

// serve works as a member until the context ends or the membership is lost.
func (s *Store) serve(ctx context.Context, m *member, handle Handler) {
	var keeper, workers sync.WaitGroup
	keeper.Go(m.keep)
	keeper.Go(func() { s.prune(m.ctx) })

	// stop is for what has not begun, work for what runs, m.ctx for what was claimed.
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	work, interrupt := context.WithCancel(m.ctx)
	defer interrupt()
	slots := make(chan struct{}, s.options.Workers)
	for {
		select {
		case slots <- struct{}{}:
		case <-stop.Done():
		}
		if stop.Err() != nil {
			break
		}
		t, err := s.claim(stop, m)
		if t == nil {
			<-slots
			pause := poll/2 + rand.N(poll)
			if err != nil && stop.Err() == nil {
				s.options.Logger.ErrorContext(ctx, "looking for work failed", "error", err)
				pause = retry
			}
			select {
			case <-s.wake:
			case <-time.After(pause):
			case <-stop.Done():
			}
			continue
		}
		workers.Go(func() {
			defer func() { <-slots }()
			t.run(stop, work, m, handle)
		})
	}

	grace := time.AfterFunc(s.options.Grace, interrupt)
	workers.Wait()
	grace.Stop()
	m.end(nil)
	keeper.Wait()
}

// wait returns after a while, or when the context ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// prune forgets deliveries that are too old to be repeated.
func (s *Store) prune(ctx context.Context) {
	for ; ctx.Err() == nil; wait(ctx, pruneBy) {
		if _, _, due, err := s.Due(ctx, "prune", pruneBy); err != nil || !due {
			continue
		}
		if err := s.forget(ctx, Keep); err != nil && ctx.Err() == nil {
			s.options.Logger.WarnContext(ctx, "forgetting old deliveries failed", "error", err)
		}
	}
}

func (s *Store) forget(ctx context.Context, keep time.Duration) error {
	for n := int64(pruneMax); n == pruneMax; {
		err := s.write(ctx, func(ctx context.Context, q querier) (err error) {
			n, err = affected(q.ExecContext(ctx, `DELETE FROM delivery WHERE digest IN
				(SELECT digest FROM delivery WHERE received < @now - $1 ORDER BY received LIMIT $2)`, keep.Milliseconds(), pruneMax))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// turn is a claim on a repository and the task that is to be done next.
type turn struct {
	store      *Store
	repository Repository
	row, claim int64
	task       Task
	id         int64
	version    int64
	attempts   int
	begun      int // with this time
}

// claim takes the repository that is due for longest; nil: none is.
func (s *Store) claim(ctx context.Context, m *member) (*turn, error) {
	var some int
	switch err := s.read().QueryRowContext(ctx, `SELECT 1 FROM repository WHERE process IS NULL AND ready <= @now LIMIT 1`).Scan(&some); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	var t *turn
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		for {
			t = &turn{store: s}
			// The reference to process makes sure that this one counts as alive.
			row := q.QueryRowContext(ctx, `UPDATE repository SET process = $1, claim = claim + 1 WHERE id =
				(SELECT id FROM repository WHERE process IS NULL AND ready <= @now ORDER BY ready LIMIT 1 @skip)
				RETURNING id, installation, name, claim`, m.id)
			if err := row.Scan(&t.row, &t.repository.Installation, &t.repository.Name, &t.claim); err != nil {
				t = nil
				if errors.Is(err, sql.ErrNoRows) {
					return nil
				}
				return err
			}
			t.repository.ID = max(t.row, 0)
			if next, err := t.next(ctx, q); err != nil || next {
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// next picks the repository's next task, under the lock of the claim. Without
// one it gives the claim back and says false.
func (t *turn) next(ctx context.Context, q querier) (bool, error) {
	t.task = Task{}
	var data string
	err := q.QueryRowContext(ctx, `UPDATE task SET begun = begun + 1 WHERE id =
		(SELECT id FROM task WHERE repository = $1 AND NOT parked AND ready <= @now ORDER BY id LIMIT 1)
		RETURNING id, kind, key, data, version, attempts, begun`, t.row).
		Scan(&t.id, &t.task.Kind, &t.task.Key, &data, &t.version, &t.attempts, &t.begun)
	if errors.Is(err, sql.ErrNoRows) {
		return false, t.giveBack(ctx, q)
	}
	if err != nil {
		return false, err
	}
	t.task.Data = []byte(data)
	t.task.Repository, t.task.Attempts = t.repository, t.attempts
	_, err = q.ExecContext(ctx, `UPDATE repository SET doing = $1 WHERE id = $2`, t.id, t.row)
	return err == nil, err
}

// giveBack ends the claim; the repository is due when its next task is.
func (t *turn) giveBack(ctx context.Context, q querier) error {
	_, err := q.ExecContext(ctx, `UPDATE repository SET process = NULL, doing = NULL, ready =
		coalesce((SELECT min(ready) FROM task WHERE repository = $1 AND NOT parked), $2) WHERE id = $1`, t.row, never)
	return err
}

// affected is the number of rows that a statement changed.
func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("asking what changed: %w", err)
	}
	return n, nil
}
