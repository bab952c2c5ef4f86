package admission

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apimachinery/pkg/util/version"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	limits "k8s.io/apiserver/pkg/apis/cel"
	apicel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/lazy"
	"k8s.io/apiserver/pkg/cel/library"
	"k8s.io/apiserver/pkg/cel/mutation"
)

// scope is what the expressions of one policy can see: the environment that
// the API server gives them, and the policy's own variables.
type scope struct {
	env       *cel.Env
	patches   *cel.Env // the same with Object and JSONPatch, nil where nothing is changed
	fields    *apicel.DeclType
	variables map[string]*expression
}

// expression is one compiled expression. Its programs leave what is not known
// open, instead of failing on it.
type expression struct {
	source  string
	output  *cel.Type
	checked *cel.Ast
	env     *cel.Env
	program cel.Program

	mu    sync.Mutex
	parts map[int64]cel.Program // of parts of it, by id
}

// newScope prepares the environment of k8s.io/apiserver/pkg/admission/plugin/cel,
// which does not export its own.
func newScope(params, patches bool) (*scope, error) {
	s := &scope{fields: apicel.NewObjectType("kubernetes.variables", map[string]*apicel.DeclField{}), variables: map[string]*expression{}}
	request, namespace := plugin.BuildRequestType(), plugin.BuildNamespaceType()
	options := []cel.EnvOption{
		cel.Variable(plugin.ObjectVarName, cel.DynType),
		cel.Variable(plugin.OldObjectVarName, cel.DynType),
		cel.Variable(plugin.NamespaceVarName, namespace.CelType()),
		cel.Variable(plugin.RequestVarName, request.CelType()),
		cel.Variable(plugin.VariableVarName, s.fields.CelType()),
		cel.Variable(plugin.AuthorizerVarName, library.AuthorizerType),
		cel.Variable(plugin.RequestResourceAuthorizerVarName, library.ResourceCheckType),
	}
	if params {
		options = append(options, cel.Variable(plugin.ParamsVarName, cel.DynType))
	}
	always := version.MajorMinor(1, 0)
	set, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Extend(environment.VersionedOptions{
		IntroducedVersion: always, EnvOptions: options, DeclTypes: []*apicel.DeclType{namespace, request, s.fields},
	}, environment.StrictCostOpt)
	if err != nil {
		return nil, fmt.Errorf("preparing the admission environment: %w", err)
	}
	s.env = set.StoredExpressionsEnv()
	if patches {
		if set, err = set.Extend(environment.VersionedOptions{IntroducedVersion: always, EnvOptions: []cel.EnvOption{
			common.ResolverEnvOption(&mutation.DynamicTypeResolver{}), library.JSONPatch(),
		}}); err != nil {
			return nil, fmt.Errorf("preparing the admission environment: %w", err)
		}
		s.patches = set.StoredExpressionsEnv()
	}
	return s, nil
}

// variable compiles a variable and makes it known to what is compiled later.
func (s *scope) variable(name, source string) error {
	x, err := s.compile(source)
	if err != nil {
		return err
	}
	s.variables[name] = x
	s.fields.Fields[name] = apicel.NewDeclField(name, declType(x.output), true, nil, nil)
	return nil
}

// compile compiles an expression; one of the types must come out, where any is given.
func (s *scope) compile(source string, want ...*cel.Type) (*expression, error) {
	return compile(s.env, source, want...)
}

func compile(env *cel.Env, source string, want ...*cel.Type) (*expression, error) {
	checked, issues := env.Compile(source)
	if issues.Err() != nil {
		return nil, &compileError{issues: issues}
	}
	out := checked.OutputType()
	if len(want) > 0 && !slices.ContainsFunc(want, out.IsExactType) {
		return nil, &compileError{message: fmt.Sprintf("the expression is %s, want %s", out, want[0])}
	}
	program, err := env.Program(checked, cel.InterruptCheckFrequency(limits.CheckFrequency))
	if err != nil {
		return nil, &compileError{message: err.Error()}
	}
	return &expression{source: source, output: out, checked: checked, env: env, program: program}, nil
}

// part is the program of a part of the expression.
func (x *expression) part(e ast.Expr) (cel.Program, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if p := x.parts[e.ID()]; p != nil {
		return p, nil
	}
	whole := x.checked.NativeRep()
	p, err := x.env.PlanProgram(ast.NewCheckedAST(ast.NewAST(e, whole.SourceInfo()), whole.TypeMap(), whole.ReferenceMap()),
		cel.InterruptCheckFrequency(limits.CheckFrequency))
	if err != nil {
		return nil, err
	}
	if x.parts == nil {
		x.parts = map[int64]cel.Program{}
	}
	x.parts[e.ID()] = p
	return p, nil
}

// compileError is an expression that cannot be compiled.
type compileError struct {
	issues  *cel.Issues
	message string
}

func (e *compileError) Error() string {
	if e.issues == nil {
		return e.message
	}
	return strings.TrimSuffix(e.issues.Errors()[0].Message, " (in container '')")
}

// input is what expressions are evaluated over: a request as the API server
// would see it, with one of the policy's parameters.
type input struct {
	scope     *scope
	object    map[string]any
	old       ref.Val // null, or unknown
	params    any
	request   map[string]any
	namespace any // a map, null, or unknown
	budget    int64

	lazy *lazy.MapValue
}

// unknown is a value that no manifest tells. What depends on it is unknown too.
func unknown(names ...string) *types.Unknown {
	out := types.NewUnknown(1, types.NewAttributeTrail(names[0]))
	for _, name := range names[1:] {
		out = types.MergeUnknowns(out, types.NewUnknown(1, types.NewAttributeTrail(name)))
	}
	return out
}

// unknownError says what an expression needs that no manifest tells.
type unknownError struct{ names []string }

func (e *unknownError) Error() string {
	return fmt.Sprintf("it depends on %s, which manifests do not tell", strings.Join(e.names, ", "))
}

var errBudget = errors.New("it costs more than the API server allows")

// eval evaluates an expression. An *unknownError means that its value depends
// on what is not known.
func (in *input) eval(x *expression) (ref.Val, error) {
	out, details, err := x.program.Eval(in)
	if details != nil && details.ActualCost() != nil {
		cost := *details.ActualCost()
		if cost > math.MaxInt64 || int64(cost) > in.budget {
			return nil, errBudget
		}
		in.budget -= int64(cost)
	}
	if err != nil {
		return nil, err
	}
	if u, ok := out.(*types.Unknown); ok {
		return nil, &unknownError{unknownNames(u)}
	}
	return out, nil
}

// ResolveName makes input the activation of its expressions.
func (in *input) ResolveName(name string) (any, bool) {
	switch name {
	case plugin.ObjectVarName:
		return in.object, true
	case plugin.OldObjectVarName:
		return in.old, true
	case plugin.AuthorizerVarName, plugin.RequestResourceAuthorizerVarName:
		return unknown(plugin.AuthorizerVarName), true
	case plugin.ParamsVarName:
		return in.params, true
	case plugin.RequestVarName:
		return in.request, true
	case plugin.NamespaceVarName:
		return in.namespace, true
	case plugin.VariableVarName:
		if in.lazy == nil {
			in.lazy = lazy.NewMapValue(in.scope.fields)
			for name, x := range in.scope.variables {
				in.lazy.Append(name, func(*lazy.MapValue) ref.Val { return in.variable(name, x) })
			}
		}
		return in.lazy, true
	}
	return nil, false
}

// Parent completes the activation: there is nothing above it.
func (in *input) Parent() cel.Activation { return nil }

func (in *input) variable(name string, x *expression) ref.Val {
	out, err := in.eval(x)
	var u *unknownError
	switch {
	case errors.As(err, &u):
		return unknown(u.names...)
	case err != nil:
		return types.NewErr("variable %s: %v", name, err)
	}
	return out
}

func unknownNames(u *types.Unknown) []string {
	names := map[string]bool{}
	for _, id := range u.IDs() {
		trails, _ := u.GetAttributeTrails(id)
		for _, t := range trails {
			names[t.String()] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// declType is the API server's type for what a variable's expression gives.
func declType(t *cel.Type) *apicel.DeclType {
	for _, simple := range []*apicel.DeclType{
		apicel.BoolType, apicel.BytesType, apicel.DoubleType, apicel.DurationType, apicel.IntType,
		apicel.NullType, apicel.StringType, apicel.TimestampType, apicel.UintType,
	} {
		if simple.CelType().IsExactType(t) {
			return simple
		}
	}
	switch p := t.Parameters(); {
	case t.Kind() == types.ListKind && len(p) == 1:
		return apicel.NewListType(declType(p[0]), -1)
	case t.Kind() == types.MapKind && len(p) == 2:
		return apicel.NewMapType(declType(p[0]), declType(p[1]), -1)
	}
	return apicel.DynType
}
