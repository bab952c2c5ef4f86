// Package rego judges resources by rules of Rego in the style of conftest:
// deny, violation and warn of any package, each with the resource as input. It
// runs OPA's own engine and reaches nothing outside.
package rego

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// limit bounds one evaluation: rules may come from anywhere.
const limit = 5 * time.Second

// outside are the builtins that would reach, or tell of, the world outside.
var outside = []string{"http.send", "net.lookup_ip_addr", "opa.runtime"}

// ruleName is what conftest takes for rules that say what is wrong.
var ruleName = regexp.MustCompile(`^(deny|violation|warn)(_[a-zA-Z0-9]+)*$`)

// Language reads *.rego files.
func Language() policy.Language {
	return policy.Language{Kinds: []string{"/" + policy.RegoKind}, Load: load}
}

func load(docs []*policy.Document) ([]*policy.Policy, error) {
	modules := map[string]*ast.Module{}
	for _, d := range docs {
		if d.Kind != policy.RegoKind {
			continue
		}
		d.Read = true
		src, _ := d.Value["rego"].(string)
		module, err := parse(d.File, src)
		if err != nil {
			return nil, fmt.Errorf("loading %w", err)
		}
		modules[d.File] = module
	}
	compiler := ast.NewCompiler().WithCapabilities(capabilities())
	if compiler.Compile(modules); compiler.Failed() {
		return nil, fmt.Errorf("loading %w", compiler.Errors[0])
	}
	files := make([]string, 0, len(modules))
	for name := range modules {
		files = append(files, name)
	}
	sort.Strings(files)
	seen := map[string]bool{}
	var out []*policy.Policy
	for _, file := range files {
		for _, r := range modules[file].Rules {
			name := r.Head.Name.String()
			path := modules[file].Package.Path
			query := path.String() + "." + name
			if !ruleName.MatchString(name) || seen[query] {
				continue
			}
			seen[query] = true
			p, err := newPolicy(compiler, file, path, name, query)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
	}
	return out, nil
}

// parse reads a module as the Rego of today or, where it is not, of before 1.0.
func parse(file, src string) (*ast.Module, error) {
	module, err := ast.ParseModuleWithOpts(file, src, ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities()})
	if err == nil {
		return module, nil
	}
	old, oldErr := ast.ParseModuleWithOpts(file, src, ast.ParserOptions{RegoVersion: ast.RegoV0, Capabilities: capabilities()})
	if oldErr != nil {
		return nil, err
	}
	return old, nil
}

func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return slices.Contains(outside, b.Name) })
	return c
}

func newPolicy(compiler *ast.Compiler, file string, path ast.Ref, rule, query string) (*policy.Policy, error) {
	prepared, err := rego.New(rego.Compiler(compiler), rego.Query(query), rego.StrictBuiltinErrors(false)).PrepareForEval(context.Background())
	if err != nil {
		return nil, fmt.Errorf("loading %s: preparing %s: %w", file, query, err)
	}
	severity := policy.Severity("high")
	if strings.HasPrefix(rule, "warn") {
		severity = "medium"
	}
	name := policyName(strings.TrimPrefix(path.String(), "data.") + "-" + rule)
	return policy.Foreign(policy.Policy{
		Name: name, File: file, Title: fmt.Sprintf("Rule %s of package %s", rule, strings.TrimPrefix(path.String(), "data.")),
		Description: "What the rule says is in its own words; its file has it.", Severity: severity, Category: "admission", Language: "Rego",
	}, judge{prepared})
}

var noName = regexp.MustCompile(`[^a-z0-9]+`)

func policyName(s string) string {
	return strings.Trim(noName.ReplaceAllString(strings.ToLower(s), "-"), "-")
}

type judge struct{ query rego.PreparedEvalQuery }

// Wants: rules say themselves what they look at.
func (judge) Wants(string, string) bool { return true }

// Judge lists what the rule says of a resource.
func (j judge) Judge(r *manifest.Resource, _ policy.Context) ([]policy.Violation, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	results, err := j.query.Eval(ctx, rego.EvalInput(r.Value))
	if err != nil {
		return nil, fmt.Errorf("evaluating: %w", err)
	}
	var out []policy.Violation
	for _, result := range results {
		for _, e := range result.Expressions {
			for _, message := range messages(e.Value) {
				out = append(out, policy.Violation{Path: manifest.Path{}.Key("metadata", "name"), Message: message})
			}
		}
	}
	return out, nil
}

// messages are the texts of a rule's value: a set of texts or of objects with
// a msg, a single text, or true where the rule has none.
func messages(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case bool:
		if v {
			return []string{"the rule holds"}
		}
	case map[string]any:
		if msg, ok := v["msg"].(string); ok {
			return []string{msg}
		}
		text, _ := json.Marshal(v)
		return []string{string(text)}
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, messages(e)...)
		}
		return out
	}
	return nil
}
