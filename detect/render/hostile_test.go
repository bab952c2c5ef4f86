package render

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestRefuses checks that what a build would take from elsewhere is refused
// with a reason before kustomize sees it. A server and a git of our own tell
// whether anything was asked for after all. (Not parallel: it sets PATH.)
func TestRefuses(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.NotFound(w, r)
	}))
	defer server.Close()
	bin := t.TempDir()
	ran := filepath.Join(bin, "ran")
	for _, name := range []string{"git", "helm", "evil", "docker"} {
		script := fmt.Sprintf("#!/bin/sh\n: > %s\nexit 1\n", ran)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)

	const file = "\n-- root/file --\nx\n"
	for name, tc := range map[string]struct {
		archive string // of which "root" is built
		remote  bool
		why     string
	}{
		"a file on the network":             {"-- root/kustomization.yaml --\nresources: [URL/x.yaml]\n", true, "/x.yaml"},
		"a key in another case":             {"-- root/kustomization.yaml --\nResources: [URL/x.yaml]\n", true, "/x.yaml"},
		"a remote base two levels down":     {"-- root/kustomization.yaml --\nresources: [../a]\n-- a/kustomization.yaml --\nresources: [../b]\n-- b/kustomization.yaml --\nresources: ['github.com/o/r//d?ref=v1']\n", true, "b/kustomization.yaml"},
		"a remote base that is a directory": {"-- root/kustomization.yaml --\nresources: [github.com/o/r]\n-- root/github.com/o/r/kustomization.yaml --\n{}\n", true, "github.com/o/r"},
		"a remote base by ssh":              {"-- root/kustomization.yaml --\nresources: ['git@host:o/r.git']\n", true, "git@host"},
		"a forced git base":                 {"-- root/kustomization.yaml --\nbases: ['git::https://host/o/r']\n", true, "host/o/r"},
		"a base with a line break":          {"-- root/kustomization.yaml --\nresources: [\"github.com/o/r\\n\"]\n", true, "github.com"},
		"a remote component":                {"-- root/kustomization.yaml --\ncomponents: ['https://host/o/r']\n", true, "host/o/r"},
		"a remote patch":                    {"-- root/kustomization.yaml --\npatches: [{path: URL/p.yaml}]\n", true, "p.yaml"},
		"a remote schema":                   {"-- root/kustomization.yaml --\nopenapi: {path: URL/s.json}\n", true, "s.json"},
		"a remote input":                    {"-- root/kustomization.yaml --\nconfigMapGenerator: [{name: x, files: [k=URL/f]}]\n", true, "/f"},
		"a base that is an input first":     {"-- root/kustomization.yaml --\nresources: [../a, ../b]\n-- a/kustomization.yaml --\nconfigMapGenerator: [{name: x, files: [../b/kustomization.yaml]}]\n-- b/kustomization.yaml --\nresources: [URL/x.yaml]\n", true, "b/kustomization.yaml"},
		"a remote input of a generator":     {"-- root/kustomization.yaml --\ngenerators: [g.yaml]\n-- root/g.yaml --\napiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: x}\nFiles: [k=URL/f]\n", true, "/f"},
		"a remote input of one inline":      {"-- root/kustomization.yaml --\ntransformers:\n- |-\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: x}\n  path: URL/p\n", true, "/p"},
		"a generator by kustomization":      {"-- root/kustomization.yaml --\ngenerators: [../g]\n-- g/kustomization.yaml --\nresources: [g.yaml]\n-- g/g.yaml --\nkind: x\n", false, "not supported"},
		"a plugin to run":                   {"-- root/kustomization.yaml --\ngenerators: [g.yaml]\n-- root/g.yaml --\napiVersion: example.com/v1\nkind: Evil\nmetadata:\n  name: x\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: evil}\n", false, "runs the plugin Evil"},
		"a chart":                           {"-- root/kustomization.yaml --\nhelmCharts: [{name: x, repo: URL}]\n", false, "inflates a Helm chart"},
		"a chart by a generator":            {"-- root/kustomization.yaml --\ngenerators: [g.yaml]\n-- root/g.yaml --\napiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\nname: x\n", false, "inflates a Helm chart"},
		"a path outside":                    {"-- root/kustomization.yaml --\nresources: [../../../etc/passwd]\n", false, "outside the repository"},
		"an absolute path":                  {"-- root/kustomization.yaml --\nconfigMapGenerator: [{name: x, files: [/etc/passwd]}]\n", false, "outside the repository"},
		"a missing directory":               {"-- root/kustomization.yaml --\nresources: [../gone]\n", false, `root/kustomization.yaml names "../gone", which does not exist`},
		"a directory without one":           {"-- root/kustomization.yaml --\nresources: [d]\n-- root/d/x.yaml --\nkind: x\n", false, "root/d has no kustomization"},
		"a circle":                          {"-- root/kustomization.yaml --\nresources: [../a]\n-- a/kustomization.yaml --\nresources: [../root]\n", false, "includes itself"},
		"two kustomizations":                {"-- root/kustomization.yaml --\nresources: []\n-- root/Kustomization --\nresources: []\n", false, "several kustomizations"},
		"a broken one":                      {"-- root/kustomization.yaml --\nresources:\n- a\n  b: [\n", false, "root/kustomization.yaml:"},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := tree(txtar.Parse([]byte(strings.ReplaceAll(tc.archive, "URL", server.URL) + file)))
			root := roots(t, fsys)["root"]
			_, err := Build(t.Context(), fsys, root)
			if err == nil || root.Err == nil || !strings.Contains(err.Error(), tc.why) || errors.Is(err, ErrRemote) != tc.remote {
				t.Errorf("the build says %v, want %q (remote: %t), and before it began", err, tc.why, tc.remote)
			}
		})
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a process was run")
	}
}

// TestSymlink checks that a link out of a confined tree is not followed.
func TestSymlink(t *testing.T) {
	t.Parallel()
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret.yaml")
	err := errors.Join(
		os.WriteFile(secret, []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: secret}\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte("resources: [link.yaml]\n"), 0o600),
		os.Symlink(secret, filepath.Join(dir, "link.yaml")),
	)
	if err != nil {
		t.Fatal(err)
	}
	confined, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer confined.Close()
	objects, err := Build(t.Context(), confined.FS(), roots(t, confined.FS())["."])
	if err == nil {
		t.Errorf("the link was followed: %v", objects)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	twice := &strings.Builder{} // each level includes the next one twice, under two names
	fmt.Fprint(twice, "-- root/kustomization.yaml --\nresources: [../a0]\n")
	for i := range 12 {
		fmt.Fprintf(twice, "-- a%d/kustomization.yaml --\nresources: [../b%d, ../c%d]\n", i, i, i)
		for _, side := range "bc" {
			fmt.Fprintf(twice, "-- %c%d/kustomization.yaml --\nnamePrefix: %c\nresources: [../a%d]\n", side, i, side, i+1)
		}
	}
	fmt.Fprint(twice, "-- a12/kustomization.yaml --\nresources: []\n")

	laughs := &strings.Builder{}
	fmt.Fprint(laughs, "-- root/kustomization.yaml --\nresources: [x.yaml]\n-- root/x.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, name: x}\na0: &a0 [x]\n")
	for i := range 30 {
		fmt.Fprintf(laughs, "a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
	}
	for name, tc := range map[string]struct{ archive, why string }{
		"directories": {twice.String(), "directories"},
		"aliases":     {laughs.String(), "aliases expand"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := tree(txtar.Parse([]byte(tc.archive)))
			if _, err := Build(t.Context(), fsys, roots(t, fsys)["root"]); err == nil || !strings.Contains(err.Error(), tc.why) {
				t.Errorf("the build says %v, want %q", err, tc.why)
			}
		})
	}
}
