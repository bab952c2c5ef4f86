package remediate

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect"
)

// Exemptions are those of a configuration.
type Exemptions []detect.Exemption

// globs is a list of globs; the file may give a single one.
type globs []string

// UnmarshalYAML reads one glob or a list of them.
func (g *globs) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*g = globs{n.Value}
		return nil
	}
	return n.Decode((*[]string)(g))
}

// UnmarshalYAML reads a list of exemptions and remembers their lines.
func (x *Exemptions) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: exemptions is a list", n.Line)
	}
	for _, item := range n.Content {
		if item.Kind != yaml.MappingNode {
			return fmt.Errorf("line %d: an exemption is a map of policy, reason, and what it is limited to", item.Line)
		}
		e := detect.Exemption{}
		e.Position.Line, e.Position.Column = item.Line, item.Column
		fields := map[string]any{
			"policy": (*globs)(&e.Policies), "reason": &e.Reason, "owner": &e.Owner, "until": new(string),
			"kind": (*globs)(&e.Scope.Kinds), "namespace": (*globs)(&e.Scope.Namespaces), "name": (*globs)(&e.Scope.Names),
			"path": (*globs)(&e.Scope.Paths), "container": (*globs)(&e.Scope.Containers),
		}
		for i := 0; i+1 < len(item.Content); i += 2 {
			key, value := item.Content[i], item.Content[i+1]
			field, ok := fields[key.Value]
			if !ok {
				return fmt.Errorf("line %d: field %s not found in an exemption", key.Line, key.Value)
			}
			if err := value.Decode(field); err != nil {
				return err
			}
		}
		if len(e.Policies) == 0 {
			return fmt.Errorf("line %d: an exemption names its policy", item.Line)
		}
		if until := *fields["until"].(*string); until != "" {
			var err error
			if e.Until, err = detect.ParseDay(until); err != nil {
				return fmt.Errorf("line %d: %w", item.Line, err)
			}
		}
		*x = append(*x, e)
	}
	return nil
}

// list gives the scanner its own pointers.
func (x Exemptions) list() []*detect.Exemption {
	var out []*detect.Exemption
	for i := range x {
		out = append(out, &x[i])
	}
	return out
}
