package admission

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// branch is one of the ways in which a policy goes over a resource: loops in
// each other, and what names stand for inside.
type branch struct {
	loops []exportLoop
	names map[string]string
}

// exportLoop goes over a list, or over the keys of a mapping.
type exportLoop struct{ list, variable string }

// branches are the ways that a policy goes. The lists of containers are one
// way, unless it makes a difference to the policy which of them it is.
func (e *exporter) branches() []branch {
	sc := e.goes
	root := "object"
	if sc.Pods {
		root = "variables.pod"
	}
	if !sc.Containers && !sc.Contexts {
		return []branch{over(branch{}, root, sc)}
	}
	var out []branch
	if sc.Contexts {
		out = append(out, branch{names: map[string]string{
			"securityContext": "variables.pod.spec.?securityContext.orValue({})",
			"container":       "{}", "containerList": `""`, "holder": `"the pod"`,
		}})
	}
	lists := map[string]string{"": "variables.everyContainer"}
	if e.uses("containerList") {
		lists = map[string]string{}
		for _, name := range manifest.ContainerLists {
			lists[name] = fmt.Sprintf("variables.pod.spec.?%s.orValue([])", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		b := branch{
			loops: []exportLoop{{lists[name], "container"}},
			names: map[string]string{"containerList": quoted(name), "holder": `"container \"" + container.name + "\""`},
		}
		if sc.Contexts {
			b.names["securityContext"] = "container.?securityContext.orValue({})"
		} else {
			b = over(b, "container", sc)
		}
		out = append(out, b)
	}
	return out
}

// over adds the loop over the items that a policy judges one by one.
func over(b branch, root string, sc policy.Scope) branch {
	if len(sc.Path) == 0 {
		return b
	}
	for _, s := range sc.Path {
		root += ".?" + s.Key
	}
	if !sc.Mapping {
		b.loops = append(b.loops, exportLoop{root + ".orValue([])", sc.Item})
		return b
	}
	b.loops = append(b.loops, exportLoop{root + ".orValue({})", "key"})
	if b.names == nil {
		b.names = map[string]string{}
	}
	b.names["value"] = root + ".orValue({})[key]"
	return b
}

// write says when everything on this way is right, and lists the messages of
// what is not; there is no such list where a message cannot be written.
func (b branch) write(e *exporter) (condition, messages string, err error) {
	t := e.t.with(b.names)
	for name, tree := range t.names {
		// What was written out before knows nothing yet of the names in here.
		inner := *t
		inner.names = maps.Clone(t.names)
		delete(inner.names, name)
		t.names[name] = inner.expr(tree, nil)
		if inner.err != nil {
			return "", "", inner.err
		}
	}
	require, err := t.tree(e.Policy.Require)
	if err != nil {
		return "", "", fmt.Errorf("require: %w", err)
	}
	if e.Policy.Match.Where != "" {
		where, err := t.tree(e.Policy.Match.Where)
		if err != nil {
			return "", "", fmt.Errorf("where: %w", err)
		}
		require = t.simple(operators.LogicalOr, []ast.Expr{t.simple(operators.LogicalNot, []ast.Expr{where}), require})
	}
	if condition, err = unparse(require); err != nil {
		return "", "", err
	}
	opposite, err := unparse(t.simple(operators.LogicalNot, []ast.Expr{require}))
	if err != nil {
		return "", "", err
	}
	text := e.message(t, b)
	messages = fmt.Sprintf("((%s) ? [] : [%s])", condition, text)
	for i, l := range slices.Backward(b.loops) {
		if i == len(b.loops)-1 {
			messages = fmt.Sprintf("%s.filter(%s, %s).map(%s, %s)", l.list, l.variable, opposite, l.variable, text)
		} else {
			messages = fmt.Sprintf(`%s.map(%s, %s.join("; ")).filter(s, s != "")`, l.list, l.variable, messages)
		}
		condition = fmt.Sprintf("%s.all(%s, %s)", l.list, l.variable, condition)
	}
	if len(b.loops) == 0 {
		condition = fmt.Sprintf("((%s) == true)", condition)
	}
	if text == "" {
		messages = ""
	}
	return condition, messages, nil
}

// message writes the sentence of a finding as an expression; empty where that
// cannot be done.
func (e *exporter) message(t *translation, b branch) string {
	parts, err := policy.SplitText(e.Policy.Message)
	if err != nil {
		return ""
	}
	var words []string
	for _, p := range parts {
		if p.Expression == "" {
			words = append(words, quoted(p.Literal))
			continue
		}
		source, err := t.text(p.Expression)
		if err != nil {
			return ""
		}
		switch out := e.output(source, b); {
		case out == nil:
			return ""
		case out.IsExactType(cel.StringType):
			words = append(words, "("+source+")")
		case out.Kind() == types.ListKind, strings.HasSuffix(source, ".orValue([])"):
			words = append(words, fmt.Sprintf("(%s).map(word, string(word)).join(\", \")", source))
		default:
			words = append(words, "string("+source+")")
		}
	}
	return strings.Join(words, " + ")
}

// output is the type of an expression inside the loops of a branch; nil where
// it does not compile.
func (e *exporter) output(source string, b branch) *cel.Type {
	if e.env == nil {
		s, err := newScope(false, false)
		if err != nil {
			return nil
		}
		for _, v := range e.Variables {
			if s.variable(v.Name, v.Expression) != nil {
				return nil
			}
		}
		e.env = s
	}
	var items []cel.EnvOption
	for _, l := range b.loops {
		items = append(items, cel.Variable(l.variable, cel.DynType))
	}
	env, err := e.env.env.Extend(items...)
	if err != nil {
		return nil
	}
	x, err := compile(env, source)
	if err != nil {
		return nil
	}
	return x.output
}

func celString(s string) types.String { return types.String(s) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// mentions tells whether an expression names one of some names.
func mentions(e ast.Expr, names []string) bool {
	found := false
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		found = found || e.Kind() == ast.IdentKind && slices.Contains(names, e.AsIdent())
	}))
	return found
}

// mentionsText tells whether a source has a name as a word.
func mentionsText(source, name string) bool {
	word := func(c byte) bool {
		return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	for i := 0; ; {
		j := strings.Index(source[i:], name)
		if j < 0 {
			return false
		}
		j += i
		end := j + len(name)
		if (j == 0 || !word(source[j-1])) && (end == len(source) || !word(source[end])) {
			return true
		}
		i = end
	}
}
