package remediate

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// ConfigSchema is the JSON schema of .oakum.yaml (draft 2020-12), for editors.
// It also is where the parser knows from which keys there are.
//
//go:embed config.schema.json
var ConfigSchema []byte

// shape is what a schema says of the keys at one place.
type shape struct {
	Properties map[string]*shape `json:"properties"`
	Others     *others           `json:"additionalProperties"`
	Items      *shape            `json:"items"`
}

// others are the keys that a schema does not name: refused, or all alike.
type others struct {
	refused bool
	each    *shape
}

// UnmarshalJSON reads false, or a schema.
func (o *others) UnmarshalJSON(src []byte) error {
	if string(src) == "false" {
		o.refused = true
		return nil
	}
	return json.Unmarshal(src, &o.each)
}

var configShape = sync.OnceValues(func() (*shape, error) {
	var s shape
	err := json.Unmarshal(ConfigSchema, &s)
	return &s, err
})

// knownKeys refuses keys that the schema does not have.
func knownKeys(document *yaml.Node) error {
	s, err := configShape()
	if err != nil {
		return err
	}
	return s.check(document, "")
}

// maxNesting bounds a configuration: none that is right comes near.
const maxNesting = 50

func (s *shape) check(n *yaml.Node, where string) error {
	return s.walk(n, where, 0)
}

func (s *shape) walk(n *yaml.Node, where string, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("line %d: it is nested deeper than %d levels", n.Line, maxNesting)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return fmt.Errorf("line %d: aliases are not read in a configuration: write it out", n.Line)
	case yaml.DocumentNode:
		for _, c := range n.Content {
			if err := s.walk(c, where, depth+1); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			if err := s.items().walk(c, where, depth+1); err != nil {
				return err
			}
		}
	case yaml.MappingNode:
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d: a key is a plain word", key.Line)
			}
			if seen[key.Value] {
				return fmt.Errorf("line %d: %s is given twice", key.Line, key.Value)
			}
			seen[key.Value] = true
			below, known := s.property(key.Value)
			if !known {
				return fmt.Errorf("line %d: there is no key %q%s%s", key.Line, key.Value, in(where), s.nearest(key.Value))
			}
			if err := below.walk(value, strings.TrimPrefix(where+"."+key.Value, "."), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func in(where string) string {
	if where == "" {
		return ""
	}
	return " in " + where
}

// items is what a schema says of the items of a list; nil: nothing.
func (s *shape) items() *shape {
	if s == nil {
		return nil
	}
	return s.Items
}

// property is what a schema says of a key. A nil schema takes anything.
func (s *shape) property(name string) (below *shape, known bool) {
	if s == nil {
		return nil, true
	}
	if p, ok := s.Properties[name]; ok {
		return p, true
	}
	if s.Others == nil {
		return nil, true
	}
	return s.Others.each, !s.Others.refused
}

// nearest suggests the known key that is most like a wrong one.
func (s *shape) nearest(wrong string) string {
	best, least := "", len(wrong)/3+2
	for name := range s.Properties {
		d := distance(strings.ToLower(wrong), strings.ToLower(name))
		if d < least || d == least && name < best {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %s?", best)
}

// distance is how many letters have to be put in, taken out or replaced to make
// one word of the other.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
