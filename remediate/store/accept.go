package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of what is taken.
const (
	maxKey   = 200
	maxData  = 64 << 10
	maxTasks = 10_000 // of one delivery
	maxText  = 4 << 10
)

// Keep is how long deliveries are remembered: GitHub repeats one for three days.
const Keep = 7 * 24 * time.Hour

// never is when a repository without a task is due.
const never = int64(1) << 62

// Accept makes a delivery and what it asks for durable: when it returns without
// an error, neither is lost. A delivery that came before, by event and body, is
// not fresh and changes nothing. After an error the delivery counts as not
// accepted, or, where the answer of the database was lost, as accepted; either
// way it is right to have it delivered again.
func (s *Store) Accept(ctx context.Context, d Delivery, tasks []Task) (fresh bool, err error) {
	if err := checkTasks(tasks); err != nil {
		return false, fmt.Errorf("accepting a delivery of %s: %w", d.Event, err)
	}
	digest := sha256.Sum256(slices.Concat([]byte(d.Event), []byte{0}, d.Digest[:]))
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		n, err := affected(q.ExecContext(ctx, `INSERT INTO delivery (digest, id, event, action, repository, received)
			VALUES ($1, $2, $3, $4, $5, @now) ON CONFLICT (digest) DO NOTHING`,
			digest[:], clean(d.ID), clean(d.Event), clean(d.Action), d.Repository.ID))
		if fresh = n > 0; err != nil || !fresh {
			return err
		}
		return put(ctx, q, tasks, 0)
	})
	if err != nil {
		return false, fmt.Errorf("accepting a delivery of %s: %w", d.Event, err)
	}
	s.stir()
	return fresh, nil
}

// Add puts tasks that no delivery asks for, to be done after a while.
func (s *Store) Add(ctx context.Context, after time.Duration, tasks ...Task) error {
	err := checkTasks(tasks)
	if err == nil {
		err = s.write(ctx, func(ctx context.Context, q querier) error {
			return put(ctx, q, tasks, max(after, 0))
		})
	}
	if err != nil {
		return fmt.Errorf("adding tasks: %w", err)
	}
	s.stir()
	return nil
}

func checkTasks(tasks []Task) error {
	if len(tasks) > maxTasks {
		return fmt.Errorf("%d tasks: at most %d are taken at once", len(tasks), maxTasks)
	}
	for _, t := range tasks {
		if err := t.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Check says why a task would not be taken.
func (t Task) Check() error {
	switch {
	case t.Kind == "":
		return errors.New("a task without a kind")
	case t.Repository.ID < 0 || t.Repository.ID == 0 && t.Repository.Installation <= 0:
		return fmt.Errorf("a task of kind %s without a repository or an installation", t.Kind)
	case len(t.Key) > maxKey || clean(t.Key) != t.Key:
		return fmt.Errorf("the key of a task of kind %s: more than %d bytes, or no text", t.Kind, maxKey)
	case len(t.Data) > maxData:
		return fmt.Errorf("the data of task %s %s: more than %d bytes", t.Kind, t.Key, maxData)
	case len(t.Data) > 0 && !json.Valid(t.Data):
		return fmt.Errorf("the data of task %s %s is not JSON", t.Kind, t.Key)
	}
	return nil
}

// row is the key of a repository's row.
func (r Repository) row() int64 {
	if r.ID == 0 {
		return -r.Installation
	}
	return r.ID
}

// put inserts tasks or replaces those that wait. The rows of their repositories
// are locked first, and always in the same order: the worker that ends its turn
// looks at the tasks under the same lock, so none is overlooked.
func put(ctx context.Context, q querier, tasks []Task, after time.Duration) error {
	tasks = slices.Clone(tasks)
	slices.SortStableFunc(tasks, func(a, b Task) int { return cmp.Compare(a.Repository.row(), b.Repository.row()) })
	var locked int64
	for _, t := range tasks {
		r := t.Repository
		if r.row() != locked {
			if _, err := q.ExecContext(ctx, `INSERT INTO repository (id, installation, name, ready, claim)
				VALUES ($1, $2, $3, @now + $4, 0)
				ON CONFLICT (id) DO UPDATE SET
					installation = CASE WHEN excluded.installation <> 0 THEN excluded.installation ELSE repository.installation END,
					name = CASE WHEN excluded.name <> '' THEN excluded.name ELSE repository.name END,
					ready = CASE WHEN excluded.ready < repository.ready THEN excluded.ready ELSE repository.ready END`,
				r.row(), r.Installation, clean(r.Name), after.Milliseconds()); err != nil {
				return err
			}
			locked = r.row()
		}
		data := string(t.Data)
		if data == "" {
			data = "null"
		}
		if _, err := q.ExecContext(ctx, `INSERT INTO task (repository, kind, key, data, version, since, ready, attempts, begun, parked, reason)
			VALUES ($1, $2, $3, $4, 1, @now, @now + $5, 0, 0, FALSE, '')
			ON CONFLICT (repository, kind, key) DO UPDATE SET
				data = excluded.data, version = task.version + 1, ready = excluded.ready,
				attempts = 0, begun = 0, parked = FALSE, reason = ''`,
			r.row(), string(t.Kind), t.Key, data, after.Milliseconds()); err != nil {
			return err
		}
	}
	return nil
}

// clean makes a text one that every database takes: valid UTF-8, no NUL, bounded.
func clean(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
