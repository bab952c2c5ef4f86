package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgres is a server that several processes share.
type postgres struct{ db *sql.DB }

func postgresDialect() dialect {
	return dialect{
		Serial: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", Bytes: "BYTEA",
		marks: strings.NewReplacer(
			"@now", "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)", "@lock", "FOR UPDATE", "@skip", "FOR UPDATE SKIP LOCKED"),
	}
}

func openPostgres(ctx context.Context, address string) (*postgres, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		// The error has the address, and the address may have a password.
		return nil, errors.New("opening the store: the address of PostgreSQL is not valid: it looks like postgres://user:password@host:5432/database")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "oakum"
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(8)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("opening the store: PostgreSQL at %s: %w", config.Host, err)
	}
	return &postgres{db}, nil
}

func (p *postgres) dialect() dialect { return postgresDialect() }

func (p *postgres) read() querier { return spoken{p.db, postgresDialect()} }

func (p *postgres) close() error { return p.db.Close() }

// write tries again when the server chose this transaction to end a deadlock.
func (p *postgres) write(ctx context.Context, run func(context.Context, querier) error) error {
	for try := 1; ; try++ {
		err := p.transaction(ctx, run)
		if broken := (*pgconn.PgError)(nil); try < 5 && errors.As(err, &broken) && (broken.Code == "40P01" || broken.Code == "40001") {
			continue
		}
		return err
	}
}

func (p *postgres) transaction(ctx context.Context, run func(context.Context, querier) error) error {
	tx, err := p.db.BeginTx(ctx, nil) // read committed: every statement sees what was committed before it
	if err != nil {
		return fmt.Errorf("writing to the database: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing after a commit
	if err := run(ctx, spoken{tx, postgresDialect()}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("writing to the database: %w", err)
	}
	return nil
}
