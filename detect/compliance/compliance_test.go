package compliance_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/compliance"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
)

// unmapped are built-in policies that no framework names, and why.
var unmapped = map[string]string{
	"admission-policy-not-enforcing":   "worth knowing only: it is the way to begin, and another engine may deny",
	"admission-policy-unbound":         "a slip of the pen",
	"annotation-required":              "silent until parameters say what is asked for",
	"api-removed":                      "reliability: the API server refuses such a manifest",
	"deprecated-service-account-field": "an old spelling of what is right",
	"kubelet-version-skew":             "reliability: what was never tested together",
	"env-duplicate":                    "a slip of the pen",
	"hpa-target-missing":               "a slip of the pen",
	"ingress-backend-missing":          "a slip of the pen",
	"ingress-duplicate-host":           "no framework says whose a host is",
	"ingress-wildcard-host":            "no framework asks for names of hosts",
	"job-ttl":                          "tidiness",
	"label-required":                   "silent until parameters say what is asked for",
	"liveness-probe":                   "reliability; worth knowing only",
	"namespace-pod-security-level":     "no framework asks for more than a level",
	"pdb-selects-nothing":              "a slip of the pen",
	"priority-class":                   "reliability; worth knowing only",
	"privileged-port":                  "worth knowing only: the port by itself gives no right",
	"probe-port-unknown":               "a slip of the pen",
	"readiness-probe":                  "reliability",
	"replicas-with-hpa":                "reliability",
	"rollout-strategy":                 "reliability; worth knowing only",
	"run-as-low-uid":                   "worth knowing only: no framework asks for high numbers of users",
	"selector-mismatch":                "a slip of the pen",
	"service-account-missing":          "a slip of the pen",
	"user-namespace-off":               "worth knowing only: newer than the frameworks",
	"webhook-fail-open":                "no framework asks what happens while a webhook is away",
}

// library is the built-in policies, compiled once: with the race detector that
// takes seconds.
var library = sync.OnceValues(func() ([]*policy.Policy, error) {
	return (&policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names(), Known: true}).LoadFS(policies.FS)
})

func builtIn(t testing.TB) ([]*compliance.Framework, []*policy.Policy) {
	t.Helper()
	frameworks, err := compliance.LoadFS(compliance.FS())
	if err != nil {
		t.Fatal(err)
	}
	all, err := library()
	if err != nil {
		t.Fatal(err)
	}
	return frameworks, all
}

// TestBuiltIn: the built-in frameworks name policies that there are, and every
// built-in policy is in one of them or on the list with a reason.
func TestBuiltIn(t *testing.T) {
	t.Parallel()
	frameworks, all := builtIn(t)
	if len(frameworks) != 16 {
		t.Errorf("%d frameworks", len(frameworks))
	}
	c, err := compliance.NewCatalogue(frameworks, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		mapped := len(c.Controls(p.Name)) > 0
		if _, listed := unmapped[p.Name]; mapped == listed {
			t.Errorf("policy %s: in a framework %t, on the list of those that are in none %t", p.Name, mapped, listed)
		}
		if len(p.Controls) > 0 {
			t.Errorf("policy %s names controls itself: frameworks say which policies answer them", p.Name)
		}
	}
	for _, f := range frameworks {
		if f.Version == "" || !strings.HasPrefix(f.Source, "https://") || f.Note == "" {
			t.Errorf("framework %s has version %q, source %q and note %q", f.Name, f.Version, f.Source, f.Note)
		}
		if f.Name+".yaml" != f.File {
			t.Errorf("framework %s is in %s", f.Name, f.File)
		}
	}
}

// TestTwoSources: two references have each control, or the file says which
// one disagrees and why it is not followed.
func TestTwoSources(t *testing.T) {
	t.Parallel()
	frameworks, _ := builtIn(t)
	for _, f := range frameworks {
		disputed := map[string]bool{}
		for _, d := range f.Disagreements {
			for _, id := range d.Controls {
				disputed[id] = true
			}
		}
		for _, c := range f.Controls {
			if len(c.ConfirmedBy) < 2 && !disputed[c.ID] {
				t.Errorf("framework %s: control %s is confirmed by %v alone", f.Name, c.ID, c.ConfirmedBy)
			}
			for i, name := range c.ConfirmedBy {
				if slices.Contains(c.ConfirmedBy[:i], name) {
					t.Errorf("framework %s: control %s is confirmed twice by %s", f.Name, c.ID, name)
				}
			}
		}
	}
}

// TestVersionsAgree: what the versions of a benchmark say in the same words,
// the same policies answer.
func TestVersionsAgree(t *testing.T) {
	t.Parallel()
	frameworks, _ := builtIn(t)
	type answer struct{ where, policies, guidance string }
	seen := map[string]answer{}
	n := 0
	for _, f := range frameworks {
		if !strings.HasPrefix(f.Name, "cis-") {
			continue
		}
		for _, c := range f.Controls {
			got := answer{f.Name + " " + c.ID, strings.Join(c.Policies, " "), c.Guidance}
			want, ok := seen[c.Title]
			if !ok || len(c.Policies) == 0 && want.policies == "" {
				seen[c.Title] = got
				continue
			}
			n++
			if got.policies != want.policies || got.guidance != want.guidance {
				t.Errorf("%q is answered by %q (%s) and by %q (%s)", c.Title, want.policies, want.where, got.policies, got.where)
			}
		}
	}
	if n < 200 {
		t.Errorf("%d controls were compared", n)
	}
}

// TestSilence: what is silent without the reports of a scanner can show a
// breach, and passes no control.
func TestSilence(t *testing.T) {
	t.Parallel()
	frameworks, _ := builtIn(t)
	n := 0
	for _, f := range frameworks {
		for _, c := range f.Controls {
			if !slices.Contains(c.Policies, "image-vulnerabilities") {
				continue
			}
			if n++; c.Automated {
				t.Errorf("%s %s passes where no scanner left a report", f.Name, c.ID)
			}
		}
	}
	if n == 0 {
		t.Error("no control asks for scanners")
	}
}

// TestLaws: no policy shows compliance with a law about organizations.
func TestLaws(t *testing.T) {
	t.Parallel()
	frameworks, _ := builtIn(t)
	for _, f := range frameworks {
		if f.Name != "gdpr" && f.Name != "hipaa" {
			continue
		}
		for _, c := range f.Controls {
			if c.Automated {
				t.Errorf("%s %s can be passed without a person", f.Name, c.ID)
			}
		}
	}
}

// TestDocumentation loads the example of docs/frameworks.md, and looks for
// every built-in framework there.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "frameworks.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(apiVersion.*?)```").FindAllSubmatch(doc, -1)
	if len(blocks) != 1 {
		t.Fatalf("%d examples", len(blocks))
	}
	example, err := compliance.Load("docs/frameworks.md", blocks[0][1])
	if err != nil {
		t.Fatal(err)
	}
	frameworks, all := builtIn(t)
	if _, err := compliance.NewCatalogue(example, all); err != nil {
		t.Error(err)
	}
	for _, f := range frameworks {
		family, version, _ := strings.Cut(f.Name, "-1.")
		if !bytes.Contains(doc, []byte("`"+f.Name+"`")) && !(bytes.Contains(doc, []byte("`"+family+"-1.")) && bytes.Contains(doc, []byte("-1."+version+"`"))) {
			t.Errorf("docs/frameworks.md does not name %s", f.Name)
		}
	}
}
