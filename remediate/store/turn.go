package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

const (
	maxBackoff = 10 * time.Minute
	maxDeaths  = 8 // of processes with a task begun, after which it is parked
)

// run does the repository's tasks until none is due, the store stops, or the
// claim is lost.
func (t *turn) run(stop, work context.Context, m *member, handle Handler) {
	for more := true; more; {
		var err error
		if t.begun > maxDeaths {
			err = Park(fmt.Errorf("the process ended %d times while it did this", t.begun-1))
		} else {
			err = t.do(work, handle)
		}
		interrupted := err != nil && work.Err() != nil
		if more, err = t.settle(stop, m, err, interrupted); err != nil {
			t.store.options.Logger.WarnContext(m.ctx, "a task will be done again: what came of it could not be kept",
				"repository", t.repository.Name, "kind", t.task.Kind, "key", t.task.Key, "error", err)
			return
		}
	}
	t.store.stir()
}

// do calls the handler, if there is time; a panic is an error of the task.
func (t *turn) do(ctx context.Context, handle Handler) (err error) {
	defer func() {
		if r := recover(); r != nil {
			t.store.options.Logger.ErrorContext(ctx, "a task panicked", "repository", t.repository.Name,
				"kind", t.task.Kind, "key", t.task.Key, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	return handle(ctx, t.repository, t.task)
}

// settle keeps what came of the task and picks the next one, in one transaction.
// A database that fails is tried until the claim is lost.
func (t *turn) settle(stop context.Context, m *member, outcome error, interrupted bool) (more bool, err error) {
	ctx := m.ctx
	for {
		err = t.store.write(ctx, func(ctx context.Context, q querier) error {
			var claim int64
			more = false
			switch err := q.QueryRowContext(ctx, `SELECT claim FROM repository WHERE id = $1 AND process = $2 @lock`, t.row, m.id).Scan(&claim); {
			case errors.Is(err, sql.ErrNoRows), err == nil && claim != t.claim:
				return errClaimLost
			case err != nil:
				return err
			}
			if err := t.record(ctx, q, outcome, interrupted); err != nil {
				return err
			}
			if stop.Err() != nil {
				return t.giveBack(ctx, q)
			}
			var err error
			more, err = t.next(ctx, q)
			return err
		})
		if err == nil || errors.Is(err, errClaimLost) || ctx.Err() != nil {
			return more && err == nil, err
		}
		t.store.options.Logger.WarnContext(ctx, "keeping what came of a task failed", "error", err)
		wait(ctx, retry/4)
	}
}

// record says what becomes of the task, unless a newer one has replaced it.
func (t *turn) record(ctx context.Context, q querier, outcome error, interrupted bool) error {
	var later later
	var park park
	var err error
	switch {
	case outcome == nil:
		_, err = q.ExecContext(ctx, `DELETE FROM task WHERE id = $1 AND version = $2`, t.id, t.version)
	case errors.As(outcome, &later):
		_, err = q.ExecContext(ctx, `UPDATE task SET begun = 0, ready = @now + $3, reason = $4 WHERE id = $1 AND version = $2`,
			t.id, t.version, later.after.Milliseconds(), clean(outcome.Error()))
	case interrupted:
		_, err = q.ExecContext(ctx, `UPDATE task SET begun = 0 WHERE id = $1 AND version = $2`, t.id, t.version)
	default:
		parked := errors.As(outcome, &park) || t.attempts+1 >= t.store.options.Attempts
		_, err = q.ExecContext(ctx, `UPDATE task SET begun = 0, attempts = attempts + 1, parked = $3, ready = @now + $4, reason = $5
			WHERE id = $1 AND version = $2`, t.id, t.version, parked, backoff(t.attempts).Milliseconds(), clean(outcome.Error()))
	}
	return err
}

// backoff is 1 s, 2 s, 4 s and so on, up to ten minutes, and up to a fifth more,
// so that what failed together is not tried together.
func backoff(failed int) time.Duration {
	d := min(time.Second<<min(failed, 20), maxBackoff)
	return d + rand.N(d/5)
}
