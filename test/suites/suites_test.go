// Package suites holds oakum's policies against the test suites of other
// tools, which stay outside: for a check that both have, the verdicts agree,
// or the difference is listed with its reason.
package suites

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
)

var update = flag.Bool("update", false, "rewrite docs/suites.md")

// suite is another tool's tests, as a file of this directory describes them.
type suite struct {
	Name   string           `yaml:"name"`
	Source string           `yaml:"source"` // where its cases are, below OAKUM_SUITES
	About  string           `yaml:"about"`  // what its verdicts are taken from
	Checks map[string]check `yaml:"checks"` // by the tool's name of the check
}

// check says which policies together mean what a check does.
type check struct {
	Policies   []string                  `yaml:"policies"`
	Parameters map[string]map[string]any `yaml:"parameters"` // other values, by policy
	Kubernetes int                       `yaml:"kubernetes"` // the minor version of 1.x that the cases are for; 0: the newest
	Differs    []difference              `yaml:"differs"`
}

// difference is a case, or several by a pattern, that is judged differently.
type difference struct {
	Cases   string `yaml:"cases"`
	Because string `yaml:"because"`
}

// verdict is a case: files, and whether the tool finds something in them.
type verdict struct {
	check, name string
	files       fstest.MapFS
	only        func(*manifest.Resource) bool // nil: whatever is in the files
	bad         bool
}

// cases read the suites, by name.
var cases = map[string]func(root string) ([]verdict, error){
	"kyverno": kyverno, "polaris": polaris, "kubeaudit": kubeaudit, "regolibrary": regolibrary, "checkov": checkov,
}

// tally is how the verdicts of a suite compare.
type tally struct{ checks, cases, agree int }

func TestSuites(t *testing.T) {
	dir := os.Getenv("OAKUM_SUITES")
	if dir == "" {
		t.Skip("no suites: set OAKUM_SUITES to a folder with the repositories that docs/suites.md names")
	}
	compiler := &policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names(), Known: true}
	library, err := compiler.LoadFS(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	var doc bytes.Buffer
	doc.WriteString(preface)
	for _, s := range suites(t) {
		root := filepath.Join(dir, filepath.FromSlash(s.Source))
		if _, err := os.Stat(root); err != nil {
			t.Fatal(err)
		}
		verdicts, err := cases[s.Name](root)
		if err != nil {
			t.Fatal(err)
		}
		s.write(&doc, s.compare(t, library, verdicts))
	}
	file := filepath.Join("..", "..", "docs", "suites.md")
	if *update {
		if err := os.WriteFile(file, doc.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || !bytes.Equal(want, doc.Bytes()) {
		t.Errorf("%s is stale (%v): -update rewrites it", file, err)
	}
}

// suites are the files of this directory, which say what is compared.
func suites(t *testing.T) []suite {
	t.Helper()
	names, err := filepath.Glob("*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no suites: %v", err)
	}
	var out []suite
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var s suite
		d := yaml.NewDecoder(bytes.NewReader(src))
		d.KnownFields(true)
		if err := d.Decode(&s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, s)
	}
	return out
}

func (s suite) compare(t *testing.T, library []*policy.Policy, verdicts []verdict) tally {
	t.Helper()
	out := tally{checks: len(s.Checks)}
	used := map[string]bool{}
	seen := map[string]bool{}
	for _, v := range verdicts {
		c, compared := s.Checks[v.check]
		if !compared {
			continue
		}
		seen[v.check] = true
		out.cases++
		found, open := c.judge(t, library, v)
		if (len(found) > 0) == v.bad && len(open) == 0 {
			out.agree++
			continue
		}
		i := slices.IndexFunc(c.Differs, func(d difference) bool { ok, _ := path.Match(d.Cases, v.name); return ok })
		if i < 0 {
			t.Errorf("%s %s: %s: bad is %t there; here is found %q, and not evaluated %v", s.Name, v.check, v.name, v.bad, found, open)
			continue
		}
		used[v.check+" "+c.Differs[i].Cases] = true
	}
	for name, c := range s.Checks {
		if !seen[name] {
			t.Errorf("%s %s: the suite has no such check, or no cases of it", s.Name, name)
		}
		for _, d := range c.Differs {
			if !used[name+" "+d.Cases] {
				t.Errorf("%s %s: the difference %q is listed and is not there", s.Name, name, d.Cases)
			}
		}
	}
	return out
}

// judge says what the policies of a check find in a case, and what they could
// not evaluate.
func (c check) judge(t *testing.T, library []*policy.Policy, v verdict) ([]string, []detect.Unevaluated) {
	t.Helper()
	o := detect.Options{Kubernetes: c.Kubernetes}
	for _, name := range c.Policies {
		i := slices.IndexFunc(library, func(p *policy.Policy) bool { return p.Name == name })
		if i < 0 {
			t.Fatalf("no policy is called %q", name)
		}
		p, err := library[i].With(policy.Overrides{Parameters: c.Parameters[name]})
		if err != nil {
			t.Fatal(err)
		}
		o.Policies = append(o.Policies, p)
	}
	set, err := manifest.Read(v.files, manifest.Options{Wants: o.Wants})
	if err != nil {
		t.Fatal(err)
	}
	result := detect.Scan(set, o)
	var out []string
	for _, f := range result.Findings {
		if v.only == nil || v.only(f.Resource) {
			out = append(out, f.Message)
		}
	}
	return out, result.NotEvaluated
}

const preface = `# Other tools' suites

Other tools have checks of the same name or meaning as policies of oakum, and tests for them. Where both have one, oakum is
held against those tests: its verdict agrees, or the difference is below with its reason. The suites are not part of this
repository: check them out below a folder, name it in ` + "`OAKUM_SUITES`" + `, and run ` + "`go test ./test/suites`" + `.
`

func (s suite) write(w *bytes.Buffer, t tally) {
	fmt.Fprintf(w, "\n## %s\n\nIn `%s`, of %s.\n\n%d checks, %d cases: %d agree, %d differ.\n\n", s.Name, s.Source, strings.TrimSpace(s.About), t.checks, t.cases, t.agree, t.cases-t.agree)
	w.WriteString("| check | policies | differs |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(s.Checks)) {
		c := s.Checks[name]
		var differs []string
		for _, d := range c.Differs {
			differs = append(differs, fmt.Sprintf("`%s`: %s", d.Cases, strings.TrimSpace(d.Because)))
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", name, strings.Join(c.Policies, ", "), strings.Join(differs, "; "))
	}
}
