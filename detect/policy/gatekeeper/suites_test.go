package gatekeeper_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/oakum-dev/oakum/detect/policy/gatekeeper"
)

type suite struct {
	Kind  string
	Tests []struct {
		Name, Template, Constraint string
		Cases                      []struct {
			Name, Object string
			Inventory    []string
			Assertions   []struct {
				Violations any
				Message    string
			}
		}
	}
}

// TestSuites runs the cases of every Gatekeeper suite below OAKUM_SUITES, such
// as those of gatekeeper-library.
func TestSuites(t *testing.T) {
	t.Parallel()
	root := os.Getenv("OAKUM_SUITES")
	if root == "" {
		t.Skip("no suites: set OAKUM_SUITES to a folder with gatekeeper-library")
	}
	suites, cases := 0, 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "suite.yaml" {
			return err
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var s suite
		if err := yaml.Unmarshal(src, &s); err != nil || s.Kind != "Suite" {
			return err
		}
		suites++
		cases += run(t, filepath.Dir(name), s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if cases == 0 {
		t.Fatalf("no case below %s", root)
	}
	t.Logf("%d cases of %d suites", cases, suites)
}

func run(t *testing.T, dir string, s suite) int {
	cases := 0
	for _, test := range s.Tests {
		where := fmt.Sprintf("%s, %s", dir, test.Name)
		documents := append(read(t, filepath.Join(dir, test.Template)), read(t, filepath.Join(dir, test.Constraint))...)
		l, err := gatekeeper.New(t.Context(), documents)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		for _, c := range test.Cases {
			cases++
			var inventory []map[string]any
			for _, name := range c.Inventory {
				for _, d := range read(t, filepath.Join(dir, name)) {
					inventory = append(inventory, d.Object)
				}
			}
			if err := l.SetInventory(t.Context(), inventory); err != nil {
				t.Errorf("%s, %s: %v", where, c.Name, err)
				continue
			}
			object := read(t, filepath.Join(dir, c.Object))[0].Object
			violations, err := l.Review(t.Context(), gatekeeper.Object{Value: object})
			if err != nil {
				t.Errorf("%s, %s: %v", where, c.Name, err)
				continue
			}
			for _, a := range c.Assertions {
				matching := 0
				for _, v := range violations {
					if a.Message == "" || regexp.MustCompile(a.Message).MatchString(v.Message) {
						matching++
					}
				}
				if !expected(a.Violations, matching) {
					t.Errorf("%s, %s: %d violations, want %v of %q: %v", where, c.Name, matching, a.Violations, a.Message, violations)
				}
			}
		}
	}
	return cases
}

func expected(want any, got int) bool {
	switch want := fmt.Sprint(want); want {
	case "yes", "true", "<nil>":
		return got > 0
	case "no", "false":
		return got == 0
	default:
		n, err := strconv.Atoi(want)
		return err == nil && n == got
	}
}

// read is the documents of a file.
func read(t *testing.T, name string) []gatekeeper.Document {
	t.Helper()
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, name, src)
}

func parse(t *testing.T, name string, src []byte) []gatekeeper.Document {
	t.Helper()
	var out []gatekeeper.Document
	for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(src), 4096); ; {
		var object map[string]any
		if err := d.Decode(&object); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if object != nil {
			out = append(out, gatekeeper.Document{File: name, Line: 1, Object: object})
		}
	}
}
