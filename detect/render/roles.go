// Package render turns what a repository holds into the objects that reach a
// cluster. For now it knows kustomize. It reads nothing but the tree it is
// given: no network, no process, no path outside.
package render

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
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

// parse reads a kustomization with kustomize's own decoder: a reader that saw
// other fields than the build does (kustomize ignores the case of keys) could
// be led past the checks of Roots.
func parse(name string, src []byte) (types.Kustomization, error) {
	var k types.Kustomization
	asJSON, err := yaml.YAMLToJSON(src)
	if err == nil {
		err = json.Unmarshal(asJSON, &k)
	}
	if err != nil {
		return k, fmt.Errorf("reading %s: %w", name, placed{name, err})
	}
	return k, nil
}

// placed says "name:3: what" where the YAML library says "yaml: line 3: what".
type placed struct {
	name string
	err  error
}

func (p placed) Unwrap() error { return p.err }

func (p placed) Error() string {
	text := p.err.Error()
	for strings.HasPrefix(text, "yaml: ") {
		text = strings.TrimPrefix(text, "yaml: ")
	}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		return p.name + ":" + rest
	}
	return text
}

// entry is one file or directory that a kustomization names.
type entry struct {
	name string // as written
	role Role
}

// plugins are the entries that configure generators, transformers and validators.
func plugins(k types.Kustomization) []string {
	return slices.Concat(k.Generators, k.Transformers, k.Validators)
}

// entries lists what a kustomization names, the plugins apart.
func entries(k types.Kustomization) []entry {
	var out []entry
	add := func(role Role, names ...string) {
		for _, n := range names {
			if n != "" {
				out = append(out, entry{n, role})
			}
		}
	}
	add(ResourceRole, k.Resources...)
	//lint:ignore SA1019 repositories still have it
	add(ResourceRole, k.Bases...)
	add(ResourceRole, k.Components...)
	//lint:ignore SA1019 repositories still have it
	for _, p := range k.PatchesStrategicMerge {
		add(PatchRole, string(p))
	}
	//lint:ignore SA1019 repositories still have it
	for _, p := range slices.Concat(k.Patches, k.PatchesJson6902) {
		add(PatchRole, p.Path)
	}
	for _, r := range k.Replacements {
		add(InputRole, r.Path)
	}
	add(InputRole, k.OpenAPI["path"])
	add(InputRole, k.Crds...)
	add(InputRole, k.Configurations...)
	for _, g := range k.ConfigMapGenerator {
		addSources(add, g.KvPairSources)
	}
	for _, g := range k.SecretGenerator {
		addSources(add, g.KvPairSources)
	}
	for _, c := range k.HelmCharts {
		add(InputRole, c.ValuesFile)
		add(InputRole, c.AdditionalValuesFiles...)
	}
	for _, c := range k.HelmChartInflationGenerator {
		add(InputRole, c.Values)
	}
	return out
}

func addSources(add func(Role, ...string), s types.KvPairSources) {
	for _, f := range s.FileSources {
		if _, after, ok := strings.Cut(f, "="); ok {
			f = after
		}
		add(InputRole, f)
	}
	add(InputRole, s.EnvSources...)
	add(InputRole, s.EnvSource)
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
		named := entries(k)
		for _, p := range plugins(k) {
			named = append(named, entry{p, InputRole})
		}
		for _, e := range named {
			if strings.Contains(e.name, "\n") {
				continue // YAML written inline
			}
			// A file that is a resource anywhere is one.
			if p := path.Join(path.Dir(name), e.name); out[p] != ResourceRole {
				out[p] = e.role
			}
		}
	}
	return out
}
