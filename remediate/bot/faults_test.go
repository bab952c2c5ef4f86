package bot_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github/githubtest"
	"github.com/oakum-dev/oakum/remediate/store"
)

// again does a task until it ends, as a store does, and says how often it
// failed before. It fails the test if the task is parked, or never ends.
func (w *world) again(kind store.Kind, key string, ask store.Ask) (failed int) {
	w.t.Helper()
	t := w.task(kind, key, ask)
	for ; t.Attempts < 20; t.Attempts++ {
		switch err := w.bot.Work(w.t.Context(), w.repository(), t); {
		case err == nil || store.IsLater(err):
			return t.Attempts
		case store.IsParked(err):
			w.t.Fatalf("%s was parked: %v", kind, err)
		}
	}
	w.t.Fatalf("%s never ends\n%s", kind, w.log)
	return 0
}

// behind shows git a branch where it was before.
func behind(branch, commit string) githubtest.Effect {
	return func(s *githubtest.Server, rw http.ResponseWriter, r *http.Request, next http.Handler) {
		now := s.Head(branch)
		s.Git("update-ref", "refs/heads/"+branch, commit)
		next.ServeHTTP(rw, r)
		s.Git("update-ref", "refs/heads/"+branch, now)
	}
}

// TestEventsAreFaster: GitHub tells of something that it does not show yet.
func TestEventsAreFaster(t *testing.T) {
	newLagging := func(t *testing.T) *world {
		w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": clean("a"), "d/pod.yaml": privileged("d")})
		w.reconcile()
		w.pass(1e9)
		return w
	}
	t.Run("push", func(t *testing.T) {
		w := newLagging(t)
		before := w.Head("main")
		commit := w.Commit("main", "a push", map[string]string{"a/pod.yaml": privileged("a")})
		w.Inject(githubtest.Fault{Request: `^GET .*/info/refs`, Times: 2, Effect: behind("main", before)})
		if n := w.again(store.Reconcile, "", store.Ask{Commit: commit}); n == 0 || len(w.open()) != 2 {
			t.Errorf("%d failed, %d are open, want 2", n, len(w.open()))
		}
		// Of an older push nothing is expected any more, nor of one that was taken back.
		for _, old := range []string{before, strings.Repeat("1", 40)} {
			if n := w.again(store.Reconcile, "", store.Ask{Commit: old}); n > 4 {
				t.Errorf("%d failed for %s", n, old)
			}
		}
	})
	t.Run("push to a pull request", func(t *testing.T) {
		w := newLagging(t)
		n := w.proposed("feature", map[string]string{"b/pod.yaml": clean("b")})
		w.preview(n)
		then := w.Now()
		w.pass(1e9)
		head := w.Commit("feature", "worse", map[string]string{"b/pod.yaml": privileged("b")})
		w.Inject(githubtest.Fault{Request: fmt.Sprintf(`^GET .*/pulls/%d$`, n), Times: 2, Effect: githubtest.Show(then)})
		if failed := w.again(store.Preview, fmt.Sprint(n), store.Ask{Number: n, Commit: head, Updated: w.clock.Now()}); failed != 2 {
			t.Errorf("%d failed, want 2", failed)
		}
		if c := w.check(head); c.Conclusion != "failure" {
			t.Errorf("check %+v", c)
		}
	})
	t.Run("closed", func(t *testing.T) {
		w := newLagging(t)
		p, then := w.one(), w.Now()
		w.Close(p.Number)
		w.Inject(githubtest.Fault{Request: `^GET .*/pulls`, Times: 3, Effect: githubtest.Show(then)})
		if failed := w.again(store.Follow, fmt.Sprint(p.Number), store.Ask{Number: p.Number, Updated: w.clock.Now()}); failed != 3 {
			t.Errorf("%d failed, want 3", failed)
		}
		if _, body := w.dashboard(); !strings.Contains(body, "## Declined") {
			t.Errorf("the dashboard:\n%s", body)
		}
	})
	t.Run("command", func(t *testing.T) {
		w := newLagging(t)
		p, then := w.one(), w.Now()
		id := w.Comment("ada", p.Number, "/oakum help")
		w.Inject(githubtest.Fault{Request: `^GET .*/issues/comments/`, Times: 2, Effect: githubtest.Show(then)})
		ask := store.Ask{Comment: id, Number: p.Number, Lines: []string{"/oakum help"}}
		if failed := w.again(store.Command, fmt.Sprint(id), ask); failed != 2 || len(w.Comments(p.Number)) != 2 {
			t.Errorf("%d failed, %d comments", failed, len(w.Comments(p.Number)))
		}
		ask.Comment = id + 1000 // it was deleted
		if failed := w.again(store.Command, fmt.Sprint(ask.Comment), ask); failed > 4 {
			t.Errorf("a deleted one failed %d times", failed)
		}
	})
	t.Run("tick", func(t *testing.T) {
		w := newLagging(t)
		w.Close(w.one().Number)
		w.do(store.Follow, fmt.Sprint(w.Pulls()[0].Number), store.Ask{})
		number, _ := w.dashboard()
		then := w.Now()
		w.pass(1e9)
		tick(w, number, "oakum:undo")
		w.Inject(githubtest.Fault{Request: `^GET .*/issues$`, Times: 2, Effect: githubtest.Show(then)})
		if failed := w.again(store.Tick, fmt.Sprint(number), store.Ask{Number: number, Updated: w.clock.Now()}); failed != 2 {
			t.Errorf("%d failed, want 2", failed)
		}
		w.one()
	})
}

// TestJustRenamed: for a while a repository is found by neither of its names.
func TestJustRenamed(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	r := w.repository()
	w.Rename("acme/store")
	w.Inject(githubtest.Fault{Request: `^(GET|POST) .*(/repos/|/repositories/|\.git/)`, Times: 12, Effect: githubtest.Respond(404, "Not Found")})
	failed := 0
	for ; w.Pending() > 0; failed++ {
		if err := w.bot.Work(t.Context(), r, store.Task{Repository: r, Kind: store.Reconcile}); err == nil || store.IsParked(err) {
			t.Fatalf("error %v, want one after which it is tried again", err)
		}
	}
	if failed == 0 || failed > 12 {
		t.Errorf("%d attempts", failed)
	}
	if err := w.bot.Work(t.Context(), r, store.Task{Repository: r, Kind: store.Reconcile}); err != nil {
		t.Fatal(err)
	}
	w.one()
}

// during does something while a request is carried out, once.
func (w *world) during(request string, do func()) {
	w.Inject(githubtest.Fault{Request: request, Effect: func(_ *githubtest.Server, rw http.ResponseWriter, r *http.Request, next http.Handler) {
		do()
		next.ServeHTTP(rw, r)
	}})
}

// TestChangedInTheMiddle lets an owner switch things off at every write of a
// task, and on again: it is parked with the reason, and comes to its end then.
func TestChangedInTheMiddle(t *testing.T) {
	for name, c := range map[string]struct {
		off, on func(*world)
		reason  string
	}{
		"suspended": {func(w *world) { w.Installation().Suspend(true) }, func(w *world) { w.Installation().Suspend(false) }, "suspended"},
		"archived":  {func(w *world) { w.Archive(true) }, func(w *world) { w.Archive(false) }, "archived"},
	} {
		for _, at := range []string{`^POST .*/git/trees$`, `^POST .*/git/commits$`, `^POST .*/git/refs$`, `^POST .*/pulls$`, `^POST .*/labels$`, `^POST .*/issues$`} {
			t.Run(name+" "+at[len(`^POST .*`):len(at)-1], func(t *testing.T) {
				w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
				w.during(at, func() { c.off(w) })
				err := w.try(store.Reconcile, "", store.Ask{})
				if !store.IsParked(err) || !strings.Contains(err.Error(), c.reason) {
					t.Fatalf("error %v, want it parked: %s", err, c.reason)
				}
				c.on(w)
				w.reconcile()
				w.one()
				if n := len(w.Pulls()) + len(w.Issues()); n != 2 {
					t.Errorf("%d pull requests and issues, want one of each", n)
				}
				w.quiet(w.reconcile)
			})
		}
	}
}

// TestParkedUntilUnsuspended: what was parked meanwhile is done when the
// installation is back.
func TestParkedUntilUnsuspended(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": clean("a")})
	n := w.proposed("feature", map[string]string{"b/pod.yaml": privileged("b")})
	in := w.Installation()
	in.Suspend(true)
	if err := w.store.Add(t.Context(), 0, w.task(store.Preview, fmt.Sprint(n), store.Ask{Number: n})); err != nil {
		t.Fatal(err)
	}
	parked := make(chan struct{})
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	working := make(chan error, 1)
	go func() {
		working <- w.store.Work(ctx, func(ctx context.Context, r store.Repository, task store.Task) error {
			err := w.bot.Work(ctx, r, task)
			switch {
			case task.Kind == store.Preview && store.IsParked(err):
				close(parked)
			case task.Kind == store.Preview && err == nil:
				close(done)
			}
			return err
		})
	}()
	defer func() {
		cancel()
		if err := <-working; err != nil {
			t.Error(err)
		}
	}()
	<-parked
	in.Suspend(false)
	for { // until the store has it parked, too
		all, err := w.store.Waiting(t.Context(), w.ID)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(all, func(w store.Waiting) bool { return w.State == store.StateParked }) {
			break
		}
	}
	if err := w.store.Add(t.Context(), 0, store.Task{Repository: store.Repository{Installation: in.ID}, Kind: store.Installed}); err != nil {
		t.Fatal(err)
	}
	<-done
	w.check(w.Head("feature"))
}

// TestOneRefusalOfTwo: what a rule refuses does not keep the rest from being
// tried again, and is parked when it alone is left.
func TestOneRefusalOfTwo(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a"), "b/pod.yaml": privileged("b")})
	w.Protect(githubtest.Rule{Branches: "oakum/a-*", Type: "creation"})
	w.Inject(githubtest.Fault{Request: `^POST .*/pulls$`, Times: 6, Effect: githubtest.Respond(502, "Bad Gateway")})
	if err := w.try(store.Reconcile, "", store.Ask{}); err == nil || store.IsParked(err) {
		t.Fatalf("error %v, want one after which it is tried again", err)
	}
	if err := w.try(store.Reconcile, "", store.Ask{}); !store.IsParked(err) || !strings.Contains(err.Error(), "rule protects the branch") {
		t.Fatalf("error %v, want it parked", err)
	}
	if p := w.one(); !strings.HasPrefix(p.Head, "oakum/b-") {
		t.Errorf("open is %s", p.Head)
	}
}

// TestSignedCommits: an App's commits are signed by GitHub, so a rule that wants
// signatures lets them pass.
func TestSignedCommits(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	w.Protect(githubtest.Rule{Branches: "*", Type: "required_signatures"})
	w.Protect(githubtest.Rule{Branches: "oakum/*", Type: "required_signatures"})
	w.reconcile()
	w.one()
}

// noise is a file that cannot be made smaller.
func noise(size int) string {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return string(b)
}

// onDisk is how many bytes the copies of repositories take.
func (w *world) onDisk() (size int64) {
	w.t.Helper()
	if err := filepath.WalkDir(filepath.Join(w.dir, "copies"), func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return size
}

// TestPushFetchesWhatChanged: what is here already is not sent again, be it for
// a push, for a merge or for a person's pull request.
func TestPushFetchesWhatChanged(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": clean("a"), "film": noise(1 << 20)})
	w.reconcile()
	before := w.onDisk()
	w.push(map[string]string{"a/pod.yaml": privileged("a")})
	w.preview(w.proposed("feature", map[string]string{"b/pod.yaml": privileged("b")}))
	w.Merge(w.open()[0].Number)
	w.reconcile()
	w.push(map[string]string{"c/pod.yaml": privileged("c")})
	if grown := w.onDisk() - before; before < 1<<20 || grown > 100<<10 {
		t.Errorf("%d bytes first, and %d more for changes of a few lines", before, grown)
	}
}

// TestTooLarge: a repository larger than what is kept of one is parked, and
// nothing of it is left on the disk.
func TestTooLarge(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a"), "film": noise(3 << 20)})
	w.maxBytes = 1 << 20
	w.restart()
	err := w.try(store.Reconcile, "", store.Ask{})
	if !store.IsParked(err) || !strings.Contains(err.Error(), "larger than what is read of one") {
		t.Fatalf("error %v", err)
	}
	if size := w.onDisk(); size > 2*w.maxBytes {
		t.Errorf("%d bytes are on the disk", size)
	}
	w.Commit("main", "smaller", map[string]string{"film": ""})
	w.reconcile()
	w.one()
}

// TestRefusalsHaveReasons: of each final refusal a person can tell what to do.
func TestRefusalsHaveReasons(t *testing.T) {
	for name, c := range map[string]struct {
		fault githubtest.Fault
		want  string
	}{
		"unsigned":  {githubtest.Fault{Request: `^POST .*/git/refs$`, Effect: githubtest.Respond(422, "Repository rule violations found\n\nCommits must have verified signatures.")}, "takes signed commits only"},
		"protected": {githubtest.Fault{Request: `^POST .*/git/refs$`, Effect: githubtest.Respond(422, "Repository rule violations found\n\nCannot create ref due to creations being restricted.")}, "leave oakum's branches out of it"},
		"no right":  {githubtest.Fault{Request: `^POST .*/pulls$`, Effect: githubtest.Respond(403, "Resource not accessible by integration")}, `"Pull requests: read and write"`},
		"blocked":   {githubtest.Fault{Request: `^POST .*/git/trees$`, Effect: githubtest.Respond(403, "Repository access blocked")}, "switched off"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
			w.Inject(c.fault)
			err := w.try(store.Reconcile, "", store.Ask{})
			var refusal *remediate.Refusal
			if !store.IsParked(err) || !errors.As(err, &refusal) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			w.reconcile() // the owner has changed it
			w.one()
		})
	}
}
