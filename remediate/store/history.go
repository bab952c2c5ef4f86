package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Bounds of what is kept of a branch.
const (
	maxScans    = 1000
	maxFindings = 50_000
)

// SaveScan keeps what a scan found: its score and counts among the last 1,000 of
// the branch, and the open findings in place of those of the scan before. A
// finding that was open keeps its First; Last is the time of the scan. Of more
// than 50,000 the first are kept. A scan older than the last one kept changes
// the history and not the findings.
func (s *Store) SaveScan(ctx context.Context, scan Scan, open []Finding) error {
	if err := s.saveScan(ctx, scan, open); err != nil {
		return fmt.Errorf("saving the scan of %s at %s: %w", scan.Branch, scan.Commit, err)
	}
	return nil
}

func (s *Store) saveScan(ctx context.Context, scan Scan, open []Finding) error {
	counts, err := json.Marshal(scan.Counts)
	if err != nil {
		return err
	}
	at, branch := moment(scan.At), clean(scan.Branch)
	for saved := false; !saved; {
		// Thousands of findings take a while to pack, and nobody else can write
		// in a transaction of that length.
		var last int64
		var packed []byte
		err := s.read().QueryRowContext(ctx, `SELECT at, findings FROM branch WHERE repository = $1 AND branch = $2`, scan.Repository, branch).Scan(&last, &packed)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if at >= last {
			if packed, err = repack(packed, at, open); err != nil {
				return err
			}
		}
		err = s.write(ctx, func(ctx context.Context, q querier) error {
			if _, err := q.ExecContext(ctx, `INSERT INTO scan (repository, branch, hash, at, score, counts) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (repository, branch, at, hash) DO UPDATE SET score = excluded.score, counts = excluded.counts`,
				scan.Repository, branch, clean(scan.Commit), at, scan.Score, string(counts)); err != nil {
				return err
			}
			if _, err := q.ExecContext(ctx, `DELETE FROM scan WHERE repository = $1 AND branch = $2 AND at <
				(SELECT at FROM scan WHERE repository = $1 AND branch = $2 ORDER BY at DESC LIMIT 1 OFFSET $3)`,
				scan.Repository, branch, maxScans-1); err != nil {
				return err
			}
			if saved = at < last; saved {
				return nil
			}
			n, err := affected(q.ExecContext(ctx, `INSERT INTO branch (repository, branch, at, findings) VALUES ($1, $2, $3, $4)
				ON CONFLICT (repository, branch) DO UPDATE SET at = excluded.at, findings = excluded.findings
				WHERE branch.at = $5`, scan.Repository, branch, at, packed, last))
			saved = n > 0 // or another scan was kept meanwhile
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// repack is what is kept of the findings of a scan, after those of the one before.
func repack(packed []byte, at int64, open []Finding) ([]byte, error) {
	var before map[string]seen
	if len(packed) > 0 {
		var err error
		if before, err = unpack(packed); err != nil {
			return nil, err
		}
	}
	after := map[string]seen{}
	for _, f := range open {
		if fingerprint := clean(f.Fingerprint); len(after) < maxFindings {
			now := seen{Policy: f.Policy, Severity: f.Severity, First: at}
			if old, was := before[fingerprint]; was {
				now.First = old.First
			}
			after[fingerprint] = now
		}
	}
	return pack(after)
}

// seen is a finding as it is kept, by its fingerprint. All of a branch are in one
// value: they are read and written together, and a row each would take a
// transaction of seconds, in which nothing else is written.
type seen struct {
	Policy   string `json:"p"`
	Severity string `json:"s"`
	First    int64  `json:"f"`
}

func pack(findings map[string]seen) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		err = errors.Join(json.NewEncoder(z).Encode(findings), z.Close())
	}
	return b.Bytes(), err
}

func unpack(packed []byte) (findings map[string]seen, err error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err == nil {
		err = json.NewDecoder(z).Decode(&findings)
	}
	if err != nil {
		return nil, fmt.Errorf("findings that were kept: %w", err)
	}
	return findings, nil
}

// Scans are the last scans of a branch, newest first, at most n.
func (s *Store) Scans(ctx context.Context, repository int64, branch string, n int) ([]Scan, error) {
	rows, err := s.read().QueryContext(ctx, `SELECT hash, at, score, counts FROM scan WHERE repository = $1 AND branch = $2
		ORDER BY at DESC, hash LIMIT $3`, repository, clean(branch), n)
	if err != nil {
		return nil, fmt.Errorf("listing scans: %w", err)
	}
	list, err := collect(rows, func() (Scan, error) {
		scan := Scan{Repository: repository, Branch: branch}
		var at int64
		var counts string
		if err := rows.Scan(&scan.Commit, &at, &scan.Score, &counts); err != nil {
			return Scan{}, err
		}
		scan.At = instant(at)
		return scan, json.Unmarshal([]byte(counts), &scan.Counts)
	})
	if err != nil {
		return nil, fmt.Errorf("listing scans: %w", err)
	}
	return list, nil
}

// Findings are those that the last scan of a branch left open, by fingerprint.
func (s *Store) Findings(ctx context.Context, repository int64, branch string) ([]Finding, error) {
	var at int64
	var packed []byte
	err := s.read().QueryRowContext(ctx, `SELECT at, findings FROM branch WHERE repository = $1 AND branch = $2`, repository, clean(branch)).Scan(&at, &packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	var findings map[string]seen
	if err == nil {
		findings, err = unpack(packed)
	}
	if err != nil {
		return nil, fmt.Errorf("listing findings: %w", err)
	}
	var list []Finding
	for _, fingerprint := range slices.Sorted(maps.Keys(findings)) {
		f := findings[fingerprint]
		list = append(list, Finding{fingerprint, f.Policy, f.Severity, instant(f.First), instant(at)})
	}
	return list, nil
}

// SavePull keeps what is known of a pull request in place of what was.
func (s *Store) SavePull(ctx context.Context, p Pull) error {
	findings, err := json.Marshal(p.Findings)
	if err == nil {
		err = s.write(ctx, func(ctx context.Context, q querier) error {
			_, err := q.ExecContext(ctx, `INSERT INTO pull (repository, number, branch, title, state, findings, decision, why, updated)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, @now)
				ON CONFLICT (repository, number) DO UPDATE SET branch = excluded.branch, title = excluded.title, state = excluded.state,
					findings = excluded.findings, decision = excluded.decision, why = excluded.why, updated = excluded.updated`,
				p.Repository, p.Number, clean(p.Branch), clean(p.Title), string(p.State), string(findings), string(p.Decision), clean(p.Why))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("saving pull request %d: %w", p.Number, err)
	}
	return nil
}

// Pulls are the repository's pull requests that are known, by number.
func (s *Store) Pulls(ctx context.Context, repository int64) ([]Pull, error) {
	rows, err := s.read().QueryContext(ctx, `SELECT number, branch, title, state, findings, decision, why, updated
		FROM pull WHERE repository = $1 ORDER BY number`, repository)
	if err != nil {
		return nil, fmt.Errorf("listing pull requests: %w", err)
	}
	list, err := collect(rows, func() (Pull, error) {
		p := Pull{Repository: repository}
		var findings string
		var updated int64
		if err := rows.Scan(&p.Number, &p.Branch, &p.Title, &p.State, &findings, &p.Decision, &p.Why, &updated); err != nil {
			return Pull{}, err
		}
		p.Updated = instant(updated)
		return p, json.Unmarshal([]byte(findings), &p.Findings)
	})
	if err != nil {
		return nil, fmt.Errorf("listing pull requests: %w", err)
	}
	return list, nil
}

// Record adds a line to the audit trail; its ID and time are given by the store.
// A line is never changed or deleted.
func (s *Store) Record(ctx context.Context, e Entry) error {
	err := s.write(ctx, func(ctx context.Context, q querier) error {
		_, err := q.ExecContext(ctx, `INSERT INTO audit (at, repository, actor, action, subject, result, delivery)
			VALUES (@now, $1, $2, $3, $4, $5, $6)`,
			e.Repository, clean(e.Actor), clean(e.Action), clean(e.Subject), clean(e.Result), clean(e.Delivery))
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping the audit trail: %w", err)
	}
	return nil
}

// Audit is the trail of one repository or (0) of all, newest first: at most n
// lines with an ID below before (0: from the newest).
func (s *Store) Audit(ctx context.Context, repository, before int64, n int) ([]Entry, error) {
	rows, err := s.read().QueryContext(ctx, `SELECT id, at, repository, actor, action, subject, result, delivery FROM audit
		WHERE (CAST($1 AS BIGINT) = 0 OR repository = $1) AND (CAST($2 AS BIGINT) = 0 OR id < $2) ORDER BY id DESC LIMIT $3`, repository, before, n)
	if err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	list, err := collect(rows, func() (e Entry, err error) {
		var at int64
		err = rows.Scan(&e.ID, &at, &e.Repository, &e.Actor, &e.Action, &e.Subject, &e.Result, &e.Delivery)
		e.At = instant(at)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	return list, nil
}

// Secret is 32 random bytes, made when a name is asked for the first time, and
// the same for every process ever after.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	ask := func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT value FROM secret WHERE name = $1`, name).Scan(&value)
	}
	err := ask(s.read())
	if errors.Is(err, sql.ErrNoRows) {
		err = s.write(ctx, func(ctx context.Context, q querier) error {
			fresh := make([]byte, 32)
			_, _ = rand.Read(fresh) // never fails
			_, err := q.ExecContext(ctx, `INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, fresh)
			return err
		})
		if err == nil {
			err = ask(s.read())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the secret %s: %w", name, err)
	}
	return value, nil
}
