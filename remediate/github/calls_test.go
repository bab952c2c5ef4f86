package github_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github/githubtest"
)

// branchOf is a branch with a change of the third line of apps/web.yaml.
func (w *world) branchOf(name string) string {
	w.t.Helper()
	w.Git("branch", name, "main")
	return w.Commit(name, "change", map[string]string{"apps/web.yaml": strings.Repeat("line\n", 2) + "other\n" + strings.Repeat("line\n", 27)})
}

func TestPulls(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	ctx := t.Context()
	head := w.branchOf("oakum/a")
	w.Permit("grace", "write")
	opened, err := r.Open(ctx, remediate.PullRequest{Branch: "oakum/a", Base: "main", Title: "A", Body: "b", Labels: []string{"security"}})
	if err != nil {
		t.Fatal(err)
	}
	fork := w.OpenFork("mallory", "patch-1", "main", "Fork", map[string]string{"x": "y\n"})

	p, err := r.Pull(ctx, opened.Number)
	if err != nil {
		t.Fatal(err)
	}
	if p.HeadCommit != head || p.Author != (remediate.Account{ID: p.Author.ID, Login: "oakum[bot]", Bot: true}) || !p.From(w.repository()) ||
		p.Mergeable != "clean" || p.Draft || p.State != remediate.StateOpen || p.BaseCommit != w.Head("main") || p.Node == "" || p.Created.IsZero() || !p.Closed.IsZero() {
		t.Errorf("pull request %+v", p)
	}
	if f, err := r.Pull(ctx, fork); err != nil || f.From(w.repository()) || f.Author.Bot || f.Author.Login != "mallory" {
		t.Errorf("fork %+v, %v", f, err)
	}
	if list, err := r.OpenPulls(ctx); err != nil || len(list) != 1 || list[0].Number != opened.Number {
		t.Errorf("open %+v, %v", list, err)
	}
	files, err := r.Files(ctx, opened.Number)
	if err != nil || len(files) != 1 || files[0].Path != "apps/web.yaml" || files[0].Status != "modified" || !strings.Contains(files[0].Patch, "+other") {
		t.Errorf("files %+v, %v", files, err)
	}

	if err := r.SetDraft(ctx, p.Number, true); err != nil {
		t.Error(err)
	}
	if p, _ := r.Pull(ctx, p.Number); !p.Draft || p.Mergeable != "draft" {
		t.Errorf("draft %+v", p)
	}
	if err := errors.Join(r.SetDraft(ctx, p.Number, false), r.SetDraft(ctx, p.Number, false)); err != nil || w.Pull(p.Number).Draft {
		t.Errorf("not ready: %v", err)
	}

	if err := r.AutoMerge(ctx, p.Number, "squash", strings.Repeat("0", 40)); !errors.Is(err, remediate.ErrMoved) {
		t.Errorf("auto-merge of another head: %v", err)
	}
	if err := r.AutoMerge(ctx, p.Number, "squash", head); err != nil || w.Pull(p.Number).AutoMerge != "SQUASH" {
		t.Errorf("auto-merge: %v", err)
	}
	if p, _ := r.Pull(ctx, p.Number); p.AutoMerge != "squash" {
		t.Errorf("auto-merge %q", p.AutoMerge)
	}
	if err := r.AutoMerge(ctx, p.Number, "", ""); err != nil || w.Pull(p.Number).AutoMerge != "" {
		t.Errorf("auto-merge off: %v", err)
	}
	w.AllowAutoMerge(false)
	w.refused(r.AutoMerge(ctx, p.Number, "merge", head), remediate.RefusedDisabled, "repository's settings")

	if err := r.Reviewers(ctx, p.Number, []string{"ada", "grace"}, nil); err != nil {
		t.Error(err)
	}
	w.refused(r.Reviewers(ctx, p.Number, []string{"nobody", "ada"}, []string{"none"}), remediate.RefusedInvalid, "nobody, none cannot review")
	w.refused(r.Assign(ctx, p.Number, []string{"ada", "nobody"}), remediate.RefusedInvalid, "nobody cannot be assigned")
	if p, _ := r.Pull(ctx, p.Number); !slices.Equal(p.Reviewers, []string{"ada", "grace"}) || !slices.Equal(p.Assignees, []string{"ada"}) || !slices.Equal(p.Labels, []string{"security"}) {
		t.Errorf("people %+v", p)
	}

	if err := errors.Join(r.Close(ctx, p.Number), r.Close(ctx, p.Number), r.Reopen(ctx, p.Number), r.Close(ctx, p.Number)); err != nil {
		t.Error(err)
	}
	if p, _ := r.Pull(ctx, p.Number); p.State != remediate.StateClosed || p.Closed.IsZero() || p.HeadCommit != head {
		t.Errorf("closed %+v", p)
	}
	if err := r.DeleteBranch(ctx, "oakum/a", w.Head("main")); !errors.Is(err, remediate.ErrMoved) {
		t.Errorf("deleting a branch that is elsewhere: %v", err)
	}
	if err := errors.Join(r.DeleteBranch(ctx, "oakum/a", head), r.DeleteBranch(ctx, "oakum/a", head)); err != nil || w.Head("oakum/a") != "" {
		t.Errorf("deleting a branch: %v", err)
	}
	_, err = r.Pull(ctx, 999)
	w.refused(err, remediate.RefusedMissing, "#999")

	w.branchOf("oakum/b")
	merged, err := r.Open(ctx, remediate.PullRequest{Branch: "oakum/b", Base: "main", Title: "B"})
	if err != nil {
		t.Fatal(err)
	}
	w.Merge(merged.Number)
	if p, _ := r.Pull(ctx, merged.Number); p.State != remediate.StateMerged || p.MergeCommit != w.Head("main") {
		t.Errorf("merged %+v", p)
	}
}

func TestPermission(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	w.Permit("grace", "read")
	for login, want := range map[string]string{"ada": "admin", "grace": "read", "mallory": "none", "../../x": "none", "": "none", "ada/../grace": "none"} {
		w.Requests()
		if got, err := r.Permission(t.Context(), login); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", login, got, err, want)
		}
	}
	w.Inject(githubtest.Fault{Request: `/permission$`, Times: 9, Effect: githubtest.Respond(500, "oops")})
	if got, err := r.Permission(t.Context(), "ada"); got != "none" || err == nil {
		t.Errorf("when GitHub does not say: %q, %v", got, err)
	}
}

func TestComments(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	ctx := t.Context()
	n := w.OpenIssue("ada", "x", "")
	theirs := w.Comment("mallory", n, "<!-- oakum --> mine?")
	for i := range 250 {
		w.Comment("ada", n, fmt.Sprint(i))
	}
	made, err := r.PutComment(ctx, n, "<!-- oakum -->", "one\n\n<!-- oakum -->")
	if err != nil || made.App != githubtest.AppID || !made.Author.Bot || made.Number != n || made.Edited() || made.ID == theirs {
		t.Fatalf("comment %+v, %v", made, err)
	}
	w.Requests()
	again, err := r.PutComment(ctx, n, "<!-- oakum -->", "one\r\n\n<!-- oakum -->\n")
	if err != nil || again.ID != made.ID {
		t.Errorf("again %+v, %v", again, err)
	}
	for _, sent := range w.Requests() {
		if sent.Write() {
			t.Errorf("unchanged, but sent %v", sent)
		}
	}
	changed, err := r.PutComment(ctx, n, "<!-- oakum -->", "two <!-- oakum -->")
	if err != nil || changed.ID != made.ID || !changed.Edited() {
		t.Errorf("changed %+v, %v", changed, err)
	}
	all, err := r.Comments(ctx, n)
	if err != nil || len(all) != 252 || all[0].ID != theirs || all[0].App != 0 || all[0].Edited() {
		t.Errorf("%d comments, %+v, %v", len(all), all[0], err)
	}
	if one, err := r.Comment(ctx, theirs); err != nil || one.Author.Login != "mallory" || one.Body != "<!-- oakum --> mine?" {
		t.Errorf("comment %+v, %v", one, err)
	}
	if err := errors.Join(r.React(ctx, theirs, remediate.ReactionSeen), r.React(ctx, theirs, remediate.ReactionSeen), r.React(ctx, theirs, remediate.ReactionConfused)); err != nil {
		t.Error(err)
	}
	if got := w.Server.Comments(n)[0].Reactions; !slices.Equal(got, []string{"oakum[bot] eyes", "oakum[bot] confused"}) {
		t.Errorf("reactions %q", got)
	}
	_, err = r.CreateComment(ctx, n, strings.Repeat("x", remediate.MaxBody+1))
	w.refused(err, remediate.RefusedInvalid, "too long")
}

func TestIssues(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	ctx := t.Context()
	w.OpenIssue("mallory", "Dashboard", "<!-- oakum:dashboard -->", "oakum")
	w.branchOf("a")
	w.OpenPull("ada", "a", "main", "a", "")
	want := remediate.Issue{Title: "Dashboard", Body: "- [ ] tick\n<!-- oakum:dashboard -->", Labels: []string{"oakum"}}
	made, err := r.PutIssue(ctx, "<!-- oakum:dashboard -->", want)
	if err != nil || made.Number != 3 || made.App != githubtest.AppID || !slices.Equal(made.Labels, []string{"oakum"}) {
		t.Fatalf("issue %+v, %v", made, err)
	}
	// People changed its title and labels, and closed it: it is still the one.
	w.EditIssue("ada", 3, func(i *githubtest.Issue) { i.Title, i.Labels, i.State = "Mine", nil, "closed" })
	for _, number := range []int{0, 3, 1, 77} {
		want.Number, want.Body = number, fmt.Sprintf("%d\n<!-- oakum:dashboard -->", number)
		got, err := r.PutIssue(ctx, "<!-- oakum:dashboard -->", want)
		if err != nil || got.Number != 3 || got.State != remediate.StateClosed || got.Title != "Dashboard" {
			t.Errorf("from %d: %+v, %v", number, got, err)
		}
	}
	want.State = remediate.StateOpen
	if got, err := r.PutIssue(ctx, "<!-- oakum:dashboard -->", want); err != nil || got.State != remediate.StateOpen {
		t.Errorf("reopened: %+v, %v", got, err)
	}
	if all, err := r.Issues(ctx, "oakum"); err != nil || len(all) != 1 || all[0].Author.Login != "mallory" {
		t.Errorf("issues %+v, %v", all, err)
	}
	w.SwitchIssues(false)
	_, err = r.Issues(ctx, "oakum")
	w.refused(err, remediate.RefusedDisabled, "switched off")
}

func TestChecks(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	ctx := t.Context()
	head := w.Head("main")
	c := remediate.Check{
		Name: "oakum", Commit: head, Key: "scan-1", Status: remediate.CheckCompleted, Conclusion: remediate.CheckFailure,
		Title: "120 findings", Summary: "many", Text: "more", Started: w.clock.Now(), Completed: w.clock.Now(),
		Actions: []remediate.CheckAction{{Identifier: "fix", Label: "Fix this", Description: "opens a pull request"}},
	}
	for i := range 120 {
		c.Annotations = append(c.Annotations, remediate.Annotation{
			Path: "apps/web.yaml", Line: i + 1, EndLine: i + 1 + i%2, Column: 2, EndColumn: 5, Level: remediate.LevelWarning,
			Title: strings.Repeat("é", 200), Message: fmt.Sprint("finding ", i), RawDetail: "raw",
		})
	}
	w.Requests()
	made, err := r.CreateCheck(ctx, c)
	if err != nil || made.Annotated != 120 || made.Conclusion != remediate.CheckFailure || made.App != githubtest.AppID || made.Key != "scan-1" {
		t.Fatalf("check %+v, %v", made, err)
	}
	sent := w.Requests()
	if n := len(slices.DeleteFunc(sent, func(r githubtest.Request) bool { return !r.Write() })); n != 3 {
		t.Errorf("%d requests for 120 annotations", n)
	}
	// Asked for once more, it is still one, with no remark twice.
	if _, err := r.CreateCheck(ctx, c); err != nil {
		t.Error(err)
	}
	have := w.Server.Checks(head)
	if len(have) != 1 || len(have[0].Annotations) != 120 || have[0].Status != "completed" || len(have[0].Actions) != 1 {
		t.Errorf("%d checks, %+v", len(have), have[0])
	}
	for i, a := range have[0].Annotations {
		if a["message"] != fmt.Sprint("finding ", i) {
			t.Fatalf("annotation %d is %v", i, a)
		}
	}
	made.Status, made.Conclusion, made.Completed = remediate.CheckInProgress, "", time.Time{}
	if again, err := r.UpdateCheck(ctx, made); err != nil || again.Status != remediate.CheckInProgress || again.Conclusion != "" {
		t.Errorf("in progress: %+v, %v", again, err)
	}
	if list, err := r.Checks(ctx, head); err != nil || len(list) != 1 || list[0].ID != made.ID {
		t.Errorf("checks %+v, %v", list, err)
	}
	_, err = r.CreateCheck(ctx, remediate.Check{Name: "oakum", Commit: strings.Repeat("0", 40), Status: remediate.CheckQueued})
	if err == nil || !strings.Contains(err.Error(), "No commit found") {
		t.Errorf("a commit that is not there yet: %v", err)
	}
}

func TestReview(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	ctx := t.Context()
	head := w.branchOf("a")
	n := w.OpenPull("ada", "a", "main", "a", "")
	suggest := func(path string, from, to int) remediate.Suggestion {
		return remediate.Suggestion{Path: path, Line: from, EndLine: to, Body: "```suggestion\nx\n```"}
	}
	good := []remediate.Suggestion{suggest("apps/web.yaml", 3, 0), suggest("apps/web.yaml", 2, 4)}
	bad := []remediate.Suggestion{suggest("apps/web.yaml", 20, 0), suggest("README.md", 1, 0), suggest("apps/web.yaml", 5, 9)}
	left, err := r.Review(ctx, n, remediate.Review{Commit: head, Body: "<!-- oakum --> hello", Suggestions: slices.Concat(good[:1], bad, good[1:])})
	if err != nil || !slices.Equal(left, bad) {
		t.Errorf("left %+v, %v", left, err)
	}
	have := w.Reviews(n)
	if len(have) != 1 || len(have[0].Remarks) != 2 || have[0].Commit != head {
		t.Fatalf("reviews %+v", have)
	}
	remarks, err := r.ReviewComments(ctx, n)
	if err != nil || len(remarks) != 2 || remarks[0].Line != 3 || remarks[0].EndLine != 3 || remarks[1].Line != 2 || remarks[1].EndLine != 4 ||
		remarks[0].Author.Login != "oakum[bot]" || !strings.Contains(remarks[0].Body, "suggestion") {
		t.Errorf("remarks %+v, %v", remarks, err)
	}
	if left, err := r.Review(ctx, n, remediate.Review{Commit: head, Suggestions: bad}); err != nil || len(left) != 3 || len(w.Reviews(n)) != 1 {
		t.Errorf("nothing to say: %+v, %v", left, err)
	}
}

func TestRules(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	w.Protect(githubtest.Rule{Branches: "main", Type: "merge_queue", Parameters: map[string]any{
		"check_response_timeout_minutes": 60, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5, "max_entries_to_merge": 5,
		"merge_method": "MERGE", "min_entries_to_merge": 1, "min_entries_to_merge_wait_minutes": 5,
	}})
	w.Protect(githubtest.Rule{Branches: "main", Type: "required_status_checks", Parameters: map[string]any{
		"required_status_checks": []any{map[string]any{"context": "test"}, map[string]any{"context": "lint"}}, "strict_required_status_checks_policy": false,
	}})
	w.Protect(githubtest.Rule{Branches: "oakum/*", Type: "required_signatures"})
	rules, err := r.Rules(t.Context(), "main")
	if err != nil || !rules.MergeQueue || rules.Signed || !slices.Equal(rules.Checks, []string{"test", "lint"}) {
		t.Errorf("main: %+v, %v", rules, err)
	}
	rules, err = r.Rules(t.Context(), "oakum/x")
	if err != nil || rules.MergeQueue || !rules.Signed {
		t.Errorf("oakum/x: %+v, %v", rules, err)
	}
}

// TestRefusedWrites: a rule, or an archive, is told apart from other errors.
func TestRefusedWrites(t *testing.T) {
	w := newWorld(t)
	r := w.shop()
	ctx := t.Context()
	proposal := func(branch string) remediate.Proposal {
		return remediate.Proposal{
			Branch: branch, Base: "main", BaseCommit: w.Head("main"), Message: "m", Title: "t", Body: "b",
			Files: map[string][]byte{"x.yaml": []byte("a: 1\n")}, Findings: []string{"f"},
		}
	}
	w.Protect(githubtest.Rule{Branches: "closed/*", Type: "creation"})
	_, err := remediate.Publish(ctx, r.Writer(nil), r, proposal("closed/x"))
	w.refused(err, remediate.RefusedRules, "closed/x", "creations being restricted")
	w.Protect(githubtest.Rule{Branches: "signed/*", Type: "required_signatures"})
	if out, err := remediate.Publish(ctx, r.Writer(nil), r, proposal("signed/x")); err != nil || out.Action != remediate.ActionOpened {
		t.Errorf("an App's commits are signed: %+v, %v", out, err)
	}
	w.Archive(true)
	_, err = remediate.Publish(ctx, r.Writer(nil), r, proposal("other"))
	w.refused(err, remediate.RefusedArchived, "unarchive")
	if about, err := r.About(ctx); err != nil || !about.Archived {
		t.Errorf("about %+v, %v", about, err)
	}
}
