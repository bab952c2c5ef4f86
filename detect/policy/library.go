package policy

import (
	"regexp"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	celenv "github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"k8s.io/apiserver/pkg/cel/library"
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
		ext.Strings(ext.StringsVersion(2)),
		ext.Sets(),
		ext.Lists(ext.ListsVersion(3)),
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
		cachedMatches(),
		stringFunction("imageName", "image_name", func(ref string) string { return splitImage(ref).name }),
		stringFunction("imageTag", "image_tag", func(ref string) string { return splitImage(ref).tag }),
		stringFunction("imageDigest", "image_digest", func(ref string) string { return splitImage(ref).digest }),
	)
	if err != nil {
		return nil, nil, err
	}
	s := newSchema(env.CELTypeProvider())
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

// maxPatterns bounds how many compiled regular expressions are kept.
const maxPatterns = 1000

// cachedMatches makes matches() keep the regular expressions it compiled: CEL
// itself does so for literals only, and those of policies are parameters.
func cachedMatches() cel.EnvOption {
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
		if !ok {
			return types.MaybeNoSuchOverloadErr(text)
		}
		p, ok := pattern.(types.String)
		if !ok {
			return types.MaybeNoSuchOverloadErr(pattern)
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

type imageRef struct{ name, tag, digest string }

// splitImage takes an image reference apart (distribution reference grammar);
// the name is normalised the way Docker does: docker.io/library/nginx is nginx.
func splitImage(s string) imageRef {
	var r imageRef
	r.name, r.digest, _ = strings.Cut(s, "@")
	if i := strings.LastIndexByte(r.name, ':'); i > strings.LastIndexByte(r.name, '/') {
		r.name, r.tag = r.name[:i], r.name[i+1:]
	}
	for _, prefix := range []string{"docker.io/", "index.docker.io/", "library/"} {
		r.name = strings.TrimPrefix(r.name, prefix)
	}
	return r
}
