package detect

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// Exemption is an owner's reasoned decision to leave findings as they are.
type Exemption struct {
	Position manifest.Position // where it is written
	Policies []string          // globs of names
	Reason   string
	Owner    string    // optional
	Until    time.Time // the last day on which it counts; zero: it has no end
	Scope    Scope

	Provider bool // nobody's decision: who provides the cluster runs what it covers

	resource *manifest.Resource // an annotation: only findings of this resource
	line     int                // a comment: only findings at this line of its file, or in what begins there
}

// Scope limits an exemption by globs; an empty list does not limit.
type Scope struct {
	Kinds, Namespaces, Names, Containers []string
	Paths                                []string // ** crosses directories
}

// Expired tells whether an exemption counted until a day before today.
func (e *Exemption) Expired(today time.Time) bool {
	return !e.Until.IsZero() && !today.Before(e.Until.AddDate(0, 0, 1))
}

// Covers tells whether a finding is one of those that the exemption speaks of.
func (e *Exemption) Covers(f *Finding) bool {
	if e.resource != nil && e.resource != f.Resource || e.line != 0 && (e.Position.File != f.Position.File || !f.within(e.line)) {
		return false
	}
	r, s := f.Resource, e.Scope
	return matches(e.Policies, f.Policy.Name) && limits(s.Kinds, r.Kind) && limits(s.Namespaces, r.Namespace) &&
		limits(s.Names, r.Name) && limits(s.Containers, f.Container) && limits(s.Paths, f.Position.File)
}

// within tells whether a finding is at a line, or in the value of a key or in
// the item of a list that begins there.
func (f *Finding) within(line int) bool {
	if f.Position.Line == line {
		return true
	}
	for i := range f.Field {
		at := f.Resource.Field(f.Field[:i+1])
		if !at.Present {
			return false
		}
		if at.Key != nil && at.Key.Line == line || at.Key == nil && at.Node.Line == line {
			return true
		}
	}
	return false
}

func limits(globs []string, name string) bool { return len(globs) == 0 || matches(globs, name) }

func matches(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		ok, _ := doublestar.Match(glob, name)
		return ok
	})
}

// String says why, until when and by whom.
func (e *Exemption) String() string {
	var b strings.Builder
	b.WriteString(e.Reason)
	if !e.Until.IsZero() {
		b.WriteString("; until " + e.Until.Format(time.DateOnly))
	}
	if e.Owner != "" {
		b.WriteString("; owner " + e.Owner)
	}
	return b.String()
}

// Check tells what an exemption lacks. known are the policies that there are.
func (e *Exemption) Check(known []string) error {
	if strings.TrimSpace(e.Reason) == "" {
		return fmt.Errorf("an exemption needs a reason")
	}
	for _, glob := range slices.Concat(e.Policies, e.Scope.Kinds, e.Scope.Namespaces, e.Scope.Names, e.Scope.Containers, e.Scope.Paths) {
		if !doublestar.ValidatePattern(glob) {
			return fmt.Errorf("exemption: %q is no glob", glob)
		}
	}
	for _, glob := range e.Policies {
		if !slices.ContainsFunc(known, func(name string) bool { return matches([]string{glob}, name) }) {
			return fmt.Errorf("exemption: no policy is called %q; 'oakum policy list' prints them", glob)
		}
	}
	return nil
}

// exempt parts the findings from those that an exemption covers. A finding
// whose exemptions have all expired stays one, and says so.
func (o Options) exempt(findings []*Finding, exemptions []*Exemption) (left, exempted []*Finding) {
	for _, f := range findings {
		for _, e := range exemptions {
			if !e.Covers(f) {
				continue
			}
			if f.Exemption = e; !e.Expired(o.Today) {
				break
			}
		}
		if f.Exemption != nil && !f.Expired(o.Today) && !f.Policy.Strict {
			exempted = append(exempted, f)
		} else {
			left = append(left, f)
		}
	}
	return left, exempted
}

// provided parts the findings from those of what the provider of a cluster
// runs, about which its owner can do nothing.
func (o Options) provided(findings []*Finding) (left, provided []*Finding) {
	if o.Provided == nil {
		return findings, nil
	}
	by := &Exemption{Policies: []string{"*"}, Reason: o.Provider + " runs it, and alone can change it", Owner: o.Provider, Provider: true}
	for _, f := range findings {
		if o.Provided(f.Resource) {
			f.Exemption = by
			provided = append(provided, f)
		} else {
			left = append(left, f)
		}
	}
	return left, provided
}

// Expired tells whether the finding was exempted until a day before today.
func (f *Finding) Expired(today time.Time) bool {
	return f.Exemption != nil && f.Exemption.Expired(today)
}

// Use is an exemption and what it is good for.
type Use struct {
	*Exemption
	State    string // needed, expired, refused, unknown or unneeded
	Findings int    // that it covers
}

// The states of an exemption.
const (
	Needed   = "needed"   // it covers a finding
	Expired  = "expired"  // it would cover a finding, and its day is over
	Refused  = "refused"  // what it covers comes from a strict policy
	Unknown  = "unknown"  // its policy is off, or could not be evaluated
	Unneeded = "unneeded" // nothing is left that it would cover
)

// Uses tells which exemptions are still needed, in order of place.
func (r Result) Uses(o Options) []Use {
	on := func(e *Exemption) bool {
		return slices.ContainsFunc(o.Policies, func(p *policy.Policy) bool {
			return matches(e.Policies, p.Name) && !slices.ContainsFunc(r.NotEvaluated, func(u Unevaluated) bool { return u.Policy == p })
		})
	}
	var out []Use
	for _, e := range r.Exemptions {
		u := Use{Exemption: e, State: Unneeded}
		if !on(e) {
			u.State = Unknown
		}
		for _, f := range slices.Concat(r.Exempted, r.Findings) {
			if !e.Covers(f) {
				continue
			}
			u.Findings++
			switch {
			case f.Policy.Strict:
				u.State = Refused
			case e.Expired(o.Today):
				u.State = Expired
			default:
				u.State = Needed
			}
		}
		out = append(out, u)
	}
	slices.SortStableFunc(out, func(a, b Use) int {
		return cmp.Or(cmp.Compare(path.Clean(a.Position.File), path.Clean(b.Position.File)), cmp.Compare(a.Position.Line, b.Position.Line))
	})
	return out
}
