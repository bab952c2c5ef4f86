package admission

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/parser"
)

// translation says in the words of admission what an expression of oakum's
// says: names stand for other expressions, and functions that the API server
// has not are written out.
type translation struct {
	parser *parser.Parser
	make   ast.ExprFactory
	names  map[string]ast.Expr // what a name stands for
	cannot map[string]string   // names that stand for nothing in admission, and why
	params map[string]string   // the variables that parameters became
	err    error
}

// newTranslation reads expressions without expanding macros, so that they are
// written as they were.
func newTranslation() (*translation, error) {
	p, err := parser.NewParser(parser.EnableOptionalSyntax(true), parser.Macros())
	if err != nil {
		return nil, err
	}
	return &translation{
		parser: p, make: ast.NewExprFactory(), names: map[string]ast.Expr{}, params: map[string]string{},
		cannot: map[string]string{
			"serviceAccount": "it reads the service account of the pod",
			"bindings":       "it reads role bindings",
			"exposure":       "it asks who can reach the pod",
		},
	}, nil
}

// with is a translation in which some names stand for expressions of admission.
func (t *translation) with(names map[string]string) *translation {
	out := *t
	out.names = maps.Clone(t.names)
	for name, source := range names {
		e, err := t.parse(source)
		if err != nil && out.err == nil {
			out.err = err
		}
		out.names[name] = e
	}
	return &out
}

func (t *translation) parse(source string) (ast.Expr, error) {
	tree, errs := t.parser.Parse(common.NewTextSource(source))
	if len(errs.GetErrors()) > 0 {
		return nil, errors.New(errs.ToDisplayString())
	}
	return tree.Expr(), nil
}

// tree translates an expression.
func (t *translation) tree(source string) (ast.Expr, error) {
	if t.err != nil {
		return nil, t.err
	}
	e, err := t.parse(source)
	if err != nil {
		return nil, err
	}
	again := *t
	out := again.expr(e, nil)
	return out, again.err
}

// text translates an expression and writes it.
func (t *translation) text(source string) (string, error) {
	e, err := t.tree(source)
	if err != nil {
		return "", err
	}
	return unparse(e)
}

// unparse writes an expression, on several lines where it is long.
func unparse(e ast.Expr) (string, error) {
	return parser.Unparse(e, ast.NewSourceInfo(nil), parser.WrapOnColumn(100))
}

func (t *translation) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

// expr translates a part of an expression; bound are the names that macros
// around it give to items.
func (t *translation) expr(e ast.Expr, bound []string) ast.Expr {
	switch e.Kind() {
	case ast.IdentKind:
		name := e.AsIdent()
		switch {
		case slices.Contains(bound, name):
			return e
		case t.cannot[name] != "":
			t.fail("%s", t.cannot[name])
		case t.names[name] != nil:
			return t.names[name]
		}
		return e
	case ast.SelectKind:
		s := e.AsSelect()
		if s.Operand().Kind() == ast.IdentKind && s.Operand().AsIdent() == "params" {
			return t.make.NewSelect(0, t.make.NewIdent(0, "variables"), t.params[s.FieldName()])
		}
		return t.make.NewSelect(0, t.expr(s.Operand(), bound), s.FieldName())
	case ast.CallKind:
		return t.call(e.AsCall(), bound)
	case ast.ListKind:
		l := e.AsList()
		items := make([]ast.Expr, l.Size())
		for i, item := range l.Elements() {
			items[i] = t.expr(item, bound)
		}
		return t.make.NewList(0, items, l.OptionalIndices())
	case ast.MapKind:
		var entries []ast.EntryExpr
		for _, entry := range e.AsMap().Entries() {
			m := entry.AsMapEntry()
			entries = append(entries, t.make.NewMapEntry(0, t.expr(m.Key(), bound), t.expr(m.Value(), bound), m.IsOptional()))
		}
		return t.make.NewMap(0, entries)
	}
	return e
}

// macros give names to items: how many they give, by the number of their arguments.
var macros = map[string]map[int]int{
	"all": {2: 1, 3: 2}, "exists": {2: 1, 3: 2}, "existsOne": {2: 1, 3: 2}, "exists_one": {2: 1}, "filter": {2: 1}, "map": {2: 1, 3: 1},
	"transformList": {3: 2, 4: 2}, "transformMap": {3: 2, 4: 2}, "transformMapEntry": {3: 2, 4: 2}, "optMap": {2: 1}, "optFlatMap": {2: 1},
}

func (t *translation) call(c ast.CallExpr, bound []string) ast.Expr {
	name := c.FunctionName()
	if c.IsMemberFunction() && name == "bind" && c.Target().Kind() == ast.IdentKind && c.Target().AsIdent() == "cel" {
		// The API server has no bind: a list of one does the same.
		list := t.make.NewList(0, []ast.Expr{t.expr(c.Args()[1], bound)}, nil)
		body := t.expr(c.Args()[2], append(slices.Clone(bound), c.Args()[0].AsIdent()))
		return t.first(t.make.NewMemberCall(0, "map", list, c.Args()[0], body))
	}
	inner, given := bound, 0
	if c.IsMemberFunction() {
		given = macros[name][len(c.Args())]
		for _, arg := range c.Args()[:given] {
			if arg.Kind() != ast.IdentKind {
				t.fail("%s gives no name to its items", name)
				return t.make.NewLiteral(0, types.False)
			}
			if t.names[arg.AsIdent()] != nil {
				t.fail("%s hides %s", name, arg.AsIdent())
			}
			inner = append(slices.Clone(inner), arg.AsIdent())
		}
	}
	args := slices.Clone(c.Args())
	for i := range args {
		if i >= given {
			args[i] = t.expr(args[i], inner)
		}
	}
	if c.IsMemberFunction() {
		return t.make.NewMemberCall(0, name, t.expr(c.Target(), bound), args...)
	}
	switch {
	case images[name] != "":
		return t.image(name, args[0])
	}
	return t.simple(name, args)
}

func (t *translation) first(list ast.Expr) ast.Expr {
	return t.make.NewCall(0, operators.Index, list, t.make.NewLiteral(0, types.Int(0)))
}

// images are the functions that take image references apart, over a list that
// holds one.
var images = map[string]string{
	"imageName": `.map(i, i.split("@")[0])` +
		`.map(i, i.lastIndexOf(":") > i.lastIndexOf("/") ? i.substring(0, i.lastIndexOf(":")) : i)` +
		`.map(i, i.startsWith("docker.io/") ? i.substring(10) : i)` +
		`.map(i, i.startsWith("index.docker.io/") ? i.substring(16) : i)` +
		`.map(i, i.startsWith("library/") ? i.substring(8) : i)`,
	"imageTag":    `.map(i, i.split("@")[0]).map(i, i.lastIndexOf(":") > i.lastIndexOf("/") ? i.substring(i.lastIndexOf(":") + 1) : "")`,
	"imageDigest": `.map(i, i.contains("@") ? i.substring(i.indexOf("@") + 1) : "")`,
}

func (t *translation) image(name string, reference ast.Expr) ast.Expr {
	const hole = "reference"
	e, err := t.parse("[" + hole + "]" + images[name])
	if err != nil {
		t.fail("%s: %v", name, err)
		return reference
	}
	filled := translation{make: t.make, names: map[string]ast.Expr{hole: reference}}
	return t.first(filled.expr(e, nil))
}

// simple makes a call, or what it comes to where that is plain: the version of
// Kubernetes is a number by now.
func (t *translation) simple(name string, args []ast.Expr) ast.Expr {
	truth := func(e ast.Expr) (value, known bool) {
		if e.Kind() != ast.LiteralKind {
			return false, false
		}
		b, ok := e.AsLiteral().(types.Bool)
		return bool(b), ok
	}
	boolean := func(b bool) ast.Expr { return t.make.NewLiteral(0, types.Bool(b)) }
	switch name {
	case operators.LogicalNot:
		if b, ok := truth(args[0]); ok {
			return boolean(!b)
		}
		if inner := args[0]; inner.Kind() == ast.CallKind && inner.AsCall().FunctionName() == operators.LogicalNot {
			return inner.AsCall().Args()[0]
		}
	case operators.LogicalAnd, operators.LogicalOr:
		decides := name == operators.LogicalOr
		for i, arg := range args {
			if b, ok := truth(arg); ok && len(args) == 2 {
				if b == decides {
					return boolean(b)
				}
				return args[1-i]
			}
		}
	case operators.Conditional:
		if b, ok := truth(args[0]); ok && b {
			return args[1]
		} else if ok {
			return args[2]
		}
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.Equals, operators.NotEquals:
		if b, ok := compared(name, args[0], args[1]); ok {
			return boolean(b)
		}
	case operators.Add:
		if args[0].Kind() == ast.ListKind && args[1].Kind() == ast.ListKind {
			return t.make.NewList(0, slices.Concat(args[0].AsList().Elements(), args[1].AsList().Elements()), nil)
		}
	}
	return t.make.NewCall(0, name, args...)
}

// compared tells how two numbers compare, and whether two texts are the same.
func compared(operator string, a, b ast.Expr) (value, known bool) {
	if a.Kind() != ast.LiteralKind || b.Kind() != ast.LiteralKind {
		return false, false
	}
	switch operator {
	case operators.Equals:
		return a.AsLiteral() == b.AsLiteral(), true
	case operators.NotEquals:
		return a.AsLiteral() != b.AsLiteral(), true
	}
	x, ok := a.AsLiteral().(types.Int)
	y, too := b.AsLiteral().(types.Int)
	if !ok || !too {
		return false, false
	}
	switch operator {
	case operators.Less:
		return x < y, true
	case operators.LessEquals:
		return x <= y, true
	case operators.Greater:
		return x > y, true
	}
	return x >= y, true
}
