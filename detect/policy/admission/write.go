package admission

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Actions are what a binding may do with what breaks a policy.
var Actions = []string{"deny", "warn", "audit"}

// Formats are the kinds of policy that an export can be written as: those of
// the API server, and those of Gatekeeper.
var Formats = []string{"vap", "gatekeeper"}

// YAML writes the policy in one of Formats, with what puts it in force, as two
// documents. The action is one of Actions.
func (x *Export) YAML(format, action string) ([]byte, error) {
	docs := x.policy(action)
	if format == "gatekeeper" {
		docs = x.template(action)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	for _, doc := range docs {
		if err := enc.Encode(doc); err != nil {
			return nil, fmt.Errorf("writing policy %s: %w", x.Name, err)
		}
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("writing policy %s: %w", x.Name, err)
	}
	return out.Bytes(), nil
}

// policy is a ValidatingAdmissionPolicy with its binding.
func (x *Export) policy(action string) []*yaml.Node {
	spec := append([]any{"failurePolicy", "Fail", "matchConstraints", object("resourceRules", x.rules())}, x.body()...)
	meta := object("name", x.Name, "annotations", object(
		titleKey, oneLine(x.Policy.Title), descriptionKey, oneLine(x.Policy.Description)))
	return []*yaml.Node{
		object("apiVersion", APIVersion, "kind", Validating, "metadata", meta, "spec", object(spec...)),
		object("apiVersion", APIVersion, "kind", ValidatingBinding, "metadata", object("name", x.Name),
			"spec", object("policyName", x.Name, "validationActions", []any{strings.ToUpper(action[:1]) + action[1:]})),
	}
}

// template is a ConstraintTemplate with its one constraint. Gatekeeper may be
// told to look at deletions too, where there is no object.
func (x *Export) template(action string) []*yaml.Node {
	kind := ""
	for _, word := range strings.Split(x.Name, "-") {
		kind += strings.ToUpper(word[:1]) + word[1:]
	}
	source := append([]any{
		"failurePolicy", "Fail",
		"matchCondition",
		[]any{object("name", "not-deleted", "expression", "object != null")},
	}, x.body()...)
	var kinds []any
	for _, k := range x.Kinds {
		group, kind, _ := strings.Cut(k, "/")
		kinds = append(kinds, object("apiGroups", []any{group}, "kinds", []any{kind}))
	}
	enforcement := action
	if action == "audit" {
		enforcement = "dryrun"
	}
	return []*yaml.Node{
		object("apiVersion", "templates.gatekeeper.sh/v1", "kind", "ConstraintTemplate",
			"metadata", object("name", strings.ToLower(kind), "annotations", object(
				"metadata.gatekeeper.sh/title", oneLine(x.Policy.Title), "description", oneLine(x.Policy.Description))),
			"spec", object(
				"crd", object("spec", object("names", object("kind", kind))),
				"targets", []any{object("target", "admission.k8s.gatekeeper.sh", "code", []any{
					object("engine", "K8sNativeValidation", "source", object(source...)),
				})})),
		object("apiVersion", "constraints.gatekeeper.sh/v1beta1", "kind", kind, "metadata", object("name", x.Name),
			"spec", object("enforcementAction", enforcement, "match", object("kinds", kinds))),
	}
}

// body are the variables and the validation, which both kinds write alike.
func (x *Export) body() []any {
	validation := []any{"expression", x.Expression, "message", oneLine(x.Policy.Title)}
	if x.MessageWith != "" {
		validation = append(validation, "messageExpression", x.MessageWith)
	}
	validations := []any{"validations", []any{object(validation...)}}
	if len(x.Variables) == 0 {
		return validations
	}
	var variables []any
	for _, v := range x.Variables {
		variables = append(variables, object("name", v.Name, "expression", v.Expression))
	}
	return append([]any{"variables", variables}, validations...)
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
		resources[gv] = append(resources[gv], Plural(kind))
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
