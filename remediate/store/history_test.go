package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/remediate/store/storetest"
)

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// TestFindings: first and last seen over scans, in order and out of it.
func TestFindings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{})
		at := func(h int) time.Time { return time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC) }
		scan := func(h, score int, fingerprints ...string) Scan {
			scan := Scan{1, "main", fmt.Sprintf("c%d", h), at(h), score, map[string]int{"high": len(fingerprints)}}
			var open []Finding
			for _, f := range fingerprints {
				open = append(open, Finding{Fingerprint: f, Policy: "p", Severity: "high"})
			}
			if err := s.SaveScan(t.Context(), scan, open); err != nil {
				t.Fatal(err)
			}
			return scan
		}
		findings := func() []Finding {
			list, err := s.Findings(t.Context(), 1, "main")
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		first := scan(1, 60, "a", "b", "b")
		third := scan(3, 70, "b", "c")
		want := []Finding{{"b", "p", "high", at(1), at(3)}, {"c", "p", "high", at(3), at(3)}}
		same(t, "findings", findings(), want)
		second := scan(2, 65, "x") // late: a worker was slow
		same(t, "findings", findings(), want)
		scans, err := s.Scans(t.Context(), 1, "main", 10)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "scans", scans, []Scan{third, second, first})
		scan(3, 70, "b", "c") // once more
		if scans, err = s.Scans(t.Context(), 1, "main", 2); err != nil {
			t.Fatal(err)
		}
		same(t, "scans", scans, []Scan{third, second})
		if other, err := s.Findings(t.Context(), 1, "next"); err != nil || len(other) > 0 {
			t.Errorf("another branch: %v, %v", other, err)
		}

		many := make([]string, maxFindings+10)
		for i := range many {
			many[i] = fmt.Sprint("f", i)
		}
		scan(4, 0, many...)
		if n := len(findings()); n != maxFindings {
			t.Errorf("%d findings kept", n)
		}
		scan(5, 100)
		same(t, "findings", findings(), nil)

		var wg sync.WaitGroup
		save := func(i int) {
			if err := s.SaveScan(t.Context(), Scan{2, "main", "c", at(0).Add(time.Duration(i) * time.Second), 0, nil}, nil); err != nil {
				t.Error(err)
			}
		}
		for i := range maxScans + 4 {
			wg.Go(func() { save(i) })
		}
		wg.Wait()
		save(maxScans + 4)
		if scans, err = s.Scans(t.Context(), 2, "main", 2*maxScans); err != nil || len(scans) != maxScans || !scans[0].At.Equal(at(0).Add((maxScans+4)*time.Second)) {
			t.Errorf("%d scans kept, %v", len(scans), err)
		}
	})
}

// TestPulls: the last word on each is kept.
func TestPulls(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{})
		want := []Pull{
			{Repository: 1, Number: 3, Branch: "oakum/a-1", Title: "seal", State: PullClosed, Findings: []string{"a", "b"}, Decision: Declined, Why: "closed by @ann\x00"},
			{Repository: 1, Number: 12, Branch: "oakum/b-1", Title: "seal b", State: PullOpen},
		}
		for _, p := range []Pull{{Repository: 1, Number: 3, State: PullOpen}, want[1], want[0], {Repository: 2, Number: 3}} {
			if err := s.SavePull(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Pulls(t.Context(), 1)
		if err != nil || len(got) != 2 {
			t.Fatal(got, err)
		}
		for i := range got {
			if age := time.Since(got[i].Updated); age < -time.Minute || age > time.Minute {
				t.Errorf("updated %v", got[i].Updated)
			}
			got[i].Updated = time.Time{}
		}
		want[0].Why = "closed by @ann\uFFFD"
		same(t, "pull requests", got, want)
	})
}

// TestAudit: lines are added, read page by page, and never changed.
func TestAudit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{})
		for i := range 5 {
			if err := s.Record(t.Context(), Entry{Repository: int64(i % 2), Actor: "ann", Action: "ignore", Subject: fmt.Sprint("#", i), Result: "done", Delivery: "guid"}); err != nil {
				t.Fatal(err)
			}
		}
		told := func(repository, before int64, n int) (string, int64) {
			list, err := s.Audit(t.Context(), repository, before, n)
			if err != nil {
				t.Fatal(err)
			}
			var subjects []string
			for _, e := range list {
				subjects = append(subjects, e.Subject)
				before = e.ID
			}
			return strings.Join(subjects, " "), before
		}
		page, before := told(0, 0, 3)
		same(t, "newest", page, "#4 #3 #2")
		page, _ = told(0, before, 3)
		same(t, "next", page, "#1 #0")
		page, _ = told(1, 0, 9)
		same(t, "of one repository", page, "#3 #1")
		for _, statement := range []string{`DELETE FROM audit`, `UPDATE audit SET actor = 'eve'`} {
			err := s.write(t.Context(), func(ctx context.Context, q querier) error {
				_, err := q.ExecContext(ctx, statement)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "append only") {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
}

// TestSecret: the same for all, another for each name.
func TestSecret(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s, other := open(t, address, Options{}), open(t, address, Options{})
		get := func(s *Store, name string) []byte {
			v, err := s.Secret(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		marker := get(s, "marker")
		if len(marker) != 32 || bytes.Equal(marker, make([]byte, 32)) {
			t.Errorf("secret %x", marker)
		}
		if !bytes.Equal(marker, get(other, "marker")) || bytes.Equal(marker, get(s, "other")) {
			t.Error("not one secret a name")
		}
	})
}

// TestForget: a repository that is gone leaves nothing but the audit trail; one
// with work to do stays until that is done.
func TestForget(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{})
		accept(t, s, "a", task(1, Reconcile, "", ``), task(2, Reconcile, "", ``))
		if err := s.SaveScan(t.Context(), Scan{Repository: 1, Branch: "main", At: time.Now()}, []Finding{{Fingerprint: "a"}}); err != nil {
			t.Fatal(err)
		}
		if err := s.SavePull(t.Context(), Pull{Repository: 1, Number: 1}); err != nil {
			t.Fatal(err)
		}
		left := func() string {
			if err := s.Forget(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			scans, err1 := s.Scans(t.Context(), 1, "main", 9)
			findings, err2 := s.Findings(t.Context(), 1, "main")
			pulls, err3 := s.Pulls(t.Context(), 1)
			repositories, err4 := s.Repositories(t.Context())
			for _, err := range []error{err1, err2, err3, err4} {
				if err != nil {
					t.Fatal(err)
				}
			}
			return fmt.Sprint(len(scans), len(findings), len(pulls), repositories)
		}
		same(t, "left", left(), "0 0 0 [{1 7 shop/r1} {2 7 shop/r2}]")
		end := working(t, s, func(context.Context, Repository, Task) error { return nil })
		until(t, "nothing to do", func() bool { return len(waiting(t, s)) == 0 })
		end()
		same(t, "left", left(), "0 0 0 [{2 7 shop/r2}]")
	})
}

// TestPrune: old deliveries are forgotten, and would be fresh again.
func TestPrune(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s := open(t, address, Options{})
		accept(t, s, "old")
		if err := s.write(t.Context(), func(ctx context.Context, q querier) error {
			_, err := q.ExecContext(ctx, `UPDATE delivery SET received = received - $1`, Keep.Milliseconds()+1000)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		accept(t, s, "new")
		end := working(t, s, func(context.Context, Repository, Task) error { return nil })
		defer end()
		count := func() (n int) {
			if err := s.read().QueryRowContext(t.Context(), `SELECT count(*) FROM delivery`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		until(t, "the old one to be forgotten", func() bool { return count() == 1 })
		if accept(t, s, "new") || !accept(t, s, "old") {
			t.Error("the wrong one was forgotten")
		}
	})
}

// TestDue: one of many is told to do it, and again only after a while.
func TestDue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, address string) {
		s, other := open(t, address, Options{}), open(t, address, Options{})
		ask := func(s *Store, every time.Duration) (time.Time, time.Time, bool) {
			last, now, due, err := s.Due(t.Context(), "sweep", every)
			if err != nil {
				t.Fatal(err)
			}
			return last, now, due
		}
		last, first, due := ask(s, time.Hour)
		if !last.IsZero() || !due {
			t.Errorf("the first time: %v, %t", last, due)
		}
		if last, now, due := ask(other, time.Hour); !last.Equal(first) || now.Before(first) || due {
			t.Errorf("too early: %v, %v, %t", last, now, due)
		}
		if last, now, due := ask(other, 0); !last.Equal(first) || now.Before(first) || !due {
			t.Errorf("in time: %v, %v, %t", last, now, due)
		}
	})
}
