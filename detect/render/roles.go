// Package render turns what a repository holds into the objects that reach a
// cluster. For now it knows kustomize. It reads nothing but the tree it is
// given: no network, no process, no path outside.
package render

import (
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Role is what a kustomization uses a file for.
type Role string

// The roles of a file.
const (
	ResourceRole Role = "resource"
	PatchRole    Role = "patch"
	InputRole    Role = "input" // of a generator or transformer, or its configuration
)

// Names are the names of a kustomization file (kustomize, "kustomization").
var Names = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// kustomization is what is read of one: the files and directories it names.
type kustomization struct {
	Kind                  string   `yaml:"kind"`
	Resources             []string `yaml:"resources"`
	Bases                 []string `yaml:"bases"`
	Components            []string `yaml:"components"`
	PatchesStrategicMerge []string `yaml:"patchesStrategicMerge"`
	Patches               []file   `yaml:"patches"`
	PatchesJSON           []file   `yaml:"patchesJson6902"`
	Replacements          []file   `yaml:"replacements"`
	OpenAPI               file     `yaml:"openapi"`
	CRDs                  []string `yaml:"crds"`
	Configurations        []string `yaml:"configurations"`
	Transformers          []string `yaml:"transformers"`
	Validators            []string `yaml:"validators"`
	Generators            []string `yaml:"generators"`
	ConfigMaps            []source `yaml:"configMapGenerator"`
	Secrets               []source `yaml:"secretGenerator"`
	HelmCharts            []any    `yaml:"helmCharts"`
	HelmInflation         []any    `yaml:"helmChartInflationGenerator"`
}

type file struct {
	Path string `yaml:"path"`
}

type source struct {
	Files []string `yaml:"files"`
	Envs  []string `yaml:"envs"`
	Env   string   `yaml:"env"`
}

func parse(name string, src []byte) (kustomization, error) {
	var k kustomization
	if err := yaml.Unmarshal(src, &k); err != nil {
		return k, fmt.Errorf("reading %s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return k, nil
}

// entry is one file or directory that a kustomization names.
type entry struct {
	name string // as written
	role Role
}

// entries lists what a kustomization names; YAML written inline is not listed.
func (k kustomization) entries() []entry {
	var out []entry
	add := func(role Role, names ...string) {
		for _, n := range names {
			if n != "" && !strings.Contains(n, "\n") {
				out = append(out, entry{n, role})
			}
		}
	}
	add(ResourceRole, k.Resources...)
	add(ResourceRole, k.Bases...)
	add(ResourceRole, k.Components...)
	add(PatchRole, k.PatchesStrategicMerge...)
	for _, p := range append(append([]file(nil), k.Patches...), k.PatchesJSON...) {
		add(PatchRole, p.Path)
	}
	for _, r := range k.Replacements {
		add(InputRole, r.Path)
	}
	add(InputRole, k.OpenAPI.Path)
	for _, names := range [][]string{k.CRDs, k.Configurations, k.Transformers, k.Validators, k.Generators} {
		add(InputRole, names...)
	}
	for _, g := range append(append([]source(nil), k.ConfigMaps...), k.Secrets...) {
		for _, f := range g.Files {
			if _, after, ok := strings.Cut(f, "="); ok {
				f = after
			}
			add(InputRole, f)
		}
		add(InputRole, g.Envs...)
		add(InputRole, g.Env)
	}
	return out
}

// Roles tells, from the kustomizations of a repository (path -> content), what
// the files that they name are used for. A kustomization that does not parse
// names nothing.
func Roles(kustomizations map[string][]byte) map[string]Role {
	out := map[string]Role{}
	for name, src := range kustomizations {
		k, err := parse(name, src)
		if err != nil {
			continue
		}
		for _, e := range k.entries() {
			// A file that is a resource anywhere is one.
			if p := path.Join(path.Dir(name), e.name); out[p] != ResourceRole {
				out[p] = e.role
			}
		}
	}
	return out
}
