package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// Compiler compiles policies. Analyzers and Fixers are the names of the Go
// code that policies may call on.
type Compiler struct {
	Analyzers []string
	Fixers    []string
	Known     bool       // the policies are tested elsewhere: each is compiled when it is first used, and bounded loosely
	Languages []Language // of other engines

	once   sync.Once
	env    *cel.Env
	schema *schema
	err    error
}

// code is a policy's expressions, compiled when they are first needed. Copies
// of the policy share it.
type code struct {
	once    sync.Once
	compile func() (*compiled, error)
	made    *compiled
	err     error
}

// ready compiles the policy, if nobody did.
func (p *Policy) ready() (*compiled, error) {
	p.code.once.Do(func() { p.code.made, p.code.err = p.code.compile() })
	return p.code.made, p.code.err
}

// compiled is a policy ready to be evaluated.
type compiled struct {
	scope           scope
	where           cel.Program
	variables       []variable
	require         cel.Program
	severities      []cel.Program // by the policy's rules
	vulnerabilities cel.Program
	message         text
	at              []place
	fix             *compiledFix
}

type variable struct {
	name    string
	program cel.Program
}

type compiledFix struct {
	title  text
	advice text
	safety []compiledSafety
	edits  []compiledEdit
	after  cel.Program
}

type compiledSafety struct {
	when    cel.Program
	because text
}

type compiledEdit struct {
	op    Op
	place place
	value cel.Program // nil for a literal
	when  cel.Program
}

func (c *Compiler) compile(p *Policy, o origin) (*compiled, error) {
	c.once.Do(func() { c.env, c.schema, c.err = baseEnv() })
	if c.err != nil {
		return nil, fmt.Errorf("preparing the policy language: %w", c.err)
	}
	out := &compiled{}
	var err error
	if out.scope, err = newScope(p.Match, c.schema); err != nil {
		return nil, o.at([]string{"spec", "match"}, "%v", err)
	}
	b := builder{origin: o, known: c.Known}
	if b.env, err = out.scope.declare(c.env, c.schema, p); err != nil {
		return nil, o.at([]string{"spec"}, "%v", err)
	}
	for i, v := range p.Variables {
		program, t := b.expression(v.Expression, nil, "spec", "variables", strconv.Itoa(i), "expression")
		if b.err != nil {
			return nil, b.err
		}
		out.variables = append(out.variables, variable{v.Name, program})
		if b.env, err = b.env.Extend(cel.Variable(v.Name, t)); err != nil {
			return nil, o.at([]string{"spec", "variables", strconv.Itoa(i)}, "variable %s: %v", v.Name, err)
		}
	}
	out.where = b.condition(p.Match.Where, "spec", "match", "where")
	out.require = b.condition(p.Require, "spec", "require")
	for i, s := range p.Severities {
		out.severities = append(out.severities, b.condition(s.When, "spec", "severities", strconv.Itoa(i), "when"))
	}
	if p.Vulnerabilities != "" {
		if !out.scope.container {
			return nil, o.at([]string{"spec", "vulnerabilities"}, "vulnerabilities are those of a container: it needs each: containers")
		}
		out.vulnerabilities, _ = b.expression(p.Vulnerabilities, cel.ListType(c.schema.celType(vulnerabilityType)), "spec", "vulnerabilities")
	}
	out.message = b.text(p.Message, "spec", "message")
	for i, s := range p.At {
		at, err := out.scope.parsePlace(s)
		if err != nil {
			return nil, o.at([]string{"spec", "at", strconv.Itoa(i)}, "%v", err)
		}
		out.at = append(out.at, at)
	}
	if p.Fix != nil {
		out.fix = b.fix(p.Fix, out.scope)
	}
	if b.err != nil {
		return nil, b.err
	}
	return out, nil
}

// builder compiles the expressions of one policy and keeps the first error.
type builder struct {
	origin
	env   *cel.Env
	known bool // of the compiler
	err   error
}

func (b *builder) fix(f *Fix, sc scope) *compiledFix {
	out := &compiledFix{
		title:  b.text(f.Title, "spec", "fix", "title"),
		advice: b.text(f.Advice, "spec", "fix", "advice"),
		after:  b.condition(f.After, "spec", "fix", "after"),
	}
	for i, s := range f.Safety {
		at := []string{"spec", "fix", "safety", strconv.Itoa(i)}
		out.safety = append(out.safety, compiledSafety{
			when:    b.condition(s.When, append(slices.Clone(at), "when")...),
			because: b.text(s.Because, append(slices.Clone(at), "because")...),
		})
	}
	for i := range f.Edits {
		e := &f.Edits[i]
		at := []string{"spec", "fix", "edits", strconv.Itoa(i)}
		ce := compiledEdit{when: b.condition(e.When, append(slices.Clone(at), "when")...)}
		where := e.Set
		switch {
		case e.Set != "":
			ce.op = Set
		case e.Append != "":
			ce.op, where = Append, e.Append
		default:
			ce.op, where = Remove, e.Remove
		}
		var err error
		ce.place, err = sc.parsePlace(where)
		if err == nil && ce.op == Append && (ce.place.from == "flag" || ce.place.from == "kubelet") {
			err = fmt.Errorf("%s is set or removed: it is no list", where)
		}
		if err != nil && b.err == nil {
			b.err = b.at(at, "%v", err)
		}
		if e.Expression != "" {
			ce.value, _ = b.expression(e.Expression, nil, append(at, "expression")...)
		}
		out.edits = append(out.edits, ce)
	}
	return out
}

// condition compiles a boolean expression; an empty one is nil, which holds.
func (b *builder) condition(src string, keys ...string) cel.Program {
	if src == "" {
		return nil
	}
	p, _ := b.expression(src, cel.BoolType, keys...)
	return p
}

func (b *builder) expression(src string, want *cel.Type, keys ...string) (cel.Program, *cel.Type) {
	if b.err != nil {
		return nil, nil
	}
	checked, issues := b.env.Compile(src)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		b.err = b.within(keys, first.Location.Line(), first.Location.Column(),
			"%s", strings.TrimSuffix(first.Message, " (in container '')")) // CEL's containers are not ours
		return nil, nil
	}
	if want != nil && !checked.OutputType().IsExactType(want) && !checked.OutputType().IsExactType(cel.DynType) {
		b.err = b.at(keys, "the expression is %s, want %s", checked.OutputType(), want)
		return nil, nil
	}
	program, err := bounded(b.env, checked, b.known)
	if err != nil {
		b.err = b.at(keys, "%v", err)
		return nil, nil
	}
	return program, checked.OutputType()
}

// text is a sentence with expressions in it.
type text []part

type part struct {
	literal string
	program cel.Program
}

// text compiles "container {container.name} runs privileged"; {{ is a brace.
func (b *builder) text(src string, keys ...string) text {
	parts, err := SplitText(src)
	if err != nil {
		if b.err == nil {
			b.err = b.at(keys, "%v", err)
		}
		return nil
	}
	var t text
	for _, p := range parts {
		if p.Expression == "" {
			t = append(t, part{literal: p.Literal})
			continue
		}
		program, _ := b.expression(p.Expression, nil, keys...)
		t = append(t, part{program: program})
	}
	return t
}

// TextPart is a part of a sentence: words, or an expression that stood in braces.
type TextPart struct{ Literal, Expression string }

// SplitText takes a sentence with expressions in braces apart.
func SplitText(src string) ([]TextPart, error) {
	var parts []TextPart
	for rest := src; rest != ""; {
		i := strings.IndexByte(rest, '{')
		if i < 0 {
			return append(parts, TextPart{Literal: rest}), nil
		}
		if strings.HasPrefix(rest[i:], "{{") {
			parts = append(parts, TextPart{Literal: rest[:i+1]})
			rest = rest[i+2:]
			continue
		}
		if i > 0 {
			parts = append(parts, TextPart{Literal: rest[:i]})
		}
		end := closing(rest[i:])
		if end < 0 {
			return nil, fmt.Errorf("a brace is not closed in %q", src)
		}
		if end == 1 {
			return nil, fmt.Errorf("no expression stands in the braces of %q", src)
		}
		parts = append(parts, TextPart{Expression: rest[i+1 : i+end]})
		rest = rest[i+end+1:]
	}
	return parts, nil
}

// closing is the index of the brace that closes the one s begins with.
func closing(s string) int {
	depth, quote := 0, byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// normal gives values the shapes that resources have.
func normal(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = normal(v[k])
		}
	}
	return v
}

// With gives a copy of the policy with another severity, safety of its fixes,
// and other values of its parameters.
func (p *Policy) With(o Overrides) (*Policy, error) {
	out := *p
	out.Parameters = maps.Clone(p.Parameters)
	if o.Severity != "" {
		if !slices.Contains(Severities, o.Severity) {
			return nil, fmt.Errorf("severity of policy %s is %q, want one of %v", p.Name, o.Severity, Severities)
		}
		out.Severity, out.Severities = o.Severity, nil
	}
	if o.Safety != "" {
		if !slices.Contains(Safeties, o.Safety) {
			return nil, fmt.Errorf("safety of policy %s is %q, want one of %v", p.Name, o.Safety, Safeties)
		}
		out.FixSafety = o.Safety
	}
	for name, v := range o.Parameters {
		param, ok := p.Parameters[name]
		if !ok {
			return nil, fmt.Errorf("policy %s has no parameter %q; it has %v", p.Name, name, slices.Sorted(maps.Keys(p.Parameters)))
		}
		v = normal(v)
		if want, got := typeOf(param.Default), typeOf(v); !got.IsExactType(want) && (want.Kind() != types.ListKind || !isEmptyList(v)) {
			return nil, fmt.Errorf("parameter %s of policy %s is %s, want %s", name, p.Name, got, want)
		}
		param.Default = v
		out.Parameters[name] = param
	}
	return &out, nil
}

func isEmptyList(v any) bool {
	l, ok := v.([]any)
	return ok && len(l) == 0
}
