package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqlite is a file. One goroutine writes: what waits for it is put into one
// transaction, so that many deliveries share one flush to the disk.
type sqlite struct {
	reader, writer *sql.DB
	jobs           chan job
	closing        context.Context
	close_         context.CancelFunc
	done           sync.WaitGroup
}

// job is a function that is to run in a transaction, unless its caller has gone
// before it begins.
type job struct {
	run   func(context.Context, querier) error
	taken *atomic.Bool // by the writer, which runs it, or by the caller, who gives up
	reply chan error   // buffered
}

const (
	maxBatch     = 100
	batchLength  = time.Second // after which no job of a batch begins
	batchTimeout = 10 * time.Second
	patience     = 5 * time.Second // with other processes that use the file
)

func sqliteDialect() dialect {
	return dialect{
		Serial: "INTEGER PRIMARY KEY AUTOINCREMENT", Bytes: "BLOB", SQLite: true,
		marks: strings.NewReplacer("$", "?", "@now", "CAST(unixepoch('subsec') * 1000 AS INTEGER)", "@lock", "", "@skip", ""),
	}
}

func openSQLite(ctx context.Context, path string) (*sqlite, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	// The file has the keys that sign: it is its owner's alone.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	// FULL: a commit is on the disk when it returns, which 202 promises.
	address := fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)",
		(&url.URL{Path: path}).EscapedPath(), patience.Milliseconds())
	s := &sqlite{jobs: make(chan job)}
	if s.writer, err = sql.Open("sqlite", address); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	s.writer.SetMaxOpenConns(1)
	if err := logAhead(ctx, s.writer); err != nil {
		_ = s.writer.Close()
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	if s.reader, err = sql.Open("sqlite", address+"&_pragma=query_only(1)"); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	s.reader.SetMaxOpenConns(4)
	s.closing, s.close_ = context.WithCancel(context.Background())
	s.done.Go(s.loop)
	return s, nil
}

// logAhead gives the file a write-ahead log, which it then keeps. That begins as a
// read and becomes a write, for which SQLite does not wait, as busy_timeout has it
// wait for all else: processes that begin at once take turns here.
func logAhead(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		// The low byte: the others say what it is busy with.
		if e := (*driver.Error)(nil); !errors.As(err, &e) || e.Code()&0xff != sqlite3.SQLITE_BUSY {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}

func (s *sqlite) dialect() dialect { return sqliteDialect() }

func (s *sqlite) read() querier { return spoken{s.reader, sqliteDialect()} }

func (s *sqlite) close() error {
	s.close_()
	s.done.Wait()
	return errors.Join(s.reader.Close(), s.writer.Close())
}

func (s *sqlite) write(ctx context.Context, run func(context.Context, querier) error) error {
	j := job{run, new(atomic.Bool), make(chan error, 1)}
	select {
	case s.jobs <- j:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the database: %w", ctx.Err())
	case <-s.closing.Done():
		return ErrClosed
	}
	select {
	case err := <-j.reply:
		return err
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return fmt.Errorf("waiting for the database: %w", ctx.Err())
		}
		return <-j.reply // it runs, and not for long
	}
}

func (s *sqlite) loop() {
	for {
		select {
		case j := <-s.jobs:
			for left := s.gather(j); len(left) > 0; {
				left = s.batch(left, batchLength)
			}
		case <-s.closing.Done():
			return
		}
	}
}

// gather takes what else waits.
func (s *sqlite) gather(first job) []job {
	batch := []job{first}
	for len(batch) < maxBatch {
		select {
		case j := <-s.jobs:
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// batch runs jobs in one transaction, and returns those left when that has taken
// as long as it may. A job that fails is rolled back alone; when the database fails, all that
// ran have failed.
func (s *sqlite) batch(batch []job, length time.Duration) (left []job) {
	// Not a caller's context: its end would roll back the others' work.
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	began := time.Now()
	errs := make([]error, len(batch))
	err := s.transaction(ctx, func(tx querier) error {
		for i, j := range batch {
			if !j.taken.CompareAndSwap(false, true) {
				continue
			}
			if _, err := tx.ExecContext(ctx, "SAVEPOINT job"); err != nil {
				return err
			}
			end := "RELEASE job"
			if errs[i] = j.run(ctx, tx); errs[i] != nil {
				end = "ROLLBACK TO job; RELEASE job"
			}
			// A full disk ends the whole transaction, and the savepoint with it.
			if _, err := tx.ExecContext(ctx, end); err != nil {
				return errors.Join(errs[i], err)
			}
			if time.Since(began) >= length {
				batch, left = batch[:i+1], batch[i+1:]
				break
			}
		}
		return nil
	})
	for i, j := range batch {
		if err != nil {
			j.reply <- fmt.Errorf("writing to the database: %w", err)
		} else {
			j.reply <- errs[i]
		}
	}
	return left
}

func (s *sqlite) transaction(ctx context.Context, run func(querier) error) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err = run(spoken{conn, sqliteDialect()})
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// Fails when the transaction is gone already, which is as good.
		_, _ = conn.ExecContext(context.Background(), "ROLLBACK")
	}
	return err
}
