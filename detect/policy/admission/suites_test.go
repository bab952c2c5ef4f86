package admission_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"sigs.k8s.io/yaml"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/admission"
)

func compiler() *policy.Compiler {
	return &policy.Compiler{Languages: []policy.Language{admission.Language()}}
}

// suite is a folder with other people's policies and their test cases, below
// OAKUM_SUITES; they are no part of this repository.
func suite(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("OAKUM_SUITES")
	if dir == "" {
		t.Skip("no suites: set OAKUM_SUITES to a folder with " + name)
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Skip("no suite: ", err)
	}
	return dir
}

// TestAdmissionLibrary runs the cases of kubescape/cel-admission-library, which
// its authors run against an API server.
func TestAdmissionLibrary(t *testing.T) {
	t.Parallel()
	dir := suite(t, "kubescape/cel-admission-library")
	cases, err := filepath.Glob(filepath.Join(dir, "controls", "*", "tests.json"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	verdicts, wrong := 0, 0
	for _, name := range cases {
		src, err := os.ReadFile(filepath.Join(filepath.Dir(name), "policy.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var tests []libraryCase
		if err := json.Unmarshal(text, &tests); err != nil {
			t.Fatal(err)
		}
		for _, c := range tests {
			verdicts++
			if got := c.run(t, dir, src); got != c.Expected {
				wrong++
				t.Errorf("%s: %s: got %s, want %s", filepath.Base(filepath.Dir(name)), c.Name, got, c.Expected)
			}
		}
	}
	t.Logf("%d policies, %d cases, %d wrong", len(cases), verdicts, wrong)
}

type libraryCase struct {
	Name, Template, Expected string
	Changes                  []string `json:"field_change_list"`
	Binding                  string   `json:"binding_template"`
	Param                    string   `json:"param_template"`
}

// run is what the API server would say: pass, fail, or warn.
func (c libraryCase) run(t *testing.T, dir string, src []byte) string {
	t.Helper()
	var meta struct {
		Metadata struct{ Name string }
	}
	if err := yaml.Unmarshal(src, &meta); err != nil {
		t.Fatal(err)
	}
	name := meta.Metadata.Name
	if c.Binding == "" {
		c.Binding = "policy-binding.yaml"
	}
	if c.Param == "" {
		c.Param = "default-control-configuration.yaml"
	}
	templates := filepath.Join(dir, "test-resources")
	tree := fstest.MapFS{
		"policy.yaml": {Data: src},
		"binding.yaml": {Data: changed(t, filepath.Join(templates, c.Binding),
			"spec.policyName="+name, "metadata.name="+name+"-binding", "spec.paramRef.name="+name+"-params")},
		"params.yaml": {Data: changed(t, filepath.Join(templates, c.Param), "metadata.name="+name+"-params")},
	}
	if !strings.Contains(string(src), "paramKind") {
		delete(tree, "params.yaml")
	}
	policies, err := compiler().LoadFS(tree)
	if err != nil {
		t.Fatal(err)
	}
	object := changed(t, filepath.Join(templates, c.Template), append(c.Changes, "apply=kubectl")...)
	f, errs := manifest.Parse("object.yaml", object, manifest.Plain, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	result := detect.Scan(&manifest.Set{Files: []*manifest.File{f}}, detect.Options{Policies: policies})
	if len(result.NotEvaluated) > 0 {
		return fmt.Sprint(result.NotEvaluated)
	}
	switch {
	case len(result.Findings) == 0:
		return "pass"
	case policies[0].Severity == "high":
		return "fail"
	}
	return "warn"
}

var field = regexp.MustCompile(`^\[(\d+)\]$`)

// changed is a YAML file with fields set: a.b.[0].c=value, the value JSON or a word.
func changed(t *testing.T, name string, changes ...string) []byte {
	t.Helper()
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(src, &doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		path, text, _ := strings.Cut(c, "=")
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		doc = set(doc, strings.Split(path, "."), value)
	}
	if object := doc.(map[string]any); object["apply"] != nil {
		delete(object, "apply")
		if kind := object["kind"].(string); !strings.HasPrefix(kind, "Cluster") && kind != "Namespace" {
			meta := object["metadata"].(map[string]any)
			meta["namespace"] = cmp.Or(meta["namespace"], any("default")) // as kubectl does
		}
	}
	out, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func set(v any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	if m := field.FindStringSubmatch(path[0]); m != nil {
		i, _ := strconv.Atoi(m[1])
		list, _ := v.([]any)
		for len(list) <= i {
			list = append(list, nil)
		}
		list[i] = set(list[i], path[1:], value)
		return list
	}
	object, ok := v.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	object[path[0]] = set(object[path[0]], path[1:], value)
	return object
}
