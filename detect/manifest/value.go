package manifest

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds what one resource may expand to through aliases.
const maxNodes = 500_000

var errTooLarge = errors.New("expands to too many nodes (an alias bomb?)")

// ToValue converts a node to what the API server reads when kubectl sends it:
// maps, slices, strings, bools, int64 and float64, by the rules of YAML 1.1
// that sigs.k8s.io/yaml follows. Keys whose value is null are left out, as
// they are when an object is decoded. A key given twice keeps its last value.
func ToValue(n *yaml.Node) (any, error) {
	budget := maxNodes
	return toValue(n, &budget, 0)
}

func toValue(n *yaml.Node, budget *int, aliases int) (any, error) {
	if *budget--; *budget < 0 || aliases > 100 {
		return nil, errTooLarge
	}
	switch n.Kind {
	case yaml.AliasNode:
		return toValue(n.Alias, budget, aliases+1)
	case yaml.ScalarNode:
		return Scalar(n), nil
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, c := range n.Content {
			v, err := toValue(c, budget, aliases)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !isMerge(n.Content[i]) {
				continue
			}
			if err := mergeInto(out, n.Content[i+1], budget, aliases); err != nil {
				return nil, err
			}
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if isMerge(k) {
				continue
			}
			v, err := toValue(n.Content[i+1], budget, aliases)
			if err != nil {
				return nil, err
			}
			key, err := keyText(k)
			if err != nil {
				return nil, err
			}
			if v == nil {
				delete(out, key)
				continue
			}
			out[key] = v
		}
		return out, nil
	}
	return nil, fmt.Errorf("line %d: unexpected YAML node", n.Line)
}

func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Value == "<<" && (k.Tag == "" || k.Tag == "!" || k.ShortTag() == "!!merge")
}

// mergeInto adds the pairs of a merge key's value; earlier ones win (YAML 1.1 merge type).
func mergeInto(out map[string]any, n *yaml.Node, budget *int, aliases int) error {
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			if err := mergeInto(out, c, budget, aliases); err != nil {
				return err
			}
		}
		return nil
	}
	v, err := toValue(n, budget, aliases)
	if err != nil {
		return err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("line %d: merge key << needs a mapping", n.Line)
	}
	for k, v := range m {
		if _, ok := out[k]; !ok {
			out[k] = v
		}
	}
	return nil
}

func keyText(k *yaml.Node) (string, error) {
	if k.Kind == yaml.AliasNode {
		k = k.Alias
	}
	if k.Kind != yaml.ScalarNode {
		return "", fmt.Errorf("line %d: a mapping key is not a scalar", k.Line)
	}
	switch v := Scalar(k).(type) {
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	default:
		return k.Value, nil
	}
}

var float11 = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// Scalar reads one scalar node as kubectl does.
func Scalar(n *yaml.Node) any {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Value
	}
	if n.Style&yaml.TaggedStyle != 0 && n.ShortTag() == "!!str" {
		return n.Value
	}
	s := n.Value
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false
	}
	if c := s[0]; c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') {
		return s
	}
	plain := strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return i
	}
	if float11.MatchString(plain) {
		if f, err := strconv.ParseFloat(plain, 64); err == nil {
			if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
				return int64(f)
			}
			return f
		}
	}
	return s
}
