package suites

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing/fstest"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// load reads files into a tree, by the last part of their names.
func load(names ...string) (fstest.MapFS, error) {
	out := fstest.MapFS{}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		base := filepath.Base(name)
		if ext := filepath.Ext(base); ext != ".yaml" && ext != ".yml" && ext != ".json" {
			base += ".yaml"
		}
		out[base] = &fstest.MapFile{Data: src}
	}
	return out, nil
}

// each makes a case of every file that a pattern matches. name is what is left
// of its path below root.
func each(root, pattern string, judge func(v *verdict, parts []string) bool) ([]verdict, error) {
	names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
	if err != nil {
		return nil, err
	}
	var out []verdict
	for _, name := range names {
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return nil, err
		}
		parts := strings.Split(filepath.ToSlash(rel), "/")
		v := verdict{name: parts[len(parts)-1]}
		if !judge(&v, parts) {
			continue
		}
		if v.files, err = load(name); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// kyverno: every resource of a file is bad, or none.
func kyverno(root string) ([]verdict, error) {
	files, err := each(root, "*/*/.chainsaw-test/*.yaml", func(v *verdict, parts []string) bool {
		v.check, v.bad = parts[1], strings.Contains(v.name, "bad")
		return v.bad || strings.Contains(v.name, "good")
	})
	if err != nil {
		return nil, err
	}
	var out []verdict
	for _, v := range files {
		for name := range v.files {
			f, errs := manifest.Parse(name, v.files[name].Data, manifest.Plain, nil)
			if len(errs) > 0 {
				return nil, fmt.Errorf("%s: %v", name, errs)
			}
			for _, r := range f.Resources {
				one := v
				one.name = r.Name
				one.only = func(other *manifest.Resource) bool { return other.ID() == r.ID() }
				out = append(out, one)
			}
		}
	}
	return out, nil
}

// polaris: the name of the file is the verdict.
func polaris(root string) ([]verdict, error) {
	return each(root, "*/*.yaml", func(v *verdict, parts []string) bool {
		v.check, v.bad = parts[0], strings.HasPrefix(v.name, "fail")
		return v.bad || strings.HasPrefix(v.name, "success")
	})
}

// checkov: so it is.
func checkov(root string) ([]verdict, error) {
	return each(root, "example_*/*", func(v *verdict, parts []string) bool {
		v.check, v.bad = strings.TrimPrefix(parts[0], "example_"), strings.Contains(v.name, "FAILED")
		return v.bad || strings.Contains(v.name, "PASSED")
	})
}

// expectation is a line of a table in the tests of kubeaudit, or several.
var expectation = regexp.MustCompile(`\{\s*"([^"]+\.yml)",(?: fixtureDir,)? (?:\[\]string\{([^}]*)\}|nil)`)

// kubeaudit: its tests say what its auditors find in a file.
func kubeaudit(root string) ([]verdict, error) {
	tests, err := filepath.Glob(filepath.Join(root, "*", "*_test.go"))
	if err != nil {
		return nil, err
	}
	var out []verdict
	for _, test := range tests {
		if filepath.Base(test) == "fix_test.go" {
			continue
		}
		src, err := os.ReadFile(test)
		if err != nil {
			return nil, err
		}
		for _, m := range expectation.FindAllStringSubmatch(string(src), -1) {
			if strings.Contains(m[2], "verrid") {
				continue // its own exemptions
			}
			v := verdict{check: filepath.Base(filepath.Dir(test)), name: strings.TrimSuffix(m[1], ".yml"), bad: strings.TrimSpace(m[2]) != ""}
			if v.files, err = load(filepath.Join(filepath.Dir(test), "fixtures", m[1])); err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	}
	return out, nil
}

// regolibrary: a list of what is expected, which is empty where nothing is.
func regolibrary(root string) ([]verdict, error) {
	expected, err := filepath.Glob(filepath.Join(root, "*", "test", "*", "expected.json"))
	if err != nil {
		return nil, err
	}
	var out []verdict
	for _, name := range expected {
		src, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var list []any
		if err := json.Unmarshal(src, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		inputs, err := filepath.Glob(filepath.Join(filepath.Dir(name), "input", "*"))
		if err != nil {
			return nil, err
		}
		dir := filepath.Dir(name)
		v := verdict{check: filepath.Base(filepath.Dir(filepath.Dir(dir))), name: filepath.Base(dir), bad: len(list) > 0}
		if v.files, err = load(inputs...); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
