package remediate_test

import (
	"context"
	"encoding/base64"
	"fmt"
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
