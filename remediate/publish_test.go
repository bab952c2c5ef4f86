package remediate_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github"
	"github.com/oakum-dev/oakum/remediate/github/githubtest"
	"github.com/oakum-dev/oakum/remediate/repo"
)

const branch = "oakum/pod-security"

// world is a repository on the fake GitHub, and oakum with one way to commit.
type world struct {
	*githubtest.Server
	t     *testing.T
	clock *githubtest.Clock
	said  []string // everything that oakum said, errors included
}

// backends are the two ways to commit, by the token that chooses them.
var backends = map[string]string{
	"git":  "ghp_0123456789abcdefghijABCDEFGHIJ012345",
	"rest": "ghs_0123456789abcdefghijABCDEFGHIJ012345",
}

// each runs a test once for every way to commit, or for those named.
func each(t *testing.T, test func(t *testing.T, w *world), only ...string) {
	t.Helper()
	t.Parallel()
	for name, token := range backends {
		if len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, clock: githubtest.NewClock()}
			w.Server = githubtest.New(t, token, map[string]string{
				"README.md": "a shop\n", "apps/web.yaml": "privileged: true\n", "apps/db/db.yaml": "root: true\n",
			})
			test(t, w)
			w.keptSecret()
		})
	}
}

// keptSecret fails when the token is in anything that somebody can read, or a
// request went to another host.
func (w *world) keptSecret() {
	w.t.Helper()
	secret := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + w.Token))
	for _, text := range w.said {
		if strings.Contains(text, w.Token) || strings.Contains(text, secret) {
			w.t.Errorf("the token is in %q", text)
		}
	}
	if strayed := w.Strayed(); len(strayed) > 0 {
		w.t.Errorf("requests reached another host: %q", strayed)
	}
}

// proposal mends the web application, on the base as it is now.
func (w *world) proposal() remediate.Proposal {
	return remediate.Proposal{
		Branch: branch, Base: "main", BaseCommit: w.Head("main"), Message: "mend the pods",
		Files: map[string][]byte{"apps/web.yaml": []byte("privileged: false\n"), "apps/netpol.yaml": []byte("kind: NetworkPolicy\n")},
		Title: "Mend the pods", Body: "Two findings.", Labels: []string{"oakum"}, Findings: []string{"aaaa", "bbbb"},
	}
}

// publish is one run of oakum, which remembers nothing of the ones before.
func (w *world) publish(p remediate.Proposal) (remediate.Outcome, error) {
	w.t.Helper()
	out, err := w.try(p)
	if err != nil {
		w.said = append(w.said, err.Error())
	}
	w.said = append(w.said, fmt.Sprintf("%+v", out))
	return out, err
}

func (w *world) try(p remediate.Proposal) (remediate.Outcome, error) {
	ctx := context.Background()
	client, err := github.New(github.Options{
		Token: w.Token, BaseURL: w.URL, Clock: w.clock, MaxWait: time.Hour,
		OnWait: func(why string, d time.Duration) { w.said = append(w.said, fmt.Sprint(why, d)) },
	})
	if err != nil {
		return remediate.Outcome{}, err
	}
	forge, err := client.Repo(githubtest.Owner + "/" + githubtest.Name)
	if err != nil {
		return remediate.Outcome{}, err
	}
	access := repo.Access{Token: w.Token, Pause: w.clock.Sleep}
	clone, err := repo.Clone(ctx, forge.CloneURL(), repo.Options{Access: access, Depth: 1})
	if err != nil {
		return remediate.Outcome{}, err
	}
	push, err := clone.Push(forge.CloneURL(), access)
	if err != nil {
		return remediate.Outcome{}, err
	}
	return remediate.Publish(ctx, forge.Writer(push), forge, p)
}

// want publishes and says what must come of it.
func (w *world) want(p remediate.Proposal, action string) remediate.Outcome {
	w.t.Helper()
	out, err := w.publish(p)
	if err != nil {
		w.t.Fatal(err)
	}
	if out.Action != action {
		w.t.Fatalf("action %q (%s), want %q", out.Action, out.Detail, action)
	}
	return out
}

// quiet publishes, says what must come of it, and that nothing was written.
func (w *world) quiet(p remediate.Proposal, action string) remediate.Outcome {
	w.t.Helper()
	w.Requests()
	head := w.Head(p.Branch)
	out := w.want(p, action)
	for _, r := range w.Requests() {
		if r.Write() {
			w.t.Errorf("%s: sent %s %s", action, r.Method, r.Path)
		}
	}
	if w.Head(p.Branch) != head {
		w.t.Errorf("%s: the branch moved", action)
	}
	return out
}

// converged says that there is one open pull request which is what p asks for,
// on a branch that is one commit on the base.
func (w *world) converged(p remediate.Proposal) {
	w.t.Helper()
	var open []githubtest.Pull
	for _, pull := range w.Pulls() {
		if pull.State == "open" && !pull.Fork {
			open = append(open, pull)
		}
	}
	if len(open) != 1 {
		w.t.Fatalf("%d open pull requests, want 1: %+v", len(open), open)
	}
	pull := open[0]
	if pull.Head != p.Branch || pull.Base != p.Base || pull.Title != p.Title || !slices.Equal(pull.Labels, p.Labels) ||
		!strings.HasPrefix(pull.Body, p.Body) || !strings.Contains(pull.Body, "plan="+p.Digest()) {
		w.t.Errorf("pull request %+v", pull)
	}
	for path, content := range p.Files {
		if got := w.Git("show", p.Branch+":"+path) + "\n"; got != string(content) {
			w.t.Errorf("%s is %q, want %q", path, got, content)
		}
	}
	if n := w.Git("rev-list", "--count", w.Git("merge-base", p.Base, p.Branch)+".."+p.Branch); n != "1" {
		w.t.Errorf("the branch has %s commits", n)
	}
	if n := len(strings.Fields(w.Git("diff", "--name-only", p.Branch+"^", p.Branch))); n != len(p.Files) {
		w.t.Errorf("the commit changes %d files, want %d", n, len(p.Files))
	}
}

func TestOpensOneAndThenWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.proposal()
		out := w.want(p, remediate.ActionOpened)
		if out.PullRequest.Number != 1 || !strings.HasSuffix(out.PullRequest.URL, "/pull/1") {
			t.Errorf("outcome %+v", out)
		}
		w.converged(p)
		w.quiet(p, remediate.ActionUnchanged)
		w.converged(p)
		author := w.Git("show", "--no-patch", "--format=%an %cn", branch)
		if want := map[bool]string{true: "oakum[bot] oakum[bot]", false: "oakum oakum"}[strings.HasPrefix(w.Token, "ghs_")]; author != want {
			t.Errorf("author %q, want %q", author, want)
		}
	})
}

func TestChangesUpdateTheSamePullRequest(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.proposal()
		w.want(p, remediate.ActionOpened)

		p.Files["apps/web.yaml"] = []byte("privileged: false # mended\n")
		p.Findings = append(p.Findings, "cccc")
		w.want(p, remediate.ActionUpdated)
		w.converged(p)

		p.Title, p.Labels = "Mend all pods", []string{"oakum", "security"}
		before := w.Head(branch)
		w.want(p, remediate.ActionUpdated)
		w.converged(p)
		if w.Head(branch) != before {
			t.Error("new words moved the branch")
		}
		w.quiet(p, remediate.ActionUnchanged)
		if n := len(w.Pulls()); n != 1 {
			t.Errorf("%d pull requests", n)
		}
	})
}

func TestMovedBaseWithTheSameFilesIsLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.want(w.proposal(), remediate.ActionOpened)
		w.Commit("main", "unrelated", map[string]string{"README.md": "a big shop\n"})
		w.quiet(w.proposal(), remediate.ActionUnchanged)

		w.Commit("main", "a comment", map[string]string{"apps/web.yaml": "# web\nprivileged: true\n"})
		p := w.proposal()
		p.Files["apps/web.yaml"] = []byte("# web\nprivileged: false\n")
		w.want(p, remediate.ActionUpdated)
		w.converged(p)
		if w.Git("rev-parse", branch+"^") != w.Head("main") {
			t.Error("the new commit is not on the base's head")
		}
	})
}

func TestOtherBaseMovesThePullRequest(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Git("update-ref", "refs/heads/release", "main")
		w.Commit("main", "not in the release", map[string]string{"README.md": "new\n"})
		w.want(w.proposal(), remediate.ActionOpened)
		w.Git("symbolic-ref", "HEAD", "refs/heads/release") // what is cloned
		p := w.proposal()
		p.Base, p.BaseCommit = "release", w.Head("release")
		w.want(p, remediate.ActionUpdated)
		w.converged(p)
		w.quiet(p, remediate.ActionUnchanged)
	})
}

func TestClosedStaysClosedUntilFindingsChange(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.proposal()
		w.want(p, remediate.ActionOpened)
		w.Close(1)
		out := w.quiet(p, remediate.ActionDeclined)
		if !strings.Contains(out.Detail, "#1") || !strings.Contains(out.Detail, "reopen") {
			t.Errorf("detail %q", out.Detail)
		}

		fewer := p
		fewer.Findings = []string{"bbbb"}
		fewer.Files = map[string][]byte{"apps/web.yaml": []byte("privileged: false # only this\n")}
		w.quiet(fewer, remediate.ActionDeclined)

		more := w.proposal()
		more.Findings = []string{"aaaa", "bbbb", "cccc"}
		more.Files["apps/db/db.yaml"] = []byte("root: false\n")
		if out := w.want(more, remediate.ActionOpened); out.PullRequest.Number != 2 {
			t.Errorf("outcome %+v", out)
		}
		w.converged(more)

		w.Close(2)
		w.quiet(more, remediate.ActionDeclined)
		w.Reopen(2)
		w.quiet(more, remediate.ActionUnchanged)
	})
}

func TestClosedWithoutMarkerStaysClosed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.proposal()
		w.want(p, remediate.ActionOpened)
		w.Close(1)
		w.Edit(1, func(p *githubtest.Pull) { p.Body = "no" })
		p.Findings = []string{"dddd"}
		w.quiet(p, remediate.ActionDeclined)
	})
}

func TestMergedAndBackAgainIsANewOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.want(w.proposal(), remediate.ActionOpened)
		w.Merge(1)
		w.Commit("main", "revert", map[string]string{"apps/web.yaml": "privileged: true\n", "apps/netpol.yaml": ""})
		p := w.proposal() // the same files as before, on a new base
		if out := w.want(p, remediate.ActionOpened); out.PullRequest.Number != 2 {
			t.Errorf("outcome %+v", out)
		}
		w.converged(p)
		w.quiet(p, remediate.ActionUnchanged)
	})
}

// TestMergedWorkIsNotForeign: what a person put on the branch is in the base.
func TestMergedWorkIsNotForeign(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.want(w.proposal(), remediate.ActionOpened)
		w.Commit(branch, "tweak", map[string]string{"apps/db/db.yaml": "root: false\n"})
		w.Merge(1)
		w.Commit("main", "revert", map[string]string{"apps/web.yaml": "privileged: true\n"})
		p := w.proposal()
		delete(p.Files, "apps/netpol.yaml")
		w.want(p, remediate.ActionOpened)
		w.converged(p)
	})
}

func TestForeignWorkIsLeftAlone(t *testing.T) {
	tests := map[string]func(t *testing.T, w *world){
		"a commit on top": func(t *testing.T, w *world) {
			w.Commit(branch, "tweak", map[string]string{"apps/web.yaml": "privileged: false # for now\n"})
		},
		"a file slipped into oakum's commit": func(t *testing.T, w *world) {
			message := w.Git("show", "--no-patch", "--format=%B", branch)
			w.Git("update-ref", "refs/heads/"+branch, branch+"^")
			w.Commit(branch, message, map[string]string{"apps/web.yaml": "privileged: false\n", "apps/netpol.yaml": "kind: NetworkPolicy\n", "more.yaml": "x\n"})
		},
		"a deletion slipped into oakum's commit": func(t *testing.T, w *world) {
			message := w.Git("show", "--no-patch", "--format=%B", branch)
			w.Git("update-ref", "refs/heads/"+branch, branch+"^")
			w.Commit(branch, message, map[string]string{"apps/web.yaml": "privileged: false\n", "apps/netpol.yaml": "kind: NetworkPolicy\n", "README.md": ""})
		},
		"a mode slipped into oakum's commit": func(t *testing.T, w *world) {
			message := w.Git("show", "--no-patch", "--format=%B", branch)
			w.Executable(branch, "apps/web.yaml")
			w.Git("update-ref", "refs/heads/"+branch, w.Git("commit-tree", "-p", branch+"^^", "-m", message, branch+"^{tree}"))
		},
		"a commit below oakum's": func(t *testing.T, w *world) {
			message := w.Git("show", "--no-patch", "--format=%B", branch)
			w.Git("update-ref", "refs/heads/"+branch, branch+"^")
			w.Commit(branch, "mine", map[string]string{"mine.yaml": "x\n"})
			w.Commit(branch, message, map[string]string{"apps/web.yaml": "privileged: false\n", "apps/netpol.yaml": "kind: NetworkPolicy\n"})
		},
		"an empty commit below oakum's": func(t *testing.T, w *world) {
			message := w.Git("show", "--no-patch", "--format=%B", branch)
			w.Git("update-ref", "refs/heads/"+branch, branch+"^")
			w.Commit(branch, "mine", nil)
			w.Commit(branch, message, map[string]string{"apps/web.yaml": "privileged: false\n", "apps/netpol.yaml": "kind: NetworkPolicy\n"})
		},
		"a branch that oakum never made": func(t *testing.T, w *world) {
			w.Close(1)
			w.Edit(1, func(p *githubtest.Pull) { p.Head = "another" })
			w.Git("update-ref", "-d", "refs/heads/"+branch)
			w.Commit(branch, "mine", map[string]string{"mine.yaml": "x\n"})
		},
	}
	for name, meddle := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				p := w.proposal()
				w.want(p, remediate.ActionOpened)
				meddle(t, w)
				p.Files["apps/web.yaml"] = []byte("privileged: false # again\n")
				out := w.quiet(p, remediate.ActionForeign)
				if !strings.Contains(out.Detail, branch) || !strings.Contains(out.Detail, w.Head(branch)[:12]) {
					t.Errorf("detail %q", out.Detail)
				}
			})
		})
	}
}

func TestForksAreNotOurs(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.AddFork(branch, "main", "Mend the pods")
		p := w.proposal()
		if out := w.want(p, remediate.ActionOpened); out.PullRequest.Number != 2 {
			t.Errorf("outcome %+v", out)
		}
		w.converged(p)
	})
}

func TestPeoplesLabelsStay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.proposal()
		w.want(p, remediate.ActionOpened)
		w.Edit(1, func(p *githubtest.Pull) {
			p.Labels = append(p.Labels, "team-web")
			p.Body = strings.ReplaceAll(p.Body, "\n", "\r\n") // as the web page saves it
		})
		w.quiet(p, remediate.ActionUnchanged)
	})
}

func TestModesAndBytesAreKept(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Executable("main", "apps/web.yaml")
		p := w.proposal()
		p.Files = map[string][]byte{
			"apps/web.yaml": []byte("\ufeffa: \"\\u00e9 é\"\r\nb: <&>\n"),
			"bin/blob.yaml": {0xff, 0xfe, 0, 'a', '\n'},
			"empty.yaml":    {},
		}
		w.want(p, remediate.ActionOpened)
		for path, content := range p.Files {
			size := w.Git("cat-file", "-s", branch+":"+path)
			if size != fmt.Sprint(len(content)) {
				t.Errorf("%s has %s bytes, want %d", path, size, len(content))
			}
		}
		if tree := w.Git("ls-tree", branch, "apps/web.yaml", "bin/blob.yaml"); !strings.HasPrefix(tree, "100755 ") {
			t.Errorf("modes: %s", tree)
		}
		w.quiet(p, remediate.ActionUnchanged) // and it knows its own commit again
	})
}

// TestFaultsConverge breaks a run in every way there is, and lets the next ones
// set it right. What concerns pull requests alone is tried with one backend.
func TestFaultsConverge(t *testing.T) {
	const secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
	type fault = githubtest.Fault
	rest, git, both := []string{"rest"}, []string{"git"}, []string{"rest", "git"}
	tests := map[string]struct {
		fault
		backends []string
	}{
		"429 on reading":                       {fault{Request: `^GET .*/pulls$`, Effect: githubtest.Respond(429, "slow down", "Retry-After", "7")}, rest},
		"429 on opening, no time":              {fault{Request: `^POST .*/pulls$`, Effect: githubtest.Respond(429, "slow down")}, git},
		"429 on a commit":                      {fault{Request: `^POST .*/git/commits$`, Effect: githubtest.Respond(429, "slow down", "Retry-After", "7")}, rest},
		"429 on an update of the text":         {fault{Request: `^PATCH .*/pulls/1$`, Effect: githubtest.Respond(429, "slow down", "Retry-After", "1")}, rest},
		"429 on a push":                        {fault{Request: `^POST .*git-receive-pack$`, Effect: githubtest.Respond(429, "slow down", "Retry-After", "1")}, git},
		"secondary limit with a time":          {fault{Request: `^POST .*/pulls$`, Effect: githubtest.Respond(403, secondary, "Retry-After", "60")}, rest},
		"secondary limit without":              {fault{Request: `^POST .*/pulls$`, Effect: githubtest.Respond(403, secondary)}, git},
		"secondary limit on a branch":          {fault{Request: `^POST .*/git/refs$`, Effect: githubtest.Respond(403, secondary)}, rest},
		"secondary limit on labels":            {fault{Request: `^POST .*/labels$`, Effect: githubtest.Respond(403, secondary)}, rest},
		"secondary limit on labels, later":     {fault{Request: `^POST .*/labels$`, Skip: 1, Effect: githubtest.Respond(403, secondary)}, git},
		"hourly limit":                         {fault{Request: `^GET .*/pulls$`, Effect: githubtest.Respond(403, "API rate limit exceeded", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "4102445700")}, rest},
		"502 on reading":                       {fault{Request: `^GET .*/pulls$`, Effect: githubtest.Respond(502, "Bad Gateway")}, rest},
		"502 on opening":                       {fault{Request: `^POST .*/pulls$`, Effect: githubtest.Respond(502, "Bad Gateway")}, git},
		"502 on a push":                        {fault{Request: `^POST .*(git-receive-pack|git/refs)$`, Effect: githubtest.Respond(502, "Bad Gateway")}, both},
		"502 on moving the branch":             {fault{Request: `^PATCH .*/git/refs/`, Effect: githubtest.Respond(502, "Bad Gateway")}, rest},
		"503 on the list of branches":          {fault{Request: `^GET .*info/refs$`, Effect: githubtest.Respond(503, "Unavailable")}, git},
		"500 on a tree":                        {fault{Request: `^POST .*/git/trees$`, Effect: githubtest.Respond(500, "oops")}, rest},
		"cut while opening":                    {fault{Request: `^POST .*/pulls$`, Effect: githubtest.Drop}, rest},
		"answer to opening lost":               {fault{Request: `^POST .*/pulls$`, Effect: githubtest.DropAnswer}, git},
		"answer to labels lost":                {fault{Request: `^POST .*/labels$`, Effect: githubtest.DropAnswer}, rest},
		"answer to an update of the text lost": {fault{Request: `^PATCH .*/pulls/1$`, Effect: githubtest.DropAnswer}, rest},
		"opening fails for good":               {fault{Request: `^POST .*/pulls$`, Times: 12, Effect: githubtest.Drop}, git},
		"opening lost for good":                {fault{Request: `^POST .*/pulls$`, Times: 6, Effect: githubtest.DropAnswer}, rest},
		"labels fail for good":                 {fault{Request: `^POST .*/labels$`, Times: 12, Effect: githubtest.Drop}, rest},
		"cut in the middle of a push":          {fault{Request: `^POST .*(git-receive-pack|git/trees)$`, Effect: githubtest.Drop}, both},
		"answer to a push lost":                {fault{Request: `^POST .*(git-receive-pack|git/refs)$`, Effect: githubtest.DropAnswer}, both},
		"answer to a second push lost":         {fault{Request: `^(POST .*git-receive-pack|PATCH .*/git/refs/.*)$`, Effect: githubtest.DropAnswer}, both},
		"answer to a commit lost":              {fault{Request: `^POST .*git/commits$`, Effect: githubtest.DropAnswer}, rest},
		"push fails for good":                  {fault{Request: `^POST .*(git-receive-pack|git/refs)$`, Times: 9, Effect: githubtest.Drop}, both},
		"cut while cloning":                    {fault{Request: `^POST .*git-upload-pack$`, Effect: githubtest.Drop}, git},
		"other host for reading":               {fault{Request: `^GET .*/pulls$`, Effect: githubtest.Redirect(301)}, rest},
		"other host for opening":               {fault{Request: `^POST .*/pulls$`, Effect: githubtest.Redirect(301)}, rest},
		"other host for labels":                {fault{Request: `^POST .*/labels$`, Effect: githubtest.Redirect(307)}, git},
		"other host for listing branches":      {fault{Request: `^GET .*info/refs$`, Effect: githubtest.Redirect(301)}, git},
		"other host for cloning":               {fault{Request: `^POST .*git-upload-pack$`, Effect: githubtest.Redirect(302)}, git},
		"other host for a push":                {fault{Request: `^POST .*(git-receive-pack|git/trees)$`, Effect: githubtest.Redirect(307)}, both},
		"branch not yet known when opening":    {fault{Request: `^POST .*/pulls$`, Effect: githubtest.Respond(422, "Validation Failed: head invalid")}, rest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.Inject(test.fault)
				settle := func(p remediate.Proposal) {
					t.Helper()
					// Twelve broken requests are at most four runs' worth.
					for range 5 {
						if _, err := w.publish(p); err == nil {
							break
						}
					}
					w.converged(p)
				}
				p := w.proposal()
				settle(p)
				p.Files["apps/web.yaml"] = []byte("privileged: false # better\n")
				p.Body = "Two findings, better."
				settle(p)
				w.quiet(p, remediate.ActionUnchanged)
				if n := len(w.Pulls()); n != 1 {
					t.Errorf("%d pull requests", n)
				}
				if n := w.Pending(); n > 0 {
					t.Error("the fault did not happen")
				}
			}, test.backends...)
		})
	}
}

// TestLaggingReads shows a second run what was true before the first, or the
// first run what was true before its own writes.
func TestLaggingReads(t *testing.T) {
	tests := map[string]struct {
		request string
		times   int
	}{
		"pull requests, once":            {request: `^GET .*/pulls$`, times: 1},
		"pull requests, for a while":     {request: `^GET .*/pulls$`, times: 4},
		"the branch, when looking":       {request: `^GET .*/git/ref/`, times: 1},
		"the branch, when looking twice": {request: `^GET .*/git/ref/`, times: 3},
		"both":                           {request: `^GET .*(/pulls|/git/ref/.*)$`, times: 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				p := w.proposal()
				before := w.Now()
				w.want(p, remediate.ActionOpened)
				w.Inject(githubtest.Fault{Request: test.request, Times: test.times, Effect: githubtest.Show(before)})
				p.Files["apps/web.yaml"] = []byte("privileged: false # better\n")
				w.want(p, remediate.ActionUpdated)
				w.converged(p)
				w.quiet(p, remediate.ActionUnchanged)
				if n := len(w.Pulls()); n != 1 {
					t.Errorf("%d pull requests", n)
				}
			})
		})
	}
}

// TestRaceForTheBranch lets somebody push between oakum's look and its push.
func TestRaceForTheBranch(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := w.proposal()
		w.want(p, remediate.ActionOpened)
		p.Files["apps/web.yaml"] = []byte("privileged: false # again\n")
		var theirs string
		w.Inject(githubtest.Fault{
			Request: `^(GET .*service=git-receive-pack|POST .*/git/trees)$`,
			Effect: func(s *githubtest.Server, rw http.ResponseWriter, r *http.Request, next http.Handler) {
				next.ServeHTTP(rw, r)
				theirs = s.Commit(branch, "mine", map[string]string{"mine.yaml": "x\n"})
			},
		})
		w.want(p, remediate.ActionForeign)
		if theirs == "" || w.Head(branch) != theirs {
			t.Errorf("the branch is at %s, somebody's commit is %s", w.Head(branch), theirs)
		}
	})
}

// TestServerRules lets the server itself refuse what is pushed.
func TestServerRules(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if strings.HasPrefix(w.Token, "ghs_") {
			w.Inject(githubtest.Fault{Request: `^POST .*/git/refs$`, Effect: githubtest.Respond(422, "Repository rule violations found")})
		} else {
			w.Hook("pre-receive", "#!/bin/sh\necho 'GH013: Repository rule violations found' >&2\nprintf '\\033[31mred' >&2\nexit 1\n")
		}
		_, err := w.publish(w.proposal())
		if err == nil || !strings.Contains(err.Error(), "rule violations found") || strings.Contains(err.Error(), "\x1b") {
			t.Fatalf("error %v", err)
		}
		if n := len(w.Pulls()); n != 0 || w.Head(branch) != "" {
			t.Errorf("%d pull requests, branch at %q", n, w.Head(branch))
		}
	})
}

// TestRightsThatAreMissing names the right and the next step.
func TestRightsThatAreMissing(t *testing.T) {
	refuse := func(status int, message string, header ...string) githubtest.Fault {
		return githubtest.Fault{Request: `^POST .*/pulls$`, Times: 9, Effect: githubtest.Respond(status, message, header...)}
	}
	tests := map[string]struct {
		fault githubtest.Fault
		want  []string
	}{
		"no right to open": {
			refuse(403, "Resource not accessible by personal access token", "X-Accepted-GitHub-Permissions", "pull_requests=write"),
			[]string{"403", `"Pull requests: read and write"`, "pull_requests=write", "acme/shop"},
		},
		"single sign-on": {
			refuse(403, "Resource protected by organization SAML enforcement.", "X-GitHub-SSO", "required; url=https://github.example/"),
			[]string{"single sign-on"},
		},
		"archived":             {refuse(403, "Repository was archived so is read-only."), []string{"unarchive"}},
		"an unseen repository": {refuse(404, "Not Found"), []string{"may not see it"}},
		"a wrong token":        {refuse(401, "Bad credentials"), []string{"expired or revoked", "GITHUB_TOKEN"}},
		"a token echoed":       {refuse(403, "no: ghs_0123456789abcdefghijABCDEFGHIJ012345 ghp_0123456789abcdefghijABCDEFGHIJ012345"), []string{"REDACTED"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.Inject(test.fault)
				_, err := w.publish(w.proposal())
				if err == nil {
					t.Fatal("no error")
				}
				for _, part := range test.want {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("error %q lacks %q", err, part)
					}
				}
			}, "git")
		})
	}
}

func TestTooLongAWaitIsAnErrorWithATime(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Inject(githubtest.Fault{Request: `^POST .*/pulls$`, Effect: githubtest.Respond(429, "slow down", "Retry-After", "7200")})
		_, err := w.publish(w.proposal())
		var wait *github.WaitError
		if !errors.As(err, &wait) || wait.Until.Before(w.clock.Now().Add(time.Hour)) {
			t.Fatalf("error %v", err)
		}
		w.want(w.proposal(), remediate.ActionOpened)
	})
}

func TestProposalsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := remediate.Proposal{
		Branch: branch, Base: "main", BaseCommit: strings.Repeat("a", 40), Message: "m", Title: "t", Body: "b",
		Files: map[string][]byte{"a.yaml": nil}, Findings: []string{"aaaa"},
	}
	tests := map[string]func(*remediate.Proposal){
		"branch":      func(p *remediate.Proposal) { p.Branch = "a..b" },
		"shell":       func(p *remediate.Proposal) { p.Branch = "$(id)" },
		"lock":        func(p *remediate.Proposal) { p.Branch = "a.lock/b" },
		"own base":    func(p *remediate.Proposal) { p.Base = p.Branch },
		"no base":     func(p *remediate.Proposal) { p.Base = "" },
		"short hash":  func(p *remediate.Proposal) { p.BaseCommit = "abc" },
		"escape":      func(p *remediate.Proposal) { p.Files = map[string][]byte{"../x": nil} },
		"git":         func(p *remediate.Proposal) { p.Files = map[string][]byte{"a/.GIT/hooks/x": nil} },
		"no files":    func(p *remediate.Proposal) { p.Files = nil },
		"no findings": func(p *remediate.Proposal) { p.Findings = nil },
		"marker":      func(p *remediate.Proposal) { p.Findings = []string{"a -->"} },
		"no title":    func(p *remediate.Proposal) { p.Title = " " },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := good
			spoil(&p)
			// Neither side may even be asked.
			if _, err := remediate.Publish(context.Background(), nil, nil, p); err == nil {
				t.Error("published")
			}
		})
	}
}
