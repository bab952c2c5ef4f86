package bot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate/github/githubtest"
	"github.com/oakum-dev/oakum/remediate/store"
)

func TestPushOpensAndIsThenQuiet(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": clean("a")})
	w.reconcile()
	if n := len(w.Pulls()); n != 0 {
		t.Fatalf("%d pull requests for a clean repository", n)
	}
	w.push(map[string]string{"a/pod.yaml": privileged("a")})
	p := w.one()
	if !strings.Contains(p.Body, "/oakum rebase") || !strings.Contains(p.Body, "sig=") || p.Draft || p.Author != githubtest.AppLogin {
		t.Errorf("pull request %+v", p)
	}
	if got := w.Git("show", p.Head+":a/pod.yaml") + "\n"; got != clean("a") {
		t.Errorf("the branch has %s", got)
	}
	w.quiet(w.reconcile)
	w.restart()
	w.quiet(w.reconcile)

	// A push elsewhere touches nothing; one to the same file makes the branch anew.
	head := w.Head(p.Head)
	w.push(map[string]string{"README.md": "hello\n"})
	if w.Head(p.Head) != head {
		t.Error("the branch moved for a push that does not concern it")
	}
	w.push(map[string]string{"a/pod.yaml": "# a comment\n" + privileged("a")})
	if w.Head(p.Head) == head || w.Git("rev-list", "--count", "main.."+p.Head) != "1" {
		t.Error("the branch was not made anew as one commit")
	}
	w.one()
}

func TestClosedStaysClosedUntilUndone(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a"), "b/pod.yaml": privileged("b")})
	w.reconcile()
	if len(w.open()) != 2 {
		t.Fatalf("%d are open, want 2", len(w.open()))
	}
	w.Close(1)
	w.do(store.Follow, "1", store.Ask{Number: 1})
	w.restart()
	w.reconcile()
	w.one()
	number, body := w.dashboard()
	if !strings.Contains(body, "## Declined") || !strings.Contains(body, "oakum:undo") {
		t.Fatalf("the dashboard does not list it:\n%s", body)
	}
	w.quiet(w.reconcile)

	tick(w, number, "oakum:undo")
	w.do(store.Tick, fmt.Sprint(number), store.Ask{Number: number})
	if n := len(w.open()); n != 2 {
		t.Fatalf("%d are open after the box was ticked, want 2\n%s", n, w.log)
	}
	if _, body := w.dashboard(); strings.Contains(body, "[x]") || strings.Contains(body, "## Declined") {
		t.Errorf("the dashboard afterwards:\n%s", body)
	}
	w.quiet(func() { w.do(store.Tick, fmt.Sprint(number), store.Ask{Number: number}) })
}

// tick ticks the first box with a mark.
func tick(w *world, issue int, mark string) {
	w.t.Helper()
	w.EditIssue("ada", issue, func(i *githubtest.Issue) {
		at := strings.Index(i.Body, "<!-- "+mark)
		begin := strings.LastIndex(i.Body[:max(at, 0)], "- [ ]")
		if at < 0 || begin < 0 {
			w.t.Fatalf("there is no box %s:\n%s", mark, i.Body)
		}
		i.Body = i.Body[:begin] + "- [x]" + i.Body[begin+5:]
	})
}

func TestRevertIsDeclined(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	w.reconcile()
	p := w.one()
	w.Merge(p.Number)
	w.do(store.Follow, fmt.Sprint(p.Number), store.Ask{Number: p.Number})
	w.reconcile()
	if len(w.open()) != 0 {
		t.Fatal("something is open after the merge")
	}
	w.push(map[string]string{"a/pod.yaml": privileged("a")}) // a person takes it back
	if n := len(w.open()); n != 0 {
		t.Fatalf("%d are open after the fix was reverted", n)
	}
	_, body := w.dashboard()
	if !strings.Contains(body, "a later commit brought it back") {
		t.Fatalf("the dashboard:\n%s", body)
	}
	// What is new in the same group is proposed, without the reverted one.
	w.push(map[string]string{"a/other.yaml": hostPID("other")})
	if p := w.one(); !strings.Contains(p.Title, "process numbers") || strings.Contains(w.Git("show", p.Head+":a/pod.yaml"), "privileged: false") {
		t.Errorf("pull request %q", p.Title)
	}
}

func TestForeignCommitIsLeftAlone(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	w.reconcile()
	p := w.one()
	head := w.Commit(p.Head, "mine", map[string]string{"a/pod.yaml": clean("a") + "# and more\n"})
	w.push(map[string]string{"a/pod.yaml": "# changed\n" + privileged("a")})
	if w.Head(p.Head) != head {
		t.Fatal("a person's commit was overwritten")
	}
	if _, body := w.dashboard(); !strings.Contains(body, "## Left alone") {
		t.Errorf("the dashboard:\n%s", body)
	}
	w.push(map[string]string{"a/pod.yaml": clean("a")})
	if w.Head(p.Head) != head || len(w.open()) != 1 {
		t.Error("a branch with a person's commit was taken away")
	}
}

func TestFixedElsewhereIsClosed(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	w.reconcile()
	p := w.one()
	w.push(map[string]string{"a/pod.yaml": clean("a")})
	if len(w.open()) != 0 || w.Head(p.Head) != "" {
		t.Fatal("it is open still, or its branch is there")
	}
	if all := w.Comments(p.Number); len(all) != 1 || !strings.Contains(all[0].Body, "its findings are gone from main") {
		t.Errorf("comments %+v", all)
	}
	w.restart()
	w.quiet(w.reconcile)
	w.push(map[string]string{"a/pod.yaml": privileged("a")}) // nobody declined it
	w.one()
}

func TestLimitsAndCritical(t *testing.T) {
	w := newWorld(t, map[string]string{
		".oakum.yaml": "safety: review\npolicies:\n  host-pid: {severity: high}\npullRequests: {draft: [], limits: {open: 2, perHour: 0}}\n",
		"a/pod.yaml":  hostPID("a"), "b/pod.yaml": hostPID("b"), "c/pod.yaml": hostPID("c"),
	})
	w.reconcile()
	if n := len(w.open()); n != 2 {
		t.Fatalf("%d are open, want 2", n)
	}
	number, body := w.dashboard()
	if !strings.Contains(body, "## Waiting") || !strings.Contains(body, "2 are open, which is the limit") {
		t.Errorf("the dashboard:\n%s", body)
	}
	w.push(map[string]string{"d/pod.yaml": privileged("d")}) // critical
	if n := len(w.open()); n != 3 {
		t.Fatalf("%d are open, want 3: critical findings do not wait", n)
	}
	tick(w, number, "oakum:open")
	w.do(store.Tick, fmt.Sprint(number), store.Ask{Number: number})
	if n := len(w.open()); n != 4 {
		t.Fatalf("%d are open after the tick, want 4", n)
	}
}

func TestHourlyLimitAndSchedule(t *testing.T) {
	w := newWorld(t, map[string]string{
		".oakum.yaml": "safety: review\npullRequests: {draft: [], limits: {open: 0, perHour: 1, critical: counted}}\n",
		"a/pod.yaml":  privileged("a"), "b/pod.yaml": privileged("b"),
	})
	err := w.try(store.Reconcile, "", store.Ask{})
	if !store.IsLater(err) || len(w.open()) != 1 {
		t.Fatalf("error %v, %d open, want later and 1", err, len(w.open()))
	}
	w.pass(61 * time.Minute)
	w.reconcile()
	if len(w.open()) != 2 {
		t.Fatalf("%d are open an hour later, want 2", len(w.open()))
	}
	now := w.clock.Now()
	day := strings.ToLower(now.AddDate(0, 0, 3).Weekday().String()[:3])
	w.push(map[string]string{
		".oakum.yaml": "safety: review\npullRequests: {draft: [], limits: {open: 0, perHour: 0, critical: counted}, schedule: {windows: [" + day + "]}}\n",
		"c/pod.yaml":  privileged("c"),
	})
	if len(w.open()) != 2 {
		t.Fatalf("%d are open outside the schedule, want 2", len(w.open()))
	}
	if _, body := w.dashboard(); !strings.Contains(body, "the schedule opens none before") {
		t.Errorf("the dashboard:\n%s", body)
	}
	w.pass(3 * 24 * time.Hour)
	w.reconcile()
	if len(w.open()) != 3 {
		t.Fatalf("%d are open within the schedule, want 3", len(w.open()))
	}
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	if err := w.clock.Sleep(w.t.Context(), d); err != nil {
		w.t.Fatal(err)
	}
}

func TestOnboarding(t *testing.T) {
	w := newWorld(t, map[string]string{"a/pod.yaml": privileged("a")})
	w.reconcile()
	p := w.one()
	if p.Title != "Configure oakum" || !strings.Contains(p.Body, "1 finding in 1 file") {
		t.Fatalf("pull request %+v", p)
	}
	w.quiet(w.reconcile)
	w.Merge(p.Number)
	w.reconcile() // which finds that the fix is bolder than the configuration has it
	if _, body := w.dashboard(); !strings.Contains(body, "below-safety") {
		t.Errorf("the dashboard:\n%s", body)
	}
	w.push(map[string]string{".oakum.yaml": onboarded})
	if p := w.one(); p.Title == "Configure oakum" {
		t.Errorf("after the merge: %+v", p)
	}
}

func TestOnboardingDeclined(t *testing.T) {
	w := newWorld(t, map[string]string{"a/pod.yaml": privileged("a")})
	w.reconcile()
	w.Close(w.one().Number)
	w.restart()
	w.quiet(w.reconcile)
	w.quiet(func() { w.push(map[string]string{"b/pod.yaml": privileged("b")}) })
	if len(w.open()) != 0 {
		t.Error("something was opened for a repository that does not want it")
	}
}

func TestMistakeInConfiguration(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": "pullRequests: {groupby: file}\n", "a/pod.yaml": privileged("a")})
	err := w.try(store.Reconcile, "", store.Ask{})
	if !store.IsParked(err) || !strings.Contains(err.Error(), "did you mean groupBy?") {
		t.Fatalf("error %v", err)
	}
	if _, body := w.dashboard(); !strings.Contains(body, "did you mean groupBy?") {
		t.Errorf("the dashboard:\n%s", body)
	}
	w.push(map[string]string{".oakum.yaml": onboarded})
	w.one()
	if _, body := w.dashboard(); strings.Contains(body, "did you mean") {
		t.Errorf("the dashboard afterwards:\n%s", body)
	}
}

func TestPeopleDraftAndAutoMerge(t *testing.T) {
	w := newWorld(t, map[string]string{
		".oakum.yaml": "safety: review\npullRequests: {reviewers: [codeowners], assignees: [ada], autoMerge: safe}\n",
		"CODEOWNERS":  "* @bob @acme/platform\n",
		"a/pod.yaml":  privileged("a"),
	})
	w.Permit("bob", "write")
	w.Permit("team:platform", "write")
	w.reconcile()
	p := w.one()
	if !p.Draft || p.AutoMerge != "" {
		t.Errorf("a fix with weak evidence is no draft, or merges by itself: %+v", p)
	}
	if !slices.Equal(p.Reviewers, []string{"bob"}) || !slices.Equal(p.Teams, []string{"platform"}) || !slices.Equal(p.Assignees, []string{"ada"}) {
		t.Errorf("people %q %q %q", p.Reviewers, p.Teams, p.Assignees)
	}
}

// TestDraftsFollowEvidence: a draft becomes ready when it stands on better
// evidence, and what is open becomes one when it stands on less; in between it
// is what people make it.
func TestDraftsFollowEvidence(t *testing.T) {
	const drafts, none = "safety: review\n", "safety: review\npullRequests: {draft: []}\n"
	w := newWorld(t, map[string]string{".oakum.yaml": drafts, "a/pod.yaml": privileged("a")})
	is := func(when string, draft bool) {
		t.Helper()
		if p := w.one(); p.Draft != draft {
			t.Errorf("%s: draft %t", when, p.Draft)
		}
		w.quiet(w.reconcile)
	}
	w.reconcile()
	is("opened", true)
	w.push(map[string]string{".oakum.yaml": none})
	is("on better evidence", false)
	w.push(map[string]string{".oakum.yaml": drafts})
	is("on less", true)
	w.Edit(w.one().Number, func(p *githubtest.Pull) { p.Draft = false })
	w.push(map[string]string{"a/pod.yaml": privileged("a") + "# more\n"})
	is("as a person has made it", false)
}

// TestNoDrafts: where the forge has none, the pull request is opened all the same.
func TestNoDrafts(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	w.AllowDrafts(false)
	w.reconcile()
	w.push(map[string]string{".oakum.yaml": "safety: review\n", "b/pod.yaml": hostPID("b")})
	if n := len(w.open()); n != 2 {
		t.Errorf("%d pull requests are open, want 2", n)
	}
	w.quiet(w.reconcile)
}

func TestArchivedSuspendedRenamed(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	r := w.repository()
	w.Rename("acme/store")
	if err := w.bot.Work(t.Context(), r, store.Task{Repository: r, Kind: store.Reconcile}); err != nil {
		t.Fatalf("a renamed repository: %v", err)
	}
	w.one()
	w.Archive(true)
	if err := w.try(store.Reconcile, "", store.Ask{}); !store.IsParked(err) || !strings.Contains(err.Error(), "archived") {
		t.Errorf("an archived repository: %v", err)
	}
	w.Archive(false)
	w.Installation().Suspend(true)
	if err := w.try(store.Reconcile, "", store.Ask{}); !store.IsParked(err) || !strings.Contains(err.Error(), "suspended") {
		t.Errorf("a suspended installation: %v", err)
	}
	w.Installation().Suspend(false)
	w.reconcile()
}

func TestProtectedBranchIsTold(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	w.Protect(githubtest.Rule{Branches: "oakum/*", Type: "creation"})
	err := w.try(store.Reconcile, "", store.Ask{})
	if err == nil || !store.IsParked(err) {
		t.Fatalf("error %v, want it parked", err)
	}
	if !strings.Contains(err.Error(), "rule") {
		t.Errorf("the reason does not help: %v", err)
	}
}

func TestHostileNamesDoNothing(t *testing.T) {
	evil := strings.ReplaceAll(strings.ReplaceAll(privileged("a"), "name: a\n", "name: \"a <!-- oakum:dashboard 1 --> @ada [x](http://evil) #1 `id` $(id)\"\n"), "proxy:1", "\"proxy|<b>:1\"")
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded + "# x\n", "$(id) `x` @ada/pod.yaml": evil})
	w.reconcile()
	p := w.one()
	for _, bad := range []string{" @ada", "<!-- oakum:dashboard 1 -->", "[x](http", "<b>"} {
		if strings.Contains(strings.ReplaceAll(p.Body, "```", ""), bad) && strings.Contains(outsideFences(p.Body), bad) {
			t.Errorf("the text has %q:\n%s", bad, p.Body)
		}
	}
	if !strings.HasPrefix(p.Head, "oakum/") || strings.ContainsAny(p.Head, "$()`@ ") {
		t.Errorf("branch %q", p.Head)
	}
}

// outsideFences is Markdown without what stands in code fences and spans.
func outsideFences(text string) string {
	var b strings.Builder
	in := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			in = !in
			continue
		}
		if in {
			continue
		}
		for i, part := range strings.Split(line, "`") {
			if i%2 == 0 {
				b.WriteString(part)
			}
		}
	}
	return b.String()
}
