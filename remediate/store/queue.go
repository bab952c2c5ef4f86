package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Waiting are the tasks that are not done, of one repository or (0) of all, in
// order of arrival, at most 1,000.
func (s *Store) Waiting(ctx context.Context, repository int64) ([]Waiting, error) {
	rows, err := s.read().QueryContext(ctx, `SELECT t.id, t.kind, t.key, t.data, t.attempts, t.since, t.ready, t.parked, t.reason,
			r.id, r.installation, r.name, CASE WHEN r.process IS NOT NULL AND r.doing = t.id THEN 1 ELSE 0 END
		FROM task t JOIN repository r ON r.id = t.repository
		WHERE CAST($1 AS BIGINT) = 0 OR t.repository = $1 ORDER BY t.id LIMIT 1000`, repository)
	if err != nil {
		return nil, fmt.Errorf("listing tasks: %w", err)
	}
	list, err := collect(rows, func() (w Waiting, err error) {
		var since, ready, running, row int64
		var parked bool
		var data string
		err = rows.Scan(&w.ID, &w.Kind, &w.Key, &data, &w.Attempts, &since, &ready, &parked, &w.Reason,
			&row, &w.Repository.Installation, &w.Repository.Name, &running)
		w.Repository.ID, w.Data = max(row, 0), []byte(data)
		w.Since, w.Next, w.State = instant(since), instant(ready), StateOpen
		switch {
		case running == 1:
			w.State = StateRunning
		case parked:
			w.State, w.Next = StateParked, time.Time{}
		}
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing tasks: %w", err)
	}
	return list, nil
}

// Retry has a task done now, whatever it waits for; ErrNone: there is none such.
func (s *Store) Retry(ctx context.Context, id int64) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		// The repository first, as everywhere.
		n, err := affected(q.ExecContext(ctx, `UPDATE repository SET ready = CASE WHEN ready < @now THEN ready ELSE @now END
			WHERE id = (SELECT repository FROM task WHERE id = $1)`, id))
		if err == nil && n > 0 {
			n, err = affected(q.ExecContext(ctx, `UPDATE task SET ready = @now, attempts = 0, begun = 0, parked = FALSE, version = version + 1
				WHERE id = $1`, id))
		}
		if err == nil && n == 0 {
			return ErrNone
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("retrying task %d: %w", id, err)
	}
	s.stir()
	return nil
}

// Load says how much there is to do.
func (s *Store) Load(ctx context.Context) (Load, error) {
	var l Load
	var oldest sql.NullInt64
	err := s.read().QueryRowContext(ctx, `SELECT
			(SELECT count(*) FROM task WHERE NOT parked),
			(SELECT count(*) FROM repository WHERE process IS NOT NULL),
			(SELECT count(*) FROM task WHERE parked),
			(SELECT min(ready) FROM repository WHERE process IS NULL AND ready <= @now)`).
		Scan(&l.Open, &l.Running, &l.Parked, &oldest)
	if err != nil {
		return Load{}, fmt.Errorf("asking what is to do: %w", err)
	}
	l.Open = max(l.Open-l.Running, 0)
	if oldest.Valid {
		l.Oldest = instant(oldest.Int64)
	}
	return l, nil
}

// Repositories are those that tasks were about, ordered by ID, without those
// that were forgotten.
func (s *Store) Repositories(ctx context.Context) ([]Repository, error) {
	rows, err := s.read().QueryContext(ctx, `SELECT id, installation, name FROM repository WHERE id > 0 ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("listing repositories: %w", err)
	}
	list, err := collect(rows, func() (r Repository, err error) {
		return r, rows.Scan(&r.ID, &r.Installation, &r.Name)
	})
	if err != nil {
		return nil, fmt.Errorf("listing repositories: %w", err)
	}
	return list, nil
}

// Forget deletes what is known of a repository, but not the audit trail. Tasks
// that are open or run are kept, and the repository with them.
func (s *Store) Forget(ctx context.Context, repository int64) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		var row int64
		err := q.QueryRowContext(ctx, `SELECT id FROM repository WHERE id = $1 @lock`, repository).Scan(&row)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		for _, statement := range []string{
			`DELETE FROM scan WHERE repository = $1`,
			`DELETE FROM branch WHERE repository = $1`,
			`DELETE FROM pull WHERE repository = $1`,
			`DELETE FROM task WHERE repository = $1 AND parked`,
			`DELETE FROM repository WHERE id = $1 AND process IS NULL AND NOT EXISTS (SELECT 1 FROM task WHERE repository = $1)`,
		} {
			if _, err := q.ExecContext(ctx, statement, repository); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forgetting repository %d: %w", repository, err)
	}
	return nil
}

// Due says whether it is this process's turn to do what is done once in a while,
// and when it was done last (the zero time: never). Of several processes that
// ask, one is told so. Both times are of the database's clock.
func (s *Store) Due(ctx context.Context, name string, every time.Duration) (last, now time.Time, due bool, err error) {
	err = s.write(ctx, func(ctx context.Context, q querier) error {
		due, last = false, time.Time{}
		n, err := affected(q.ExecContext(ctx, `INSERT INTO duty (name, done) VALUES ($1, @now) ON CONFLICT (name) DO NOTHING`, name))
		if err != nil {
			return err
		}
		var done, clock int64
		if err := q.QueryRowContext(ctx, `SELECT done, @now FROM duty WHERE name = $1 @lock`, name).Scan(&done, &clock); err != nil {
			return err
		}
		if now = instant(clock); n > 0 {
			now, due = instant(done), true
			return nil
		}
		if last = instant(done); clock < done+every.Milliseconds() {
			return nil
		}
		due = true
		_, err = q.ExecContext(ctx, `UPDATE duty SET done = $2 WHERE name = $1`, name, clock)
		return err
	})
	if err != nil {
		return time.Time{}, time.Time{}, false, fmt.Errorf("asking whose turn it is for %s: %w", name, err)
	}
	return last, now, due, nil
}

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, scan func() (T, error)) ([]T, error) {
	var list []T
	for rows.Next() {
		one, err := scan()
		if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		list = append(list, one)
	}
	return list, errors.Join(rows.Err(), rows.Close())
}
