package fixers

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// AddResource lists a file among the resources of a kustomization.
func AddResource(kustomization *yaml.Node, file string) error {
	if kustomization == nil || kustomization.Kind != yaml.MappingNode {
		return fmt.Errorf("the kustomization is not a mapping")
	}
	return appendItem(kustomization, manifest.Path{{Key: "resources"}}, file)
}
