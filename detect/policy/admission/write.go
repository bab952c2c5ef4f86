package admission

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Actions are what a binding may do with what breaks a policy.
var Actions = []string{"deny", "warn", "audit"}

// YAML writes the policy and its binding as two documents. The action is one
// of Actions.
func (x *Export) YAML(action string) ([]byte, error) {
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	validation := []any{"expression", x.Expression, "message", oneLine(x.Policy.Title)}
	if x.MessageWith != "" {
		validation = append(validation, "messageExpression", x.MessageWith)
	}
	spec := []any{"failurePolicy", "Fail", "matchConstraints", object("resourceRules", x.rules())}
	if len(x.Variables) > 0 {
		var variables []any
		for _, v := range x.Variables {
			variables = append(variables, object("name", v.Name, "expression", v.Expression))
		}
		spec = append(spec, "variables", variables)
	}
	spec = append(spec, "validations", []any{object(validation...)})
	meta := object("name", x.Name, "annotations", object(
		titleKey, oneLine(x.Policy.Title), descriptionKey, oneLine(x.Policy.Description)))
	for _, doc := range []*yaml.Node{
		object("apiVersion", admissionv1.SchemeGroupVersion.String(), "kind", validator, "metadata", meta, "spec", object(spec...)),
		object("apiVersion", admissionv1.SchemeGroupVersion.String(), "kind", validator+bindingFor, "metadata", object("name", x.Name),
			"spec", object("policyName", x.Name, "validationActions", []any{strings.ToUpper(action[:1]) + action[1:]})),
	} {
		if err := enc.Encode(doc); err != nil {
			return nil, fmt.Errorf("writing policy %s: %w", x.Name, err)
		}
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("writing policy %s: %w", x.Name, err)
	}
	return out.Bytes(), nil
}

// rules names the resources that are judged, those of a group together.
func (x *Export) rules() []any {
	var order []schema.GroupVersion
	resources := map[schema.GroupVersion][]any{}
	for _, k := range x.Kinds {
		group, kind, _ := strings.Cut(k, "/")
		gv := schema.GroupVersion{Group: group, Version: versionOf(group, kind)}
		if resources[gv] == nil {
			order = append(order, gv)
		}
		resources[gv] = append(resources[gv], plural(kind))
		if kind == "Pod" {
			resources[gv] = append(resources[gv], "pods/ephemeralcontainers")
		}
	}
	var out []any
	for _, gv := range order {
		out = append(out, object("apiGroups", []any{gv.Group}, "apiVersions", []any{gv.Version},
			"operations", []any{"CREATE", "UPDATE"}, "resources", resources[gv]))
	}
	return out
}

// versionOf is the version of a kind that admission looks at: the API server
// converts the others.
func versionOf(group, kind string) string {
	for _, v := range []string{"v1", "v2"} {
		if newScheme().Recognizes(schema.GroupVersionKind{Group: group, Version: v, Kind: kind}) {
			return v
		}
	}
	return "*"
}

// object is a mapping of keys and values in turn, in that order.
func object(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, v := range pairs {
		n.Content = append(n.Content, yamlNode(v))
	}
	return n
}

func yamlNode(v any) *yaml.Node {
	switch v := v.(type) {
	case *yaml.Node:
		return v
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			c := yamlNode(item)
			if c.Kind == yaml.ScalarNode {
				n.Style = yaml.FlowStyle
			}
			n.Content = append(n.Content, c)
		}
		return n
	}
	s := fmt.Sprint(v)
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.Contains(s, "\n") || len(s) > 80 {
		n.Style = yaml.LiteralStyle
	}
	return n
}
