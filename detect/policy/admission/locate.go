package admission

import (
	"maps"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Bounds on looking for what makes an expression false: variables may name
// each other, and lists may be long.
const (
	maxBlame  = 60   // parts on the way down
	maxParts  = 2000 // parts that are evaluated once more
	maxPlaces = 20
)

// blame finds the fields that make an expression false: it follows the parts
// that are false down to those that read a field, item by item where all of a
// list must be right. Paths are from the object; there is none where nothing
// better than the object itself can be named.
func (in *input) blame(x *expression) []manifest.Path {
	parts := maxParts
	b := blame{in: in, x: x, depth: maxBlame, parts: &parts}
	var out []manifest.Path
	for _, keys := range b.why(x.checked.NativeRep().Expr(), false) {
		if p := pathOf(in.object, keys); len(p) > 0 && len(out) < maxPlaces {
			out = append(out, p)
		}
	}
	return out
}

// blame looks for what a part of an expression got its value from. The ways
// that it finds are keys from the object on: strings in mappings, ints in lists.
type blame struct {
	in    *input
	x     *expression // that the parts belong to
	loops []loop
	depth int
	parts *int
}

// loop is a comprehension that the search is inside, at one item.
type loop struct {
	variable string
	value    ref.Val
	keys     []any // of the item, nil where it stands nowhere in the object
}

// ResolveName gives the variables of loops their values.
func (b blame) ResolveName(name string) (any, bool) {
	for _, l := range slices.Backward(b.loops) {
		if l.variable == name {
			return l.value, true
		}
	}
	return b.in.ResolveName(name)
}

// Parent completes the activation: there is nothing above it.
func (b blame) Parent() cel.Activation { return nil }

// value evaluates a part of the expression by itself.
func (b blame) value(e ast.Expr) (ref.Val, bool) {
	if *b.parts--; *b.parts < 0 {
		return nil, false
	}
	program, err := b.x.part(e)
	if err != nil {
		return nil, false
	}
	out, _, err := program.Eval(b)
	return out, err == nil && !types.IsUnknownOrError(out)
}

// is tells whether a part has a truth value.
func (b blame) is(e ast.Expr, value bool) bool {
	v, ok := b.value(e)
	return ok && v == types.Bool(value)
}

// why looks for what gives a condition its value.
func (b blame) why(e ast.Expr, value bool) [][]any {
	if b.depth--; b.depth < 0 {
		return nil
	}
	switch e.Kind() {
	case ast.CallKind:
		c := e.AsCall()
		switch c.FunctionName() {
		case operators.LogicalNot:
			return b.why(c.Args()[0], !value)
		case operators.LogicalAnd, operators.LogicalOr:
			for _, arg := range c.Args() {
				if b.is(arg, value) {
					if found := b.why(arg, value); len(found) > 0 {
						return found
					}
				}
			}
			return nil
		case operators.Conditional:
			branch := c.Args()[2]
			if b.is(c.Args()[0], true) {
				branch = c.Args()[1]
			}
			if found := b.why(branch, value); len(found) > 0 {
				return found
			}
		}
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		if isAll(c) && !value {
			if found := b.items(c); len(found) > 0 {
				return found
			}
		}
	case ast.SelectKind:
		if x := b.variable(e); x != nil {
			inner := b
			inner.x, inner.loops = x, nil
			if found := inner.why(x.checked.NativeRep().Expr(), value); len(found) > 0 {
				return found
			}
		}
	}
	return b.reads(e)
}

// isAll tells the macro all from others: it begins with true and goes on while all are true.
func isAll(c ast.ComprehensionExpr) bool {
	step := c.LoopStep()
	return c.AccuInit().Kind() == ast.LiteralKind && c.AccuInit().AsLiteral() == types.True &&
		step.Kind() == ast.CallKind && step.AsCall().FunctionName() == operators.LogicalAnd && !c.HasIterVar2()
}

// items are the items for which the condition of an all is false, or what in them makes it so.
func (b blame) items(c ast.ComprehensionExpr) [][]any {
	over, ok := b.value(c.IterRange())
	list, listed := over.(traits.Iterable)
	if !ok || !listed {
		return nil
	}
	_, mapping := over.(traits.Mapper)
	way := b.field(c.IterRange())
	condition := c.LoopStep().AsCall().Args()[1]
	var out [][]any
	i := 0
	for it := list.Iterator(); it.HasNext() == types.True && len(out) < maxPlaces; i++ {
		item := it.Next()
		in := b
		in.loops = append(slices.Clone(b.loops), loop{c.IterVar(), item, b.item(way, item, i, mapping)})
		if !in.is(condition, false) {
			continue
		}
		if found := in.why(condition, false); len(found) > 0 {
			out = append(out, found...)
		} else if keys := in.loops[len(in.loops)-1].keys; keys != nil {
			out = append(out, keys)
		}
	}
	return out
}

// item is where an item of a list or a mapping stands in the object.
func (b blame) item(way []any, item ref.Val, i int, mapping bool) []any {
	switch {
	case way != nil && mapping:
		if key, ok := item.Value().(string); ok {
			return append(slices.Clone(way), key)
		}
	case way != nil:
		return append(slices.Clone(way), i)
	}
	return find(b.in.object, item)
}

// variable is the policy's variable that an expression selects.
func (b blame) variable(e ast.Expr) *expression {
	if e.Kind() != ast.SelectKind {
		return nil
	}
	s := e.AsSelect()
	if s.Operand().Kind() != ast.IdentKind || s.Operand().AsIdent() != plugin.VariableVarName {
		return nil
	}
	return b.in.scope.variables[unescape(s.FieldName())]
}

// reads finds the first field of the object that an expression reads.
func (b blame) reads(e ast.Expr) [][]any {
	if b.depth--; b.depth < 0 {
		return nil
	}
	if keys := b.field(e); keys != nil {
		return [][]any{keys}
	}
	var parts []ast.Expr
	switch e.Kind() {
	case ast.CallKind:
		if e.AsCall().IsMemberFunction() {
			parts = append(parts, e.AsCall().Target())
		}
		parts = append(parts, e.AsCall().Args()...)
	case ast.SelectKind:
		parts = append(parts, e.AsSelect().Operand())
	case ast.ComprehensionKind:
		parts = append(parts, e.AsComprehension().IterRange())
	case ast.ListKind:
		parts = e.AsList().Elements()
	}
	for _, p := range parts {
		if found := b.reads(p); len(found) > 0 {
			return found
		}
	}
	return nil
}

// field is the way from the object to what an expression names; nil where
// that is no field of it.
func (b blame) field(e ast.Expr) []any {
	switch e.Kind() {
	case ast.IdentKind:
		if e.AsIdent() == plugin.ObjectVarName {
			return []any{}
		}
		for _, l := range slices.Backward(b.loops) {
			if l.variable == e.AsIdent() {
				return l.keys
			}
		}
	case ast.SelectKind:
		if b.variable(e) != nil {
			if v, ok := b.value(e); ok {
				return find(b.in.object, v)
			}
			return nil
		}
		if keys := b.field(e.AsSelect().Operand()); keys != nil {
			return append(slices.Clone(keys), unescape(e.AsSelect().FieldName()))
		}
	case ast.CallKind:
		c := e.AsCall()
		switch c.FunctionName() {
		case operators.Index, operators.OptIndex, operators.OptSelect:
			keys := b.field(c.Args()[0])
			if keys == nil || c.Args()[1].Kind() != ast.LiteralKind {
				return nil
			}
			switch k := c.Args()[1].AsLiteral().(type) {
			case types.String:
				return append(slices.Clone(keys), string(k))
			case types.Int:
				return append(slices.Clone(keys), int(k))
			}
		case "orValue", "value", "hasValue", "or":
			return b.field(c.Target())
		}
	}
	return nil
}

// find looks for a mapping or a list in an object: the very same one, not one
// like it. nil means that it is nowhere.
func find(object any, v ref.Val) []any {
	want := address(v.Value())
	if want == 0 {
		return nil
	}
	var look func(object any, keys []any) []any
	look = func(object any, keys []any) []any {
		if address(object) == want {
			return keys
		}
		switch object := object.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(object)) {
				if got := look(object[k], append(slices.Clone(keys), k)); got != nil {
					return got
				}
			}
		case []any:
			for i, v := range object {
				if got := look(v, append(slices.Clone(keys), i)); got != nil {
					return got
				}
			}
		}
		return nil
	}
	return look(object, []any{})
}
