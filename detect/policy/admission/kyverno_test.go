package admission_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"sigs.k8s.io/yaml"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// kyvernoCase is a kyverno-test.yaml: what its authors say of each resource.
type kyvernoCase struct {
	Policies, Resources []string
	Results             []struct {
		Policy, Rule, Kind, Result string
		Resources                  []string
	}
}

// TestKyvernoPolicies runs the cases of kyverno/policies by those of its
// policies that are plain CEL. What is not evaluated is counted apart.
func TestKyvernoPolicies(t *testing.T) {
	t.Parallel()
	dir := suite(t, "kyverno/policies")
	right, wrong, open, judged, left := 0, 0, 0, 0, 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "kyverno-test.yaml" {
			return err
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var c kyvernoCase
		if yaml.Unmarshal(src, &c) != nil {
			return nil
		}
		policies := c.load(t, name)
		var resources []*manifest.Resource
		for _, r := range c.Resources {
			src, err := os.ReadFile(filepath.Join(filepath.Dir(name), r))
			if err != nil {
				continue
			}
			f, _ := manifest.Parse("resource.yaml", src, manifest.Plain, nil)
			if f != nil {
				resources = append(resources, f.Resources...)
			}
		}
		ctx := policy.Context{Kubernetes: 37, Namespace: func(r *manifest.Resource) string {
			if r.Namespace == "" {
				return "default"
			}
			return r.Namespace
		}, Objects: func(group, kind, name string) []*manifest.Resource {
			return slices.DeleteFunc(slices.Clone(resources), func(r *manifest.Resource) bool {
				return r.Group() != group || r.Kind != kind || name != "" && r.Name != name
			})
		}}
		for _, p := range policies {
			if !p.Wants("v1", "Pod") && p.Unjudged != "" {
				left++
				continue
			}
			judged++
			for _, result := range c.Results {
				if result.Policy != p.Name || result.Result == "skip" || result.Result == "pass" && c.rules(p.Name) > 1 {
					continue // what one rule allows another may refuse
				}
				for _, r := range resources {
					if r.Kind != result.Kind || !slices.Contains(result.Resources, r.Name) && !slices.Contains(result.Resources, r.Namespace+"/"+r.Name) {
						continue
					}
					found, err := p.Evaluate(r, ctx)
					got := "pass"
					switch {
					case len(found) > 0:
						got = "fail"
					case err != nil:
						open++
						continue
					}
					if got == result.Result {
						right++
						continue
					}
					wrong++
					t.Logf("%s: %s: got %s %q, want %s", strings.TrimPrefix(name, dir), r.ID(), got, messages(found), result.Result)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d policies judged, %d need Kyverno; %d verdicts agree, %d differ, %d not evaluated", judged, left, right, wrong, open)
}

// rules counts the rules of a policy that results are given for.
func (c kyvernoCase) rules(name string) int {
	rules := map[string]bool{}
	for _, r := range c.Results {
		if r.Policy == name {
			rules[r.Rule] = true
		}
	}
	return len(rules)
}

func (c kyvernoCase) load(t *testing.T, name string) []*policy.Policy {
	t.Helper()
	tree := fstest.MapFS{}
	for _, p := range c.Policies {
		src, err := os.ReadFile(filepath.Join(filepath.Dir(name), p))
		if err == nil {
			tree[path.Base(p)] = &fstest.MapFile{Data: src}
		}
	}
	policies, err := compiler().LoadFS(tree)
	if err != nil {
		t.Logf("%s: %v", name, err)
	}
	return policies
}

func messages(found []policy.Violation) string {
	var out []string
	for _, v := range found {
		out = append(out, v.Path.String()+": "+v.Message)
	}
	return strings.Join(out, "; ")
}
