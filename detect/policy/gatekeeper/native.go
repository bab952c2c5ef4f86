package gatekeeper

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/admission"
)

// nativeEngine is Gatekeeper's name for rules in the API server's CEL.
const nativeEngine = "K8sNativeValidation"

// native gives the rules of a template that has CEL and no Rego; nil is any other.
func native(template *policy.Document) map[string]any {
	var source map[string]any
	for _, t := range list(template.Value, "spec", "targets") {
		if text, _ := field(t, "rego").(string); text != "" {
			return nil
		}
		for _, c := range list(t, "code") {
			switch field(c, "engine") {
			case "Rego":
				return nil
			case nativeEngine:
				source, _ = field(c, "source").(map[string]any)
			}
		}
	}
	return source
}

// translate says a constraint of a native template as a ValidatingAdmissionPolicy
// with its binding: where the constraint matches, with its parameters.
func translate(name string, template, constraint *policy.Document, source map[string]any) ([]*policy.Policy, error) {
	severity, action, err := enforcement(constraint)
	if err != nil {
		return nil, err
	}
	params := "dyn(null)"
	if p := field(constraint.Value, "spec", "parameters"); p != nil {
		params = literal(p)
	}
	spec := map[string]any{
		"failurePolicy":    "Fail",
		"matchConstraints": constraints(constraint.Value),
		"matchConditions":  append(conditions(constraint.Value), list(source, "matchCondition")...),
		"variables": append([]any{
			map[string]any{"name": "anyObject", "expression": "object"}, // nothing is deleted here
			map[string]any{"name": "params", "expression": params},
		}, list(source, "variables")...),
		"validations": list(source, "validations"),
	}
	if f := field(source, "failurePolicy"); f != nil {
		spec["failurePolicy"] = f
	}
	made := func(kind string, spec map[string]any) *policy.Document {
		d := *template // errors are at the template
		d.APIVersion, d.Kind = admission.APIVersion, kind
		d.Value = map[string]any{"apiVersion": d.APIVersion, "kind": kind, "metadata": map[string]any{"name": name}, "spec": spec}
		return &d
	}
	policies, err := admission.Language().Load([]*policy.Document{
		made(admission.Validating, spec),
		made(admission.ValidatingBinding, map[string]any{"policyName": name, "validationActions": []any{action}}),
	})
	for _, p := range policies {
		p.Language, p.File, p.Severity = "Gatekeeper "+constraint.Kind, constraint.File, severity
		p.Title, p.Description = about(template.Value, constraint.Kind)
	}
	return policies, err
}

// constraints are spec.match in the words of an admission policy, as far as it has them.
func constraints(constraint map[string]any) map[string]any {
	match, _ := field(constraint, "spec", "match").(map[string]any)
	scope, _ := match["scope"].(string)
	if scope == "" {
		scope = "*"
	}
	rule := func(groups, resources []any) any {
		return map[string]any{
			"apiGroups": groups, "apiVersions": []any{"*"}, "resources": resources, "scope": scope,
			"operations": []any{"CREATE", "UPDATE"},
		}
	}
	everything := []any{"*"}
	var rules []any
	for _, k := range matchKinds(constraint) {
		groups, resources := everything, everything
		if !has(k.groups, "*") {
			groups = anyList(k.groups)
		}
		if !has(k.kinds, "*") {
			resources = nil
			for _, kind := range k.kinds {
				resources = append(resources, admission.Plural(kind))
			}
		}
		rules = append(rules, rule(groups, resources))
	}
	if rules == nil {
		rules = []any{rule(everything, everything)}
	}
	out := map[string]any{"resourceRules": rules}
	for theirs, ours := range map[string]string{"labelSelector": "objectSelector", "namespaceSelector": "namespaceSelector"} {
		if s := match[theirs]; s != nil {
			out[ours] = s
		}
	}
	return out
}

// conditions are the rest of spec.match, which names things by patterns.
func conditions(constraint map[string]any) []any {
	const namespace = `(object.kind == "Namespace" ? object.metadata.?name.orValue("") : object.metadata.?namespace.orValue(""))`
	var out []any
	add := func(name, subject, format string, patterns []any) {
		if len(patterns) == 0 {
			return
		}
		var alternatives []string
		for _, p := range patterns {
			s, _ := p.(string)
			alternatives = append(alternatives, strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, ".*"))
		}
		is := fmt.Sprintf("%s.matches(%s)", subject, strconv.Quote("^("+strings.Join(alternatives, "|")+")$"))
		out = append(out, map[string]any{"name": name, "expression": fmt.Sprintf(format, subject, is)})
	}
	match := field(constraint, "spec", "match")
	add("namespaces", namespace, `%s == "" || %s`, list(match, "namespaces"))
	add("excluded-namespaces", namespace, `%s == "" || !%s`, list(match, "excludedNamespaces"))
	if name := field(match, "name"); name != nil {
		add("name", `object.metadata.?name.orValue("")`, `%[2]s`, []any{name})
	}
	return out
}

// literal writes a value in CEL. The lists and mappings of parameters may hold
// different types, which a literal of CEL must say of each.
func literal(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var items []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			items = append(items, text(k)+": "+literal(v[k]))
		}
		return "dyn({" + strings.Join(items, ", ") + "})"
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = literal(v[i])
		}
		return "dyn([" + strings.Join(items, ", ") + "])"
	case string:
		return "dyn(" + text(v) + ")"
	case float64:
		return fmt.Sprintf("dyn(double(%q))", strconv.FormatFloat(v, 'g', -1, 64))
	}
	return fmt.Sprintf("dyn(%v)", orNull(v))
}

func orNull(v any) any {
	if v == nil {
		return "null"
	}
	return v
}

// text writes a string as JSON does, which CEL reads.
func text(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

func field(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func list(v any, keys ...string) []any {
	l, _ := field(v, keys...).([]any)
	return l
}

func anyList(s []string) []any {
	out := make([]any, len(s))
	for i := range s {
		out[i] = s[i]
	}
	return out
}
