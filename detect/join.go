package detect

import (
	"slices"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/trace"
)

// Join makes one result of what a tree says and of what a cluster does. A
// finding of both is the tree's, since it is mended there; one that only the
// cluster has points to the place in the tree that decides its object, if
// there is one. Source tells that place, nil where
// nobody looked. The findings of the tree are left as they are.
func Join(git, live Result, source func(*manifest.Resource) *trace.Source) Result {
	git.Findings, git.Exempted = Copied(git.Findings), Copied(git.Exempted)
	out := git
	known := map[place]*Finding{}
	said := map[saying]*Finding{}
	for _, f := range slices.Concat(git.Findings, git.Exempted) {
		known[placeOf(f, f.Resource)] = f
		if f.Field.String() == "metadata.namespace" {
			said[sayingOf(f)] = f
		}
	}
	only := func(findings []*Finding) []*Finding {
		var rest []*Finding
		for _, f := range findings {
			s := source(f.Resource)
			if s == nil || s.Resource == nil {
				f.Source = s
				rest = append(rest, f)
				continue
			}
			same := known[placeOf(f, s.Resource)]
			if same == nil && f.Field.String() == "metadata.namespace" {
				same = said[sayingOf(f)]
			}
			if same != nil && s.Owner == "" {
				f.Source = s
				same.Live, same.Source, same.Twins = true, s, append(same.Twins, f)
				continue
			}
			f.Decided(s)
			rest = append(rest, f)
		}
		return rest
	}
	out.Findings = append(git.Findings, only(live.Findings)...)
	out.Exempted = append(git.Exempted, only(live.Exempted)...)
	out.NotEvaluated = slices.Concat(git.NotEvaluated, live.NotEvaluated)
	out.Errors = slices.Concat(git.Errors, live.Errors)
	out.Judged = map[*policy.Policy]int{}
	for _, judged := range []map[*policy.Policy]int{git.Judged, live.Judged} {
		for p, n := range judged {
			out.Judged[p] += n
		}
	}
	slices.SortStableFunc(out.Findings, byPosition)
	return out
}

// Copied are findings of which more can be said: the others may be joined with
// another cluster, or with this one again.
func Copied(findings []*Finding) []*Finding {
	out := make([]*Finding, len(findings))
	for i, f := range findings {
		same := *f
		same.Twins = slices.Clone(f.Twins)
		out[i] = &same
	}
	return out
}

// Decided notes what decides the live object that a finding is about, and
// points to it if it is in the tree.
func (f *Finding) Decided(by *trace.Source) {
	f.Source = by
	if by == nil || by.Resource == nil {
		return
	}
	path := f.Field
	if by.Owner != "" {
		path = nil // of another object
	}
	f.Position = by.Resource.Position(path)
}

// place is where a policy is broken, whatever the object is called there.
type place struct {
	policy    string
	resource  *manifest.Resource
	container string
	field     string
}

func placeOf(f *Finding, r *manifest.Resource) place {
	return place{f.Policy.Name, r, f.Container, f.Field.String()}
}

// saying is a finding about a whole namespace, which one resource of it bears;
// which one that is depends on the order of what was read.
type saying struct{ policy, namespace, message string }

func sayingOf(f *Finding) saying { return saying{f.Policy.Name, f.Resource.Namespace, f.Message} }
