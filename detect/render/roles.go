// Package render turns sources into rendered resources, and knows each one's way back.
package render

import (
	"path"

	"go.yaml.in/yaml/v3"
)

// Role is what a kustomization uses a file for.
type Role string

// The roles of a file.
const (
	ResourceRole Role = "resource"
	PatchRole    Role = "patch"
	InputRole    Role = "input" // of a generator or a transformer, or its configuration
)

// Roles tells, from the kustomizations of a repository (path -> content), what
// the files that they name are used for. A kustomization that does not parse
// names nothing.
func Roles(kustomizations map[string][]byte) map[string]Role {
	out := map[string]Role{}
	for name, src := range kustomizations {
		var k kustomization
		if yaml.Unmarshal(src, &k) != nil {
			continue
		}
		mark := func(role Role, files ...string) {
			for _, f := range files {
				if f != "" && !path.IsAbs(f) {
					out[path.Join(path.Dir(name), f)] = role
				}
			}
		}
		mark(ResourceRole, k.Resources...)
		mark(ResourceRole, k.Bases...)
		mark(PatchRole, k.PatchesStrategicMerge...)
		for _, p := range append(k.Patches, k.PatchesJSON...) {
			mark(PatchRole, p.Path)
		}
		mark(InputRole, k.Transformers...)
		mark(InputRole, k.Generators...)
		mark(InputRole, k.Configurations...)
	}
	return out
}

type kustomization struct {
	Resources             []string `yaml:"resources"`
	Bases                 []string `yaml:"bases"`
	PatchesStrategicMerge []string `yaml:"patchesStrategicMerge"`
	Patches               []patch  `yaml:"patches"`
	PatchesJSON           []patch  `yaml:"patchesJson6902"`
	Transformers          []string `yaml:"transformers"`
	Generators            []string `yaml:"generators"`
	Configurations        []string `yaml:"configurations"`
}

type patch struct {
	Path string `yaml:"path"`
}
