package store

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"text/template"
)

//go:embed migrations/*.sql
var migrations embed.FS

// names are the steps, in order: a step is NNNN_name.up.sql and .down.sql in
// migrations, and never changes once it is released.
var names = [...]string{"0001_queue", "0002_history", "0003_audit"}

// newest is the version of the tables that this program knows.
const newest = len(names)

// migrate takes the tables to a version, all steps in one transaction. Of several
// processes that begin at once one does it, and the others find it done.
func migrate(ctx context.Context, b backend, to int) error {
	if to < 0 || to > newest {
		return fmt.Errorf("migrating the store: there is no version %d: give 0 to %d", to, newest)
	}
	err := b.write(ctx, func(ctx context.Context, q querier) error {
		if !b.dialect().SQLite {
			// Held until the transaction ends; the number is oakum's.
			if _, err := q.ExecContext(ctx, "SELECT pg_advisory_xact_lock(7236846361)"); err != nil {
				return err
			}
		}
		if _, err := q.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS version (version BIGINT NOT NULL)"); err != nil {
			return err
		}
		var at int
		if err := q.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM version").Scan(&at); err != nil {
			return err
		}
		if at > newest {
			return fmt.Errorf("the database has version %d, of a newer oakum; this one knows up to %d: use the newer oakum", at, newest)
		}
		if at == to {
			return nil
		}
		for ; at < to; at++ {
			if err := step(ctx, q, b.dialect(), names[at]+".up.sql"); err != nil {
				return err
			}
		}
		for ; at > to; at-- {
			if err := step(ctx, q, b.dialect(), names[at-1]+".down.sql"); err != nil {
				return err
			}
		}
		if _, err := q.ExecContext(ctx, "DELETE FROM version"); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, "INSERT INTO version VALUES ($1)", to)
		return err
	})
	if err != nil {
		return fmt.Errorf("migrating the store: %w", err)
	}
	return nil
}

// step runs a file of SQL, in which only types and triggers depend on the dialect.
func step(ctx context.Context, q querier, d dialect, name string) error {
	t, err := template.ParseFS(migrations, "migrations/"+name)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := t.Execute(&text, d); err != nil {
		return err
	}
	if _, err := q.ExecContext(ctx, text.String()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
