package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
)

// Options say how a store works; the zero value is good.
type Options struct {
	Workers  int           // repositories worked on at once by this process; 4
	Attempts int           // failures after which a task is parked; 20, which takes two hours
	Lease    time.Duration // after which a silent process counts as dead; 6 s
	Grace    time.Duration // that tasks have to end when Work is to end; 10 s
	Logger   *slog.Logger  // slog.Default
}

// Store is a database and the work that it holds. Its methods may be called at
// once from many goroutines. What fails may be called again: nothing is ever
// half written.
type Store struct {
	backend
	options Options
	wake    chan struct{} // there may be something to do
	living  atomic.Int64  // processes that share the work, as of the last look
}

// backend is what differs between the databases.
type backend interface {
	dialect() dialect
	// read is for statements that change nothing.
	read() querier
	// write runs the function in one transaction; an error rolls it back. The
	// function may run more than once, and with another context than the caller's.
	write(context.Context, func(context.Context, querier) error) error
	close() error
}

// querier is a database, connection or transaction.
type querier interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// dialect is how SQL differs. Statements are written with $1 for arguments and
// the marks @now, @lock and @skip.
type dialect struct {
	Serial, Bytes string // types of columns
	SQLite        bool
	marks         *strings.Replacer
}

// speak translates what a statement leaves open.
func (d dialect) speak(statement string) string { return d.marks.Replace(statement) }

// spoken is a querier that translates.
type spoken struct {
	querier
	dialect
}

func (s spoken) ExecContext(ctx context.Context, q string, args ...any) (sql.Result, error) {
	return s.querier.ExecContext(ctx, s.speak(q), args...)
}

func (s spoken) QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	return s.querier.QueryContext(ctx, s.speak(q), args...)
}

func (s spoken) QueryRowContext(ctx context.Context, q string, args ...any) *sql.Row {
	return s.querier.QueryRowContext(ctx, s.speak(q), args...)
}

// Open opens the database at an address: postgres://… or the path of a SQLite
// file, which is made if it is absent. Its tables are brought up to date; those
// of a newer oakum are refused.
func Open(ctx context.Context, address string, o Options) (*Store, error) {
	b, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, b, newest); err != nil {
		_ = b.close()
		return nil, err
	}
	o.Workers = cmp.Or(max(o.Workers, 0), 4)
	o.Attempts = cmp.Or(max(o.Attempts, 0), 20)
	o.Lease = cmp.Or(max(o.Lease, 0), 6*time.Second)
	o.Grace = cmp.Or(max(o.Grace, 0), 10*time.Second)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	return &Store{backend: b, options: o, wake: make(chan struct{}, 1)}, nil
}

func connect(ctx context.Context, address string) (backend, error) {
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		return openPostgres(ctx, address)
	}
	if scheme, _, ok := strings.Cut(address, "://"); ok {
		return nil, fmt.Errorf("opening the store: %q is no kind of database that oakum knows: give postgres://… or the path of a file", scheme)
	}
	return openSQLite(ctx, address)
}

// Migrate takes the tables at an address to a version, up or down. Going down
// deletes what newer versions have added.
func Migrate(ctx context.Context, address string, version int) error {
	b, err := connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = b.close() }()
	return migrate(ctx, b, version)
}

// Close ends the use of the database; Work must have returned.
func (s *Store) Close() error { return s.close() }

// Ready says whether the database can be written to.
func (s *Store) Ready(ctx context.Context) error {
	_, _, _, err := s.Due(ctx, "ready", 0)
	return err
}

// Processes is how many processes share the work of this store, this one among
// them, as of a lease ago at most.
func (s *Store) Processes() int { return max(int(s.living.Load()), 1) }

// stir has this process look for work now.
func (s *Store) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// moment is a time as tables have it, in milliseconds; instant is its reverse.
func moment(t time.Time) int64 { return t.UnixMilli() }

func instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
