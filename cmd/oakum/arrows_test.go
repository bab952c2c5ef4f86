package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/oakum-dev/oakum/"

// room is a package and what of ours it may import: "detect/..." is detect and
// all that is below it.
type room struct {
	name string
	may  []string
	why  string
}

// rooms are in the order of docs/architecture.md: each imports from its left.
// A room that no other may import is for tests alone.
var rooms = []room{
	{"detect/source", nil, "bytes, lines and spans are the leaf that everything else stands on"},
	{"detect/manifest", []string{"detect/source"}, "it reads and locates, whatever is asked of the resources later"},
	{"detect/vuln", []string{"detect/source", "detect/manifest"}, "what scanners found in images does not depend on what is judged"},
	{"detect/policies", nil, "it is YAML files and their embedding"},
	{"detect/policy", []string{"detect/source", "detect/manifest", "detect/vuln"}, "the language knows resources and images, and neither the library nor who scans"},
	{"detect/policy/admission", []string{"detect/source", "detect/manifest", "detect/policy"}, "how other people's policies judge a resource does not depend on who asks"},
	{"detect/policy/bundle", nil, "it is files and digests, whatever they say"},
	{"detect/policy/gatekeeper", []string{"detect/source", "detect/manifest", "detect/policy", "detect/policy/admission"}, "another language knows how policies are judged, and not who scans"},
	{"detect/policy/rego", []string{"detect/source", "detect/manifest", "detect/policy"}, "rules of Rego know resources, and not who scans"},
	{"detect/render", []string{"detect/source", "detect/manifest"}, "what sources render to does not depend on what is judged"},
	{"detect/cluster", []string{"detect/source", "detect/manifest"}, "what a cluster holds does not depend on what is judged"},
	{"detect/trace", []string{"detect/source", "detect/manifest", "detect/render"}, "who decides an object does not depend on what is wrong with it"},
	{"detect/graph", []string{"detect/source", "detect/manifest"}, "who reaches what does not depend on what is wrong"},
	{"detect", []string{"detect/..."}, "detection knows nothing of repairs"},
	{"detect/drift", []string{"detect", "detect/manifest", "detect/policy", "detect/trace"}, "what differs does not depend on who reads the cluster or mends what differs"},
	{"detect/compliance", []string{"detect", "detect/manifest", "detect/policy"}, "it says what a scan means to frameworks, and knows nothing of repairs or of who prints it"},
	{"fixers/yamledit", []string{"detect/source"}, "an edit knows bytes and trees, and nothing of Kubernetes"},
	{"fixers", []string{"detect/...", "fixers/yamledit"}, "a fixer says what right looks like, and nothing of git or GitHub"},
	{"report/markdown", nil, "it knows text, and nothing of what is told"},
	{"report", []string{"detect", "detect/compliance", "detect/drift", "detect/graph", "detect/manifest", "detect/policy", "detect/trace", "fixers", "report/markdown"}, "a report prints findings and the fixes they have"},
	{"remediate", []string{"detect/...", "fixers/...", "report/markdown"}, "it plans and proves, and declares the interfaces that git and GitHub implement"},
	{"remediate/repo", []string{"remediate"}, "the git half knows what a proposal is, and not how one is made"},
	{"remediate/github", []string{"remediate"}, "the GitHub half knows what a proposal is, and not how one is made"},
	{"remediate/store", nil, "it keeps what others tell it, and knows nothing of what that means"},
	{"remediate/store/storetest", nil, "it makes databases for the tests of the store, and so cannot use it"},
	{"remediate/bot", []string{"detect/...", "fixers/...", "remediate", "remediate/repo", "remediate/store", "report/markdown"}, "it says what a task means, and declares the forge that remediate/github is"},
	{"test/suites", nil, "it is tests, which nothing uses"},
	{"test/size", []string{"testdata/fleet"}, "it measures, and nothing uses it"},
	{"testdata/fleet", nil, "it makes clusters to measure and to try with"},
	{"remediate/github/githubtest", nil, "the stand-in for GitHub must not share code with what it judges"},
	{"webhook", []string{"remediate/store"}, "it is the way in: it says what is to be done, and does none of it"},
	{"testdata/shop", nil, "it is files and their embedding"},
	{"testdata/policies", nil, "it is test cases and their embedding"},
	{"cmd/oakum", []string{"detect/...", "fixers/...", "report", "remediate", "remediate/repo", "remediate/github", "remediate/store", "remediate/bot", "webhook", "testdata/shop", "testdata/policies"}, "what only tests need is no part of the program"},
}

// library is code of others that only some rooms may know, tests included.
type library struct {
	prefix string // of import paths
	rooms  []string
}

var libraries = []library{
	{"k8s.io/client-go", []string{"detect/cluster", "detect/policy/admission"}},
	{"k8s.io/apiserver/pkg/admission", []string{"detect/policy/admission"}},
	{"github.com/open-policy-agent/", []string{"detect/policy/gatekeeper", "detect/policy/rego"}},
	{"github.com/go-git/", []string{"remediate/repo", "remediate/github/githubtest"}},
	{"github.com/google/go-github/", []string{"remediate/github"}},
	{"modernc.org/sqlite", []string{"remediate/store"}},
	{"github.com/jackc/pgx/", []string{"remediate/store", "remediate/store/storetest"}},
	{"sigs.k8s.io/kustomize/api", []string{"detect/render"}},
	{"github.com/spf13/cobra", []string{"cmd/oakum"}},
}

// listed is a package as go list tells of it.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// brokenArrows says for each import that the tables do not allow what is wrong
// with it. Tests may import any room, since they judge from outside.
func brokenArrows(packages []listed) []string {
	var broken []string
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module)
		i := slices.IndexFunc(rooms, func(r room) bool { return r.name == name })
		if i < 0 {
			broken = append(broken, name+": unknown room: add it to the table")
			continue
		}
		for _, path := range p.Imports {
			if to, ours := strings.CutPrefix(path, module); ours && !slices.ContainsFunc(rooms[i].may, func(pattern string) bool { return matches(pattern, to) }) {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", name, to, rooms[i].why))
			}
		}
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for _, l := range libraries {
				if strings.HasPrefix(path, l.prefix) && !slices.Contains(l.rooms, name) {
					broken = append(broken, fmt.Sprintf("%s imports %s: that stays in %s", name, path, strings.Join(l.rooms, " and ")))
				}
			}
		}
	}
	return broken
}

func matches(pattern, name string) bool {
	if above, all := strings.CutSuffix(pattern, "/..."); all {
		return name == above || strings.HasPrefix(name, above+"/")
	}
	return name == pattern
}

func TestArrows(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	list.Dir = "../.."
	out, err := list.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	var packages []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading what go list says: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 2 {
		t.Fatalf("go list says %d packages", len(packages))
	}
	for _, b := range brokenArrows(packages) {
		t.Error(b)
	}
}

func TestBrokenArrows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to string // ours without the module, others whole
		test     bool   // a test imports it
		want     string // part of what is said; empty: the arrow is right
	}{
		{from: "detect/source", to: "detect/manifest", want: "detect/source imports detect/manifest: bytes, lines and spans"},
		{from: "detect/source", to: "go.yaml.in/yaml/v3"},
		{from: "detect/manifest", to: "detect/source"},
		{from: "detect/manifest", to: "detect/policy", want: "whatever is asked"},
		{from: "detect/vuln", to: "detect/manifest"},
		{from: "detect/vuln", to: "detect/policy", want: "what is judged"},
		{from: "detect/policies", to: "detect/policy", want: "YAML files"},
		{from: "detect/policies", to: "detect/policy", test: true},
		{from: "detect/policy", to: "detect/policies", want: "neither the library"},
		{from: "detect/policy", to: "detect/vuln"},
		{from: "detect/policy", to: "detect", want: "nor who scans"},
		{from: "detect/policy/bundle", to: "detect/policy", want: "files and digests"},
		{from: "detect/policy/gatekeeper", to: "detect", want: "another language knows"},
		{from: "detect/policy/gatekeeper", to: "detect/policy/admission"},
		{from: "detect/policy/rego", to: "detect", want: "rules of Rego know"},
		{from: "detect/policy", to: "detect/policy/admission", want: "neither the library"},
		{from: "detect/policy/admission", to: "detect/policy"},
		{from: "detect/policy/admission", to: "detect", want: "who asks"},
		{from: "detect/render", to: "detect/policy", want: "what is judged"},
		{from: "detect/cluster", to: "detect/policy", want: "what is judged"},
		{from: "detect/trace", to: "detect/render"},
		{from: "detect/trace", to: "detect/policy", want: "does not depend on what is wrong"},
		{from: "detect/graph", to: "detect/manifest"},
		{from: "detect/graph", to: "detect/policy", want: "does not depend on what is wrong"},
		{from: "detect", to: "detect/policy"},
		{from: "detect", to: "fixers", want: "nothing of repairs"},
		{from: "detect", to: "fixers", test: true},
		{from: "detect/compliance", to: "detect"},
		{from: "detect/compliance", to: "detect/policies", want: "what a scan means"},
		{from: "detect/compliance", to: "detect/policies", test: true},
		{from: "detect/compliance", to: "report", want: "who prints it"},
		{from: "fixers/yamledit", to: "detect/source"},
		{from: "fixers/yamledit", to: "detect/manifest", want: "nothing of Kubernetes"},
		{from: "fixers/yamledit", to: "fixers", want: "nothing of Kubernetes"},
		{from: "fixers", to: "detect"},
		{from: "fixers", to: "remediate", want: "nothing of git"},
		{from: "report/markdown", to: "fixers", want: "it knows text"},
		{from: "report", to: "fixers"},
		{from: "report", to: "detect/compliance"},
		{from: "detect/drift", to: "detect/cluster", want: "what differs does not depend"},
		{from: "report", to: "remediate", want: "prints findings"},
		{from: "remediate", to: "fixers/yamledit"},
		{from: "remediate", to: "remediate/repo", want: "declares the interfaces"},
		{from: "remediate", to: "report", want: "plans and proves"},
		{from: "remediate/repo", to: "remediate"},
		{from: "remediate/repo", to: "remediate/github", want: "the git half"},
		{from: "remediate/github", to: "fixers", want: "the GitHub half"},
		{from: "remediate/github", to: "remediate/github/githubtest", want: "the GitHub half"},
		{from: "remediate/github", to: "remediate/github/githubtest", test: true},
		{from: "remediate/github/githubtest", to: "remediate", want: "must not share code"},
		{from: "remediate/bot", to: "remediate/store"},
		{from: "remediate/bot", to: "remediate/github", want: "declares the forge"},
		{from: "remediate/store", to: "remediate", want: "keeps what others tell it"},
		{from: "remediate/store", to: "remediate/store/storetest", test: true},
		{from: "remediate/store/storetest", to: "remediate/store", want: "makes databases"},
		{from: "webhook", to: "remediate/store"},
		{from: "webhook", to: "remediate/github", want: "the way in"},
		{from: "test/suites", to: "detect", want: "it is tests"},
		{from: "test/size", to: "detect", want: "it measures"},
		{from: "testdata/fleet", to: "detect", want: "it makes clusters"},
		{from: "testdata/shop", to: "detect", want: "files and their embedding"},
		{from: "testdata/policies", to: "detect", want: "test cases and their embedding"},
		{from: "cmd/oakum", to: "remediate/repo"},
		{from: "cmd/oakum", to: "remediate/github/githubtest", want: "no part of the program"},
		{from: "util", to: "fmt", want: "util: unknown room: add it to the table"},
		{from: "detect/sources", to: "fmt", want: "unknown room"},

		{from: "detect", to: "k8s.io/client-go/kubernetes", want: "that stays in detect/cluster and detect/policy/admission"},
		{from: "detect/policy", to: "k8s.io/apiserver/pkg/admission/plugin/cel", want: "that stays in detect/policy/admission"},
		{from: "detect/policy", to: "k8s.io/apiserver/pkg/cel/library"},
		{from: "detect/policy/admission", to: "k8s.io/apiserver/pkg/admission/plugin/cel"},
		{from: "detect/cluster", to: "k8s.io/client-go/kubernetes"},
		{from: "detect", to: "github.com/open-policy-agent/opa/v1/ast", want: "that stays in detect/policy/gatekeeper and detect/policy/rego"},
		{from: "remediate", to: "github.com/go-git/go-git/v5", want: "that stays in remediate/repo"},
		{from: "remediate", to: "github.com/go-git/go-git/v5", test: true, want: "that stays in remediate/repo"},
		{from: "remediate/repo", to: "github.com/go-git/go-git/v5/plumbing"},
		{from: "remediate/repo", to: "github.com/google/go-github/v60/github", want: "that stays in remediate/github"},
		{from: "webhook", to: "github.com/google/go-github/v60/github", want: "that stays in remediate/github"},
		{from: "remediate/store", to: "modernc.org/sqlite"},
		{from: "cmd/oakum", to: "modernc.org/sqlite", want: "that stays in remediate/store"},
		{from: "remediate/store", to: "github.com/jackc/pgx/v5"},
		{from: "webhook", to: "github.com/jackc/pgx/v5/stdlib", want: "that stays in remediate/store and remediate/store/storetest"},
		{from: "remediate", to: "sigs.k8s.io/kustomize/api/krusty", want: "that stays in detect/render"},
		{from: "detect/render", to: "sigs.k8s.io/kustomize/api/krusty"},
		{from: "remediate", to: "sigs.k8s.io/kustomize/kyaml/yaml"},
		{from: "report", to: "github.com/spf13/cobra", want: "that stays in cmd/oakum"},
		{from: "cmd/oakum", to: "github.com/spf13/cobra"},
	}
	var unbroken []string
	for _, r := range rooms {
		unbroken = append(unbroken, r.name)
	}
	for _, l := range libraries {
		unbroken = append(unbroken, l.prefix)
	}
	for _, c := range tests {
		to := c.to
		if slices.ContainsFunc(rooms, func(r room) bool { return r.name == to }) {
			to = module + to
		}
		p := listed{ImportPath: module + c.from, Imports: []string{"fmt"}}
		if c.test {
			p.XTestImports = []string{to}
		} else {
			p.Imports = append(p.Imports, to)
		}
		got := brokenArrows([]listed{p})
		switch {
		case c.want == "" && len(got) > 0, c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
			t.Errorf("%s imports %s (by a test: %t): got %q, want %q", c.from, c.to, c.test, got, c.want)
		case c.want != "":
			unbroken = slices.DeleteFunc(unbroken, func(rule string) bool {
				return rule == c.from && to != c.to || strings.HasPrefix(c.to, rule) && to == c.to
			})
		}
	}
	if d := cmp.Diff([]string{}, unbroken); d != "" {
		t.Errorf("rules that no case breaks:\n%s", d)
	}
}
