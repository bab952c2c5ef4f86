package policy

import (
	"github.com/google/cel-go/cel"
	celenv "github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"k8s.io/apiserver/pkg/cel/library"

	"github.com/oakum-dev/oakum/detect/vuln"
)

// baseEnv has what every expression may use: the CEL of the API server
// (optional types, strings, sets, lists, quantity, regex, IP, CIDR, semver)
// and a few functions about images.
func baseEnv() (*cel.Env, *schema, error) {
	env, err := cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(&celenv.LibrarySubset{ExcludeFunctions: []*celenv.Function{{Name: overloads.Matches}}})),
		cel.HomogeneousAggregateLiterals(),
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(0)), // later ones have format, whose result is not bounded
		ext.Sets(),
		ext.Lists(ext.ListsVersion(1)), // later ones have range, whose result is not bounded
		ext.TwoVarComprehensions(),
		ext.Bindings(),
		library.URLs(),
		library.Regex(),
		library.Lists(),
		library.Quantity(),
		library.IP(),
		library.CIDR(),
		library.Format(),
		library.SemverLib(library.SemverVersion(1)),
		keptMatches(),
		boundedReplace(),
		boundedJoin(),
		stringFunction("imageName", "image_name", func(ref string) string { return vuln.ParseReference(ref).Name }),
		stringFunction("imageTag", "image_tag", func(ref string) string { return vuln.ParseReference(ref).Tag }),
		stringFunction("imageDigest", "image_digest", func(ref string) string { return vuln.ParseReference(ref).Digest }),
		selects(),
		selecting(),
		selected(),
		named(),
		holding(),
	)
	if err != nil {
		return nil, nil, err
	}
	s := newSchema(env.CELTypeProvider())
	if env, err = env.Extend(podTemplate(s)); err != nil {
		return nil, nil, err
	}
	env, err = env.Extend(withSchema(s))
	return env, s, err
}

func stringFunction(name, id string, f func(string) string) cel.EnvOption {
	return cel.Function(name, cel.Overload(id, []*cel.Type{cel.StringType}, cel.StringType,
		cel.UnaryBinding(func(v ref.Val) ref.Val {
			s, ok := v.(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(v)
			}
			return types.String(f(string(s)))
		})))
}
