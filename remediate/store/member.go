package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// member is this process among those that share the work. It renews its row; a
// process that does not is taken for dead and its row deleted by another, which
// sets free what it had claimed. It stops by itself well before that: its
// context ends when renewing has failed for two thirds of the lease.
type member struct {
	store    *Store
	id       string
	ctx      context.Context
	end      context.CancelCauseFunc
	mu       sync.Mutex
	fence    *time.Timer
	suspects map[string]int64 // process -> its last beat when we looked last, too old already
}

var errClaimLost = errors.New("the claim on the repository is lost: this process could not renew it in time")

// join makes this process a member.
func (s *Store) join(ctx context.Context) (*member, error) {
	m := &member{store: s, id: rand.Text()}
	m.ctx, m.end = context.WithCancelCause(context.WithoutCancel(ctx))
	ctx, cancel := context.WithTimeout(ctx, 2*s.options.Lease)
	defer cancel()
	var begin time.Time
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		begin = time.Now()
		_, err := q.ExecContext(ctx, `INSERT INTO process (id, beat) VALUES ($1, @now)`, m.id)
		return err
	})
	if err != nil {
		m.end(err)
		return nil, fmt.Errorf("joining the workers: %w", err)
	}
	m.fence = time.AfterFunc(m.remaining(begin), func() { m.end(errClaimLost) })
	return m, nil
}

// remaining is how long this process may work when it renewed its row at a time,
// which is taken just before the statement: what came before, such as waiting
// for other writers, takes nothing from it.
func (m *member) remaining(renewed time.Time) time.Duration {
	return m.store.options.Lease*2/3 - time.Since(renewed)
}

// keep renews the row until the member ends, and looks after the others.
func (m *member) keep() {
	tick := time.NewTicker(m.store.options.Lease / 6)
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		at, err := m.beat()
		if err != nil {
			m.store.options.Logger.WarnContext(m.ctx, "renewing the claims of this process failed", "error", err)
			continue
		}
		if !m.renewed(at) {
			return
		}
		if err := m.bury(); err != nil {
			m.store.options.Logger.WarnContext(m.ctx, "looking for dead processes failed", "error", err)
		}
	}
}

// renewed moves the fence, unless it fell already.
func (m *member) renewed(at time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return false
	}
	m.fence.Reset(m.remaining(at))
	return true
}

func (m *member) beat() (at time.Time, err error) {
	var n int64
	err = m.store.write(m.ctx, func(ctx context.Context, q querier) (err error) {
		at = time.Now()
		n, err = affected(q.ExecContext(ctx, `UPDATE process SET beat = @now WHERE id = $1`, m.id))
		return err
	})
	if err == nil && n == 0 {
		m.end(errClaimLost)
	}
	return at, err
}

// bury counts the processes, and deletes those that were silent for a lease. Two looks must agree: a
// clock that was set forward makes everybody look dead at once, and by the second
// look the living have renewed their rows.
func (m *member) bury() error {
	ctx := m.ctx // which ends, should this take too long to renew the claims
	rows, err := m.store.read().QueryContext(ctx, `SELECT id, beat, beat < @now - $2 FROM process WHERE id <> $1`,
		m.id, m.store.options.Lease.Milliseconds())
	if err != nil {
		return err
	}
	silent, living := map[string]int64{}, int64(1)
	for rows.Next() {
		var id string
		var beat int64
		var late bool
		if err := rows.Scan(&id, &beat, &late); err != nil {
			return errors.Join(err, rows.Close())
		}
		if late {
			silent[id] = beat
		} else {
			living++
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	m.store.living.Store(living)
	before := m.suspects
	m.suspects = silent
	for id, beat := range silent {
		if last, seen := before[id]; !seen || last != beat {
			continue
		}
		var n int64
		err := m.store.write(ctx, func(ctx context.Context, q querier) (err error) {
			// The claims go with the row.
			n, err = affected(q.ExecContext(ctx, `DELETE FROM process WHERE id = $1 AND beat = $2`, id, beat))
			return err
		})
		if err != nil {
			return err
		}
		if n > 0 {
			m.store.options.Logger.InfoContext(ctx, "a process died: others take its work", "process", id)
			m.store.stir()
		}
	}
	return nil
}

// leave ends the membership and gives back what is still claimed.
func (m *member) leave() error {
	m.end(nil)
	m.fence.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), m.store.options.Lease/2)
	defer cancel()
	err := m.store.write(ctx, func(ctx context.Context, q querier) error {
		_, err := q.ExecContext(ctx, `DELETE FROM process WHERE id = $1`, m.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("leaving the workers, whose claims end by themselves: %w", err)
	}
	return nil
}
