package remediate_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/github/githubtest"
)

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
		"an Actions job":       {refuse(403, "GitHub Actions is not permitted to create or approve pull requests."), []string{"Workflow permissions"}},
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
		var later *remediate.Later
		if !errors.As(err, &later) || later.Until.Before(w.clock.Now().Add(time.Hour)) {
			t.Fatalf("error %v", err)
		}
		w.want(w.proposal(), remediate.ActionOpened)
	})
}
