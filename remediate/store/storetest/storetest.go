// Package storetest makes empty databases for tests: a SQLite file, and a
// database of the PostgreSQL server that OAKUM_POSTGRES names, which .ci/postgres
// starts.
package storetest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Each runs a test on each kind of database, at once.
func Each(t *testing.T, test func(t *testing.T, address string)) {
	t.Parallel()
	for name, address := range map[string]func(testing.TB) string{"sqlite": SQLite, "postgres": Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, address(t))
		})
	}
}

// SQLite is the path of a file that is not there yet.
func SQLite(t testing.TB) string { return filepath.Join(t.TempDir(), "oakum.db") }

// Postgres is the address of a new database, dropped after the test. Without a
// server the test is skipped, unless OAKUM_STRICT is set.
func Postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("OAKUM_POSTGRES")
	if server == "" {
		if os.Getenv("OAKUM_STRICT") != "" {
			t.Fatal("OAKUM_POSTGRES is not set: run the tests under .ci/postgres")
		}
		t.Skip("OAKUM_POSTGRES is not set: run the tests under .ci/postgres")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	name := "oakum_" + strings.ToLower(rand.Text())
	run(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { run(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

func run(t testing.TB, server, statement string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}
