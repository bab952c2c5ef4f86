package compliance_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/oakum-dev/oakum/detect/compliance"
	"github.com/oakum-dev/oakum/detect/policy"
)

const sound = `apiVersion: oakum.dev/v1alpha1
kind: Framework
metadata:
  name: house
spec:
  title: Rules of the house
  source: the wiki
  levels: [must, may]
  references: {other: another wiki}
  controls:
    - id: "1"
      title: pods
      level: must
      automated: true
      policies: [pod]
      confirmedBy: [other]
    - id: "2"
      title: people
      level: may
      automated: false
      guidance: ask
  disagreements:
    - controls: ["2"]
      reference: other
      says: nothing
      reason: we asked
`

func TestLoadMistakes(t *testing.T) {
	t.Parallel()
	if _, err := compliance.Load("f.yaml", []byte(sound)); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ old, new, want string }{
		{"oakum.dev/v1alpha1", "v2", `f.yaml:1:13: apiVersion is "v2", want oakum.dev/v1alpha1`},
		{"kind: Framework", "kind: Policy", `f.yaml:2:7: kind is "Policy", want Framework`},
		{"name: house", "name: The House", `f.yaml:4:9: name "The House" has other characters than a-z, 0-9, and dots and dashes between them`},
		{"  source: the wiki\n", "", "f.yaml:6:3: framework house needs a title and a source"},
		{"source:", "sauce:", "f.yaml:7:1: field sauce not found in type Framework"},
		{`id: "2"`, `id: "1"`, "f.yaml:17:11: control 1 is there twice"},
		{`id: "1"`, `id: " 1"`, "f.yaml:11:11: a control needs an id, without blanks around it"},
		{"      title: pods\n", "", "f.yaml:11:7: control 1 needs a title"},
		{"level: must", "level: should", `f.yaml:13:14: the level of control 1 is "should", and those of the framework are ["must" "may"]`},
		{"      level: may\n", "", `f.yaml:17:7: the level of control 2 is "", and those of the framework are ["must" "may"]`},
		{"  levels: [must, may]\n", "", `f.yaml:12:14: the level of control 1 is "must", and those of the framework are []`},
		{"policies: [pod]", "policies: []", "f.yaml:14:18: control 1 is automated and names no policies"},
		{"policies: [pod]", "policies: [pod, pod]", "f.yaml:15:23: control 1 names policy pod twice"},
		{"      guidance: ask\n", "", "f.yaml:17:7: control 2 is not automated: give guidance"},
		{"automated: true", "automated: maybe", "f.yaml:14:1: cannot unmarshal !!str `maybe` into bool"},
		{"confirmedBy: [other]", "confirmedBy: [me]", "f.yaml:16:21: me is none of the references"},
		{"reference: other", "reference: me", "f.yaml:23:7: a disagreement needs controls, one of the references, what it says, and the reason for not following it"},
		{`controls: ["2"]`, `controls: ["3"]`, "f.yaml:23:18: framework house has no control 3"},
		{"automated: true", "automated: true\n      kubernetes: {since: 9, until: 8}", "f.yaml:15:19: until comes before since"},
		{"spec:\n", "spec: [\n", "f.yaml:4:1: did not find expected ',' or ']'"},
		{sound, strings.Replace(sound, "spec:", "spec:\n  controls: []\n", 1), "f.yaml:12:1: mapping key \"controls\" already defined at line 6"},
		{sound, sound[:strings.Index(sound, "  controls")], "f.yaml:6:3: framework house has 0 controls, want 1 to 5000"},
		{sound, strings.Repeat("#", 1<<20) + "\n" + sound, "f.yaml: framework file is larger than 1024 KiB"},
		{sound, sound + "---\n" + strings.Replace(sound, "title: pods", "title:", 1), "f.yaml:38:7: control 1 needs a title"},
	}
	for _, c := range tests {
		src := strings.Replace(sound, c.old, c.new, 1)
		if _, err := compliance.Load("f.yaml", []byte(src)); err == nil || err.Error() != c.want {
			t.Errorf("%q → %.60q:\n got %v\nwant %s", c.old, c.new, err, c.want)
		}
	}
}

func TestLoadFS(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{
		"a.yaml":     {Data: []byte("kind: Pod\n")},
		"b/c.yml":    {Data: []byte(sound)},
		"README.txt": {Data: []byte("no framework")},
	}
	loaded, err := compliance.LoadFS(tree)
	if err == nil || !strings.Contains(err.Error(), `a.yaml:1:1: apiVersion is ""`) {
		t.Errorf("got %v", err)
	}
	if len(loaded) != 1 || loaded[0].Name != "house" || loaded[0].File != "b/c.yml" {
		t.Errorf("got %v", loaded)
	}
}

// TestCatalogue: policies join controls by naming them, and make frameworks.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	loaded, err := compliance.Load("f.yaml", []byte(sound))
	if err != nil {
		t.Fatal(err)
	}
	pod := &policy.Policy{Name: "pod", Controls: map[string][]string{"mine": {"b", "a"}}}
	more := &policy.Policy{Name: "more", Controls: map[string][]string{"house": {"1", "2"}, "mine": {"a"}}}
	c, err := compliance.NewCatalogue(loaded, []*policy.Policy{pod, more})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"house", "mine"}, c.Names()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string][]string{"house": {"1", "2"}, "mine": {"a"}}, c.Controls("more")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string][]string{"house": {"1"}, "mine": {"a", "b"}}, c.Controls("pod")); d != "" {
		t.Error(d)
	}
	if got := c.Frameworks[0].Control("2"); got.Automated || len(got.Policies) != 1 {
		t.Errorf("what a person must judge is now %+v", got)
	}
	if got := loaded[0].Control("1").Policies; len(got) != 1 {
		t.Errorf("the framework itself was changed: %v", got)
	}
	if got := c.Controls("nobody"); got == nil || len(got) != 0 {
		t.Errorf("got %v", got)
	}
	if _, err := c.Find([]string{"pss"}); err == nil || err.Error() != `no framework is called "pss"; there are house, mine` {
		t.Errorf("got %v", err)
	}

	_, err = compliance.NewCatalogue(loaded, []*policy.Policy{more})
	if want := `f.yaml:15:18: control 1 names policy "pod", which there is not; 'oakum policy list' prints them`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	wrong := &policy.Policy{Name: "wrong", File: "w.yaml", Controls: map[string][]string{"house": {"9"}}}
	_, err = compliance.NewCatalogue(loaded, []*policy.Policy{pod, wrong})
	if want := `w.yaml: policy wrong names control "9" of framework house, which has none of that id`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = compliance.NewCatalogue(append(loaded, loaded[0]), []*policy.Policy{pod})
	if want := "framework house is in f.yaml and in f.yaml: rename one"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
