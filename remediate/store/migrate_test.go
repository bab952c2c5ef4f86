package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate/store/storetest"
)

// schema is every column, index and trigger of a database, one a line.
func schema(t *testing.T, b backend) []string {
	t.Helper()
	query := `SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1`
	if !b.dialect().SQLite {
		query = `SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable FROM information_schema.columns WHERE table_schema = 'public'
			UNION SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
			UNION SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
			UNION SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
			UNION SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1`
	}
	rows, err := b.read().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	list, err := collect(rows, func() (line string, err error) { return line, rows.Scan(&line) })
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestMigrations: every step down takes back what the step up did, and up again
// gives the same.
func TestMigrations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		b, err := connect(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.close() }()
		to := func(version int) []string {
			if err := Migrate(t.Context(), address, version); err != nil {
				t.Fatal(err)
			}
			return schema(t, b)
		}
		var up [newest + 1][]string
		for v := range newest + 1 {
			up[v] = to(v)
			if v > 0 && len(up[v]) <= len(up[v-1]) {
				t.Errorf("version %d adds nothing", v)
			}
		}
		for v := newest; v >= 0; v-- {
			equal(t, to(v), up[v])
		}
		equal(t, to(newest), up[newest])
		equal(t, to(newest), up[newest])

		for _, v := range []int{-1, newest + 1} {
			if err := Migrate(t.Context(), address, v); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("no version %d", v)) {
				t.Errorf("to %d: %v", v, err)
			}
		}
		if err := b.write(t.Context(), func(ctx context.Context, q querier) error {
			_, err := q.ExecContext(ctx, `UPDATE version SET version = version + 1`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), address, Options{}); err == nil || !strings.Contains(err.Error(), "of a newer oakum") {
			t.Errorf("opened tables of a newer version: %v", err)
		}
		if err := Migrate(t.Context(), address, 0); err == nil {
			t.Error("migrated tables of a newer version")
		}
	})
}

// TestMigrateAtOnce: replicas that start together.
func TestMigrateAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				s, err := Open(t.Context(), address, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = s.Close() }()
				if err := s.Ready(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// TestFirstOpen: a new file is given its write-ahead log when no other process
// writes to it. SQLite itself does not wait for that.
func TestFirstOpen(t *testing.T) {
	t.Parallel()
	path := storetest.SQLite(t)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	other, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, path, Options{}); err == nil || ctx.Err() == nil {
		t.Errorf("did not wait for the other process: %v", err)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, Options{})
	var mode string
	if err := s.read().QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal mode %q, %v", mode, err)
	}
}

// TestMigrationFiles: the list names every file, and no other.
func TestMigrationFiles(t *testing.T) {
	t.Parallel()
	var want []string
	for _, n := range names {
		want = append(want, "migrations/"+n+".down.sql", "migrations/"+n+".up.sql")
	}
	got, err := fs.Glob(migrations, "migrations/*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	equal(t, got, want)
}

// TestOpen: addresses that are wrong, and who may read the file.
func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for address, want := range map[string]string{
		"mysql://root@localhost/x":                `"mysql" is no kind of database`,
		"postgres://user:hunter2@localhost:bad/x": "the address of PostgreSQL is not valid",
		"postgres://user:hunter2@127.0.0.1:1/x":   "PostgreSQL at 127.0.0.1",
		dir:                                       "is a directory",
		"postgresql://user:hunter2@127.0.0.1:1/x?a=b&c": "PostgreSQL",
	} {
		if _, err := Open(t.Context(), address, Options{}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	odd := dir + "/new dir/o#k?um%41.db"
	s := open(t, odd, Options{})
	if info, err := os.Stat(odd); err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(dir+"/text", []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir+"/text", Options{}); err == nil || !strings.Contains(err.Error(), "not a database") {
		t.Errorf("opened a text: %v", err)
	}
}
