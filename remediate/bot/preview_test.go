package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate/github/githubtest"
	"github.com/oakum-dev/oakum/remediate/store"
)

// proposed is a pull request of a person.
func (w *world) proposed(branch string, files map[string]string) int {
	w.t.Helper()
	w.Git("branch", branch, "main")
	w.Commit(branch, "a change", files)
	return w.OpenPull("ada", branch, "main", "A change", "")
}

func (w *world) preview(number int) {
	w.t.Helper()
	w.do(store.Preview, fmt.Sprint(number), store.Ask{Number: number})
}

// check is oakum's newest check of a commit.
func (w *world) check(commit string) githubtest.Check {
	w.t.Helper()
	all := w.Checks(commit)
	if len(all) == 0 {
		w.t.Fatalf("there is no check at %.12s\n%s", commit, w.log)
	}
	return all[len(all)-1]
}

// sticky is the text of oakum's only comment with a mark.
func (w *world) sticky(number int, mark string) string {
	w.t.Helper()
	var found []string
	for _, c := range w.Comments(number) {
		if c.Author == githubtest.AppLogin && strings.Contains(c.Body, "<!-- oakum:"+mark) {
			found = append(found, c.Body)
		}
	}
	if len(found) > 1 {
		w.t.Fatalf("%d comments with the mark %s", len(found), mark)
	}
	return strings.Join(found, "")
}

func TestPreview(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a"), "b/pod.yaml": clean("b")})
	n := w.proposed("feature", map[string]string{"b/pod.yaml": privileged("b")})
	w.preview(n)
	c := w.check(w.Head("feature"))
	if c.Name != "oakum" || c.Conclusion != "failure" || len(c.Annotations) != 1 || c.Annotations[0]["path"] != "b/pod.yaml" || fmt.Sprint(c.Annotations[0]["start_line"]) != "11" {
		t.Errorf("check %+v", c)
	}
	if !strings.Contains(c.Summary, "1 that were there before are not counted") || len(c.Actions) != 1 {
		t.Errorf("check %q %v", c.Summary, c.Actions)
	}
	text := w.sticky(n, "preview")
	if !strings.Contains(text, "/oakum fix") {
		t.Errorf("comment:\n%s", text)
	}
	reviews := w.Reviews(n)
	if len(reviews) != 1 || len(reviews[0].Remarks) != 1 || !strings.Contains(reviews[0].Remarks[0].Body, "```suggestion\n      privileged: false\n```") || reviews[0].Remarks[0].Line != 11 {
		t.Errorf("reviews %+v", reviews)
	}
	w.quiet(func() { w.preview(n) })
	w.restart()
	w.quiet(func() { w.preview(n) })

	// Mended by its author: the comment is kept true, the check passes.
	w.Commit("feature", "mended", map[string]string{"b/pod.yaml": clean("b")})
	w.preview(n)
	if c := w.check(w.Head("feature")); c.Conclusion != "success" {
		t.Errorf("check %+v", c)
	}
	if text := w.sticky(n, "preview"); !strings.Contains(text, "No new findings") {
		t.Errorf("comment:\n%s", text)
	}
}

func TestPreviewSaysNothingOfNothing(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	n := w.proposed("feature", map[string]string{"README.md": "hello\n"})
	w.preview(n)
	if c := w.check(w.Head("feature")); c.Conclusion != "success" {
		t.Errorf("check %+v", c)
	}
	if len(w.Comments(n)) != 0 || len(w.Reviews(n)) != 0 {
		t.Error("there is a comment with nothing to say")
	}
	w.Commit("main", "off", map[string]string{".oakum.yaml": "previews: off\n"})
	m := w.proposed("other", map[string]string{"b/pod.yaml": privileged("b")})
	w.quiet(func() { w.preview(m) })
}

// TestPreviewBelievesTheBase: a pull request cannot switch off what judges it.
func TestPreviewBelievesTheBase(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded})
	n := w.proposed("feature", map[string]string{
		".oakum.yaml": "policies: {privileged-container: {disabled: true}}\nfailOn: none\n", "b/pod.yaml": privileged("b"),
	})
	w.preview(n)
	if c := w.check(w.Head("feature")); c.Conclusion != "failure" || len(c.Annotations) != 1 {
		t.Errorf("check %+v", c)
	}
	m := w.proposed("wrong", map[string]string{".oakum.yaml": "polices: {}\n"})
	w.preview(m)
	if c := w.check(w.Head("wrong")); c.Conclusion != "failure" || !strings.Contains(c.Summary, "did you mean policies?") {
		t.Errorf("check %+v", c)
	}
}

func TestPreviewOfManyFindings(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded})
	files := map[string]string{}
	for i := range 120 {
		files[fmt.Sprintf("b/%03d.yaml", i)] = privileged(fmt.Sprintf("p%d", i))
	}
	n := w.proposed("feature", files)
	w.preview(n)
	if c := w.check(w.Head("feature")); len(c.Annotations) != 120 || c.Conclusion != "failure" || c.Status != "completed" {
		t.Errorf("check %s %s with %d annotations, want 120", c.Status, c.Conclusion, len(c.Annotations))
	}
	text := w.sticky(n, "preview")
	if len(text) > 65_536 || !strings.Contains(text, "…and 20 more findings") {
		t.Errorf("the comment has %d bytes:\n%.300s", len(text), text)
	}
	total := 0
	for _, r := range w.Reviews(n) {
		total += len(r.Remarks)
	}
	if total > 30 {
		t.Errorf("%d suggestions", total)
	}
	w.quiet(func() { w.preview(n) })
}

// TestForkIsReadOnly: a check and a comment with a patch, and nothing else.
func TestForkIsReadOnly(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded})
	n := w.OpenFork("mallory", "feature", "main", "A change", map[string]string{"b/pod.yaml": privileged("b")})
	w.preview(n)
	p := w.Pull(n)
	if c := w.check(p.HeadCommit); c.Conclusion != "failure" || len(c.Actions) != 0 {
		t.Errorf("check %+v", c)
	}
	if text := w.sticky(n, "preview"); !strings.Contains(text, "git apply") || !strings.Contains(text, "+      privileged: false") {
		t.Errorf("comment:\n%s", text)
	}
	if len(w.Reviews(n)) != 0 {
		t.Error("a fork got suggestions")
	}
	w.Permit("ada", "admin")
	if answer := w.command("ada", n, "/oakum fix"); !strings.Contains(answer, "comes from a fork") {
		t.Errorf("answer %q", answer)
	}
}

func TestQueueIsAnswered(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded})
	w.Git("branch", "gh-readonly-queue/main/pr-1-abc", "main")
	head := w.Commit("gh-readonly-queue/main/pr-1-abc", "merge", map[string]string{"b/pod.yaml": privileged("b")})
	w.do(store.Queue, head, store.Ask{Commit: head, Ref: "refs/heads/gh-readonly-queue/main/pr-1-abc"})
	if c := w.check(head); c.Conclusion != "failure" {
		t.Errorf("check %+v", c)
	}
}

func TestFixThis(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded})
	w.Permit("mallory", "read")
	n := w.proposed("feature", map[string]string{"b/pod.yaml": privileged("b")})
	w.preview(n)
	head := w.Head("feature")
	press := func(who string) {
		w.do(store.Action, "run/1/fix", store.Ask{Number: n, Commit: head, CheckRun: 1, Button: "fix", Sender: who})
	}
	press("mallory")
	if w.Head("feature") != head {
		t.Fatal("somebody who may only read pushed a fix")
	}
	press("ada")
	if w.Head("feature") == head || w.Git("rev-parse", "feature^") != head || w.Git("show", "feature:b/pod.yaml")+"\n" != clean("b") {
		t.Fatalf("the fix is not on the branch\n%s", w.log)
	}
	w.quiet(func() { press("ada") }) // the button was shown at another commit
}

func TestCommands(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	w.Permit("mallory", "read")
	w.reconcile()
	n := w.proposed("feature", map[string]string{"b/pod.yaml": privileged("b")})

	// Nobody can want fixes of what was not judged yet.
	if answer := w.command("ada", n, "/oakum fix"); !strings.Contains(answer, "is not what was judged when you wrote") {
		t.Errorf("before the preview: %q", answer)
	}
	w.preview(n)
	head := w.Head("feature")
	for _, who := range []string{"mallory", "stranger", "other[bot]"} {
		before := len(w.Comments(n))
		w.command(who, n, "/oakum fix")
		if w.Head("feature") != head || len(w.Comments(n)) != before+1 {
			t.Errorf("a command of %s was followed", who)
		}
	}
	id := w.Comment("ada", n, "/oakum help")
	w.pass(time.Second)
	w.EditComment("mallory", id, "/oakum fix")
	before := len(w.Comments(n))
	w.answer(id, n, "/oakum help")
	if len(w.Comments(n)) != before {
		t.Error("an edited comment was answered")
	}

	id = w.Comment("ada", n, "/oakum fix")
	w.answer(id, n, "/oakum fix")
	if w.Git("rev-parse", "feature^") != head || w.Git("show", "feature:b/pod.yaml")+"\n" != clean("b") {
		t.Fatalf("the fix is not on the branch\n%s", w.log)
	}
	after := w.Head("feature")
	w.quiet(func() { w.answer(id, n, "/oakum fix") })
	if w.Head("feature") != after {
		t.Error("a repeated task pushed again")
	}
	if answer := w.command("ada", n, "/oakum explain"); !strings.Contains(answer, "there is no finding here") {
		t.Errorf("explain: %q", answer)
	}
	if answer := w.command("ada", n, "/oakum explain host-pid"); !strings.Contains(answer, "host-pid") {
		t.Errorf("explain: %q", answer)
	}
	if answer := w.command("ada", n, "/oakum dance"); !strings.Contains(answer, "I do not understand") {
		t.Errorf("dance: %q", answer)
	}
}

func TestRebaseCommand(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded, "a/pod.yaml": privileged("a")})
	w.reconcile()
	p := w.one()
	w.push(map[string]string{"README.md": "hello\n"})
	if answer := w.command("ada", p.Number, "/oakum rebase"); !strings.Contains(answer, "one commit on") {
		t.Errorf("answer %q", answer)
	}
	if w.Git("rev-parse", p.Head+"^") != w.Head("main") {
		t.Error("the branch is not on the head of its base")
	}
	w.quiet(w.reconcile)
}

func TestIgnoreCommand(t *testing.T) {
	w := newWorld(t, map[string]string{".oakum.yaml": onboarded + "# kept\n", "a/pod.yaml": privileged("a")})
	w.reconcile()
	fix := w.one()
	until := w.clock.Now().AddDate(0, 2, 0).Format("2006-01-02")
	answer := w.command("ada", fix.Number, "/oakum ignore privileged-container it drives the `node` until "+until)
	if !strings.Contains(answer, "adds the exemption") {
		t.Fatalf("answer %q\n%s", answer, w.log)
	}
	var ignore githubtest.Pull
	for _, p := range w.open() {
		if p.Number != fix.Number {
			ignore = p
		}
	}
	config := w.Git("show", ignore.Head+":.oakum.yaml")
	if !strings.HasPrefix(config, onboarded+"# kept\n") && !strings.HasPrefix(config, onboarded) || !strings.Contains(config, "owner: \"@ada\"") {
		t.Errorf("the configuration:\n%s", config)
	}
	w.push(map[string]string{".oakum.yaml": "failOn: low\n" + onboarded}) // it is kept true
	if config := w.Git("show", ignore.Head+":.oakum.yaml"); !strings.HasPrefix(config, "failOn: low\n") {
		t.Errorf("the configuration after a push:\n%s", config)
	}
	w.Merge(ignore.Number)
	w.reconcile()
	if n := len(w.open()); n != 0 {
		t.Errorf("%d are open after the exemption was merged\n%s", n, w.log)
	}
}
