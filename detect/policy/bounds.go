package policy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apiserver/pkg/cel/library"
)

// Bounds on one evaluation: policies come from repositories too.
const (
	costLimit   = 1_000_000 // the API server's for an admission policy (k8s.io/apiserver/pkg/apis/cel, PerCallLimit)
	maxSteps    = 200_000   // of the loops of a policy that is known to do little in each
	maxText     = 1 << 20   // bytes of a string that replace or join makes
	maxPatterns = 1000      // compiled regular expressions that are kept
)

var errTooLong = errors.New("the string would be longer than 1 MiB")

// smallCalls are the functions whose result is never larger than what they
// are given, and that read it at most once.
var smallCalls = map[string]bool{
	operators.Conditional: true, operators.LogicalAnd: true, operators.LogicalOr: true, operators.LogicalNot: true,
	operators.Equals: true, operators.NotEquals: true, operators.Less: true, operators.LessEquals: true,
	operators.Greater: true, operators.GreaterEquals: true, operators.Subtract: true, operators.Negate: true,
	operators.In: true, operators.Index: true, operators.OptIndex: true, operators.OptSelect: true,
	"hasValue": true, "value": true, "or": true, "orValue": true, "optional.of": true, "optional.none": true,
	"size": true, "string": true, "dyn": true, "matches": true, "startsWith": true, "endsWith": true, "contains": true,
	"lowerAscii": true, "trim": true, "imageName": true, "imageTag": true, "imageDigest": true,
	"podTemplate": true,
}

// linear tells whether an expression neither loops nor makes anything large,
// so that its cost is bounded by its length. Only of others is the cost
// counted, which takes several times as long as the evaluation itself.
func linear(checked *cel.Ast) bool {
	root := ast.NavigateAST(checked.NativeRep())
	return len(ast.MatchDescendants(root, func(e ast.NavigableExpr) bool {
		return e.Kind() == ast.ComprehensionKind || e.Kind() == ast.CallKind && !smallCalls[e.AsCall().FunctionName()]
	})) == 0
}

// bounded makes the program of an expression. Counting the cost takes as long as
// the evaluation itself, so for policies that are known it is the steps of
// loops that count.
func bounded(env *cel.Env, checked *cel.Ast, known bool) (cel.Program, error) {
	optimised := cel.EvalOptions(cel.OptOptimize)
	switch {
	case linear(checked):
		return env.Program(checked, optimised)
	case !known:
		return env.Program(checked, optimised, cel.CostLimit(costLimit), cel.CostTracking(costs{}))
	}
	p, err := env.Program(checked, optimised, cel.InterruptCheckFrequency(maxSteps))
	return stepping{p}, err
}

// stepping is a program that is interrupted when it first looks whether it should be.
type stepping struct{ cel.Program }

func (s stepping) Eval(vars any) (ref.Val, *cel.EvalDetails, error) {
	return s.ContextEval(over, vars)
}

// over is a context that has ended.
var over = func() context.Context {
	ctx, end := context.WithCancelCause(context.Background())
	end(fmt.Errorf("its loops take more than %d steps", maxSteps))
	return ctx
}()

// costs are those of the API server, and of matches as CEL itself counts it.
type costs struct{ library.CostEstimator }

// CallCost is the cost of a call that was made; nil leaves it to CEL.
func (c costs) CallCost(function, overload string, args []ref.Val, result ref.Val) *uint64 {
	if function == "selecting" || function == "selected" || function == "named" || function == "holding" {
		if l, ok := args[0].(*Resources); ok { // its size is no question of the expression's
			cost := uint64(len(l.entries)) + 1
			return &cost
		}
		if l, ok := args[0].(traits.Sizer); ok {
			n, _ := l.Size().(types.Int)
			cost := uint64(n) + 1
			return &cost
		}
	}
	if function != overloads.Matches || len(args) != 2 {
		return c.CostEstimator.CallCost(function, overload, args, result)
	}
	text, _ := args[0].(types.String)
	pattern, _ := args[1].(types.String)
	cost := (uint64(len(text))/10 + 1) * (uint64(len(pattern))/4 + 1)
	return &cost
}

// keptMatches makes matches keep the regular expressions it compiled: CEL
// itself does so for literals only, and those of policies are parameters.
func keptMatches() cel.EnvOption {
	var mu sync.RWMutex
	patterns := map[string]*regexp.Regexp{}
	compile := func(pattern string) (*regexp.Regexp, error) {
		mu.RLock()
		re := patterns[pattern]
		mu.RUnlock()
		if re != nil {
			return re, nil
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if len(patterns) < maxPatterns {
			patterns[pattern] = re
		}
		return re, nil
	}
	binding := cel.BinaryBinding(func(text, pattern ref.Val) ref.Val {
		s, ok := text.(types.String)
		p, too := pattern.(types.String)
		if !ok || !too {
			return types.MaybeNoSuchOverloadErr(text)
		}
		re, err := compile(string(p))
		if err != nil {
			return types.WrapErr(err)
		}
		return types.Bool(re.MatchString(string(s)))
	})
	arguments := []*cel.Type{cel.StringType, cel.StringType}
	return cel.Function(overloads.Matches,
		cel.Overload("matches_kept", arguments, cel.BoolType, binding),
		cel.MemberOverload("string_matches_kept", arguments, cel.BoolType, binding))
}

// boundedReplace is replace, refusing to make a long string.
func boundedReplace() cel.EnvOption {
	replace := func(args ...ref.Val) ref.Val {
		n := -1
		if len(args) == 4 {
			n = int(args[3].(types.Int))
		}
		s, was, is := string(args[0].(types.String)), string(args[1].(types.String)), string(args[2].(types.String))
		times := strings.Count(s, was)
		if n >= 0 {
			times = min(times, n)
		}
		if len(s)+times*max(0, len(is)-len(was)) > maxText {
			return types.WrapErr(errTooLong)
		}
		return types.String(strings.Replace(s, was, is, n))
	}
	three := []*cel.Type{cel.StringType, cel.StringType, cel.StringType}
	return cel.Function("replace",
		cel.MemberOverload("string_replace_string_string", three, cel.StringType, cel.FunctionBinding(replace)),
		cel.MemberOverload("string_replace_string_string_int", append(three[:3:3], cel.IntType), cel.StringType, cel.FunctionBinding(replace)))
}

// boundedJoin is join, refusing to make a long string.
func boundedJoin() cel.EnvOption {
	join := func(list, separator ref.Val) ref.Val {
		l, ok := list.(traits.Lister)
		between, too := separator.(types.String)
		if !ok || !too {
			return types.MaybeNoSuchOverloadErr(list)
		}
		var b strings.Builder
		for i, first := l.Iterator(), true; i.HasNext() == types.True; first = false {
			s, ok := i.Next().(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(list)
			}
			if b.Len()+len(s)+len(between) > maxText {
				return types.WrapErr(errTooLong)
			}
			if !first {
				b.WriteString(string(between))
			}
			b.WriteString(string(s))
		}
		return types.String(b.String())
	}
	words := cel.ListType(cel.StringType)
	return cel.Function("join",
		cel.MemberOverload("list_join", []*cel.Type{words}, cel.StringType,
			cel.UnaryBinding(func(l ref.Val) ref.Val { return join(l, types.String("")) })),
		cel.MemberOverload("list_join_string", []*cel.Type{words, cel.StringType}, cel.StringType, cel.BinaryBinding(join)))
}
