package github_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github"
	"github.com/oakum-dev/oakum/remediate/github/githubtest"
)

const marker = "<!-- oakum:sticky -->"

// write is something that must happen once, whatever happens to its requests.
type write struct {
	request string // of the write itself
	do      func(ctx context.Context, r *github.Repo, number int, commit string) error
	made    func(w *world, number int, commit string) int
}

var writes = map[string]write{
	"comment": {
		`^POST .*/comments$`,
		func(ctx context.Context, r *github.Repo, number int, _ string) error {
			_, err := r.PutComment(ctx, number, marker, "hello "+marker)
			return err
		},
		func(w *world, number int, _ string) int { return len(w.Server.Comments(number)) },
	},
	"issue": {
		`^POST .*/issues$`,
		func(ctx context.Context, r *github.Repo, _ int, _ string) error {
			_, err := r.PutIssue(ctx, marker, remediate.Issue{Title: "Dashboard", Body: marker})
			return err
		},
		func(w *world, _ int, _ string) int { return len(w.Server.Issues()) },
	},
	"check": {
		`^POST .*/check-runs$`,
		func(ctx context.Context, r *github.Repo, _ int, commit string) error {
			_, err := r.CreateCheck(ctx, remediate.Check{Name: "oakum", Commit: commit, Key: "1", Status: remediate.CheckCompleted, Conclusion: remediate.CheckSuccess})
			return err
		},
		func(w *world, _ int, commit string) int { return len(w.Server.Checks(commit)) },
	},
	"annotations": {
		`^PATCH .*/check-runs/`,
		func(ctx context.Context, r *github.Repo, _ int, commit string) error {
			c := remediate.Check{Name: "oakum", Commit: commit, Key: "1", Status: remediate.CheckCompleted, Conclusion: remediate.CheckSuccess, Title: "t", Summary: "s"}
			for i := range 150 {
				c.Annotations = append(c.Annotations, remediate.Annotation{Path: "x", Line: i + 1, Level: remediate.LevelNotice, Message: "m"})
			}
			_, err := r.CreateCheck(ctx, c)
			return err
		},
		func(w *world, _ int, commit string) int {
			all := w.Server.Checks(commit)
			if len(all) != 1 || all[0].Status != "completed" {
				return 0
			}
			return len(all[0].Annotations) / 150
		},
	},
	"review": {
		`^POST .*/reviews$`,
		func(ctx context.Context, r *github.Repo, number int, commit string) error {
			_, err := r.Review(ctx, number, remediate.Review{Commit: commit, Body: marker, Suggestions: []remediate.Suggestion{{Path: "apps/web.yaml", Line: 3, Body: "x"}}})
			return err
		},
		func(w *world, number int, _ string) int { return len(w.Reviews(number)) },
	},
}

// TestWritesHappenOnce: their answers get lost, GitHub is out of order or wants
// patience, the token ends; what they make is there once in the end, at the
// latest after the whole was done once more.
func TestWritesHappenOnce(t *testing.T) {
	t.Parallel()
	const secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
	faults := map[string]githubtest.Effect{
		"answer lost":       githubtest.DropAnswer,
		"cut":               githubtest.Drop,
		"502":               githubtest.Respond(502, "Bad Gateway"),
		"429":               githubtest.Respond(429, "slow down", "Retry-After", "7"),
		"secondary":         githubtest.Respond(403, secondary, "Retry-After", "60"),
		"secondary, untold": githubtest.Respond(403, secondary),
		"401":               githubtest.Respond(401, "Bad credentials"),
		"other host":        githubtest.Redirect(307),
	}
	for what, write := range writes {
		for how, effect := range faults {
			t.Run(what+" "+how, func(t *testing.T) {
				w := newWorld(t)
				head := w.branchOf("a")
				number := w.OpenPull("ada", "a", "main", "a", "")
				r := w.shop()
				w.Inject(githubtest.Fault{Request: write.request, Effect: effect})
				for range 2 {
					err := write.do(t.Context(), r, number, head)
					if err == nil {
						break
					}
					w.heard(err.Error())
				}
				if err := write.do(t.Context(), r, number, head); what != "review" && err != nil { // reviews are not kept up to date
					t.Error(err)
				}
				n := write.made(w, number, head)
				if what == "review" {
					n-- // the last one
				}
				if n != 1 || w.Pending() > 0 {
					t.Errorf("made %d times, %d faults did not happen", n, w.Pending())
				}
			})
		}
	}
}

// TestLostAndLagging: the answer gets lost, and for a while the listing does
// not show what was made.
func TestLostAndLagging(t *testing.T) {
	t.Parallel()
	for what, listing := range map[string]string{"comment": `^GET .*/comments$`, "issue": `^GET .*/issues$`, "check": `^GET .*/check-runs$`} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			head := w.branchOf("a")
			number := w.OpenPull("ada", "a", "main", "a", "")
			r := w.shop()
			w.Inject(githubtest.Fault{Request: writes[what].request, Effect: githubtest.DropAnswer})
			w.Inject(githubtest.Fault{Request: listing, Skip: 1, Times: 3, Effect: githubtest.Show(w.Now())})
			if err := writes[what].do(t.Context(), r, number, head); err != nil {
				t.Error(err)
			}
			if n := writes[what].made(w, number, head); n != 1 || w.Pending() > 0 {
				t.Errorf("made %d times, %d faults did not happen", n, w.Pending())
			}
		})
	}
}

// TestNoTokenInErrors: whatever GitHub puts into its answers.
func TestNoTokenInErrors(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	secret, err := r.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{400, 403, 404, 409, 410, 422} {
		w.Inject(githubtest.Fault{Request: `^GET .*/repos/acme/shop$`, Effect: githubtest.Respond(status, "no: "+secret+" eyJhbGciOi.eyJpc3MiOi.c2ln")})
		_, err := r.About(t.Context())
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) || strings.Contains(err.Error(), "eyJ") || !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("%d: %v", status, err)
		}
	}
	w.Expire()
	w.Inject(githubtest.Fault{Request: `access_tokens$`, Effect: githubtest.Respond(403, secret)})
	if _, err := r.About(t.Context()); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("error %v", err)
	}
}

// TestDeliveries: those that failed are found and sent again, once.
func TestDeliveries(t *testing.T) {
	w := newWorld(t)
	receiver := newReceiver(t)
	w.Webhook(receiver.URL, "secret")
	since := w.clock.Now()
	n := w.OpenIssue("ada", "one", "")
	w.Settle()
	receiver.answer(503)
	w.Comment("ada", n, "two")
	w.EditIssue("ada", n, func(i *githubtest.Issue) { i.Body = "three" })
	w.Settle()
	receiver.answer(202)
	failed, err := w.hub.FailedDeliveries(t.Context(), since)
	if err != nil || len(failed) != 2 || failed[0].Status != 503 {
		t.Fatalf("failed %+v, %v", failed, err)
	}
	for _, f := range failed {
		if err := w.hub.Redeliver(t.Context(), f.ID); err != nil {
			t.Error(err)
		}
	}
	w.Settle()
	if failed, err := w.hub.FailedDeliveries(t.Context(), since); err != nil || len(failed) > 0 {
		t.Errorf("still failed: %+v, %v", failed, err)
	}
	_ = w.clock.Sleep(t.Context(), time.Hour)
	if old, err := w.hub.FailedDeliveries(t.Context(), w.clock.Now()); err != nil || len(old) > 0 {
		t.Errorf("old: %+v, %v", old, err)
	}
	err = w.hub.Redeliver(t.Context(), 1)
	var refusal *remediate.Refusal
	if !errors.As(err, &refusal) {
		t.Errorf("a delivery that is not there: %v", err)
	}
	// Nobody answers at all.
	receiver.Close()
	w.Comment("ada", n, "four")
	w.Settle()
	if failed, err := w.hub.FailedDeliveries(t.Context(), since); err != nil || len(failed) != 1 || failed[0].Status != 0 {
		t.Errorf("failed %+v, %v", failed, err)
	}
}
