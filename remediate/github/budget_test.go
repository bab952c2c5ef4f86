package github_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github"
)

// TestBudget: what is left is told, and what is used up puts work off instead
// of sleeping through it.
func TestBudget(t *testing.T) {
	w := newWorld(t, func(o *github.Options) { o.MaxWait = 20 * time.Second })
	w.Limit(3)
	r := w.shop() // with a token of the App itself, which counts apart
	for range 3 {
		if _, err := r.Issues(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
	}
	before := w.clock.Now()
	_, err := r.Issues(t.Context(), "x")
	var later *remediate.Later
	if !errors.As(err, &later) || !later.Until.After(before.Add(50*time.Minute)) || !strings.Contains(err.Error(), "run again after") {
		t.Fatalf("error %v", err)
	}
	if w.clock.Now() != before {
		t.Error("it slept")
	}
	last := w.budgets[len(w.budgets)-1]
	if last.Installation != 101 || last.Resource != "core" || last.Limit != 3 || last.Remaining != 0 || last.Reset.Before(before) {
		t.Errorf("budget %+v", last)
	}
	_ = w.clock.Sleep(t.Context(), time.Hour)
	if _, err := r.Issues(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

// TestHourOfContent: four hundred things that people are told of, no more,
// whichever repositories they are in.
func TestHourOfContent(t *testing.T) {
	w := newWorld(t, func(o *github.Options) { o.MaxWait = 20 * time.Second })
	r, n := w.shop(), w.OpenIssue("ada", "x", "")
	began := w.clock.Now()
	var later *remediate.Later
	made := 0
	for ; made < 500; made++ {
		if _, err := r.CreateComment(t.Context(), n, "hello"); errors.As(err, &later) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if made != 400 || w.clock.Now().Sub(began) != 399*time.Second || later.Until != began.Add(time.Hour) {
		t.Errorf("%d comments in %v, then later than %v", made, w.clock.Now().Sub(began), later)
	}
}

// TestHourOfContentShared: processes that write as one App have its hour and its
// seconds together, each its part, also when one more comes.
func TestHourOfContentShared(t *testing.T) {
	processes := 3
	w := newWorld(t, func(o *github.Options) {
		o.MaxWait, o.Processes = 20*time.Second, func() int { return processes }
	})
	r, n := w.shop(), w.OpenIssue("ada", "x", "")
	began := w.clock.Now()
	var later *remediate.Later
	made := 0
	for ; made < 500; made++ {
		if made == 60 {
			processes = 4
		}
		if _, err := r.CreateComment(t.Context(), n, "hello"); errors.As(err, &later) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if took := w.clock.Now().Sub(began); made != 100 || took != (60*3+39*4)*time.Second || later.Until != began.Add(time.Hour) {
		t.Errorf("%d comments in %v, then later than %v", made, took, later)
	}
}

// TestUnchangedAnswersAreFree: GitHub does not count a question whose answer is
// the same.
func TestUnchangedAnswersAreFree(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	n := w.OpenIssue("ada", "x", "")
	w.Comment("ada", n, "one")
	count := func(want int) {
		t.Helper()
		if all, err := r.Comments(t.Context(), n); err != nil || len(all) != want {
			t.Errorf("%d comments, %v; want %d", len(all), err, want)
		}
	}
	count(1)
	w.Requests()
	count(1)
	if sent := w.Requests(); len(sent) != 1 || sent[0].Status != 304 {
		t.Errorf("sent %v", sent)
	}
	w.Comment("ada", n, "two")
	count(2)
	count(2)
}
