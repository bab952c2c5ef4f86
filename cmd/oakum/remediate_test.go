package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/remediate/github/githubtest"
)

const privileged = `apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: proxy
    image: proxy:1 # kept
    securityContext:
      privileged: true
`

// TestRemediate runs the verb against a GitHub that keeps what it is told: one
// pull request for each directory, and none on the second run.
func TestRemediate(t *testing.T) {
	const token = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
	t.Setenv("GITHUB_TOKEN", token)
	server := githubtest.New(t, token, map[string]string{
		"apps/a/pod.yaml": privileged,
		"apps/b/pod.yaml": strings.ReplaceAll(privileged, "name: web", "name: other"),
		"README.md":       "manifests\n",
	})
	remediate := func(extra ...string) string {
		t.Helper()
		var out, errOut bytes.Buffer
		args := append([]string{"remediate", server.CloneURL(), "--github-url", server.URL, "--safety", "review", "--policy", "privileged-container"}, extra...)
		if code := run(context.Background(), args, nil, &out, &errOut); code != exitDone {
			t.Fatalf("exit code %d: %s", code, errOut.String())
		}
		if all := out.String() + errOut.String(); strings.Contains(all, token) {
			t.Errorf("the token is printed: %s", all)
		}
		return out.String()
	}

	out := remediate("--dry-run")
	if n := len(server.Pulls()); n != 0 {
		t.Fatalf("a dry run opened %d pull requests", n)
	}
	if !strings.Contains(out, "+      privileged: false") {
		t.Errorf("the dry run shows no diff: %s", out)
	}

	out = remediate()
	if n := len(server.Pulls()); n != 2 {
		t.Fatalf("there are %d pull requests, want 2: %s", n, out)
	}
	if got := strings.Count(out, "opened "); got != 2 {
		t.Errorf("%d lines say opened, want 2: %s", got, out)
	}
	for _, p := range server.Pulls() {
		if !strings.Contains(p.Body, "### To refuse") || !strings.Contains(p.Body, "<!-- oakum:v1 ") {
			t.Errorf("the text of #%d lacks a part: %s", p.Number, p.Body)
		}
	}

	server.Requests()
	out = remediate()
	for _, r := range server.Requests() {
		if r.Write() {
			t.Errorf("the second run wrote: %+v", r)
		}
	}
	if got := strings.Count(out, "unchanged "); got != 2 || len(server.Pulls()) != 2 {
		t.Errorf("the second run: %s", out)
	}

	server.Close(1)
	if out = remediate(); !strings.Contains(out, "declined ") || len(server.Pulls()) != 2 {
		t.Errorf("after one was closed: %s", out)
	}
}
