package policy

import (
	"fmt"
	"slices"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Judge judges resources by rules that are written in another language than
// oakum's. It must be safe for use by several goroutines at once.
type Judge interface {
	// Wants tells whether the rules look at resources of a kind, or read them
	// to judge others.
	Wants(apiVersion, kind string) bool
	// Judge lists the breaches of a resource in its own order. It fills Path,
	// Container, Message and, where the rules themselves say how the resource
	// should be, Desired. An error means that the rules, or some of them,
	// could not be evaluated, which is not a pass; the violations that come
	// with it stand.
	Judge(r *manifest.Resource, ctx Context) ([]Violation, error)
}

// LookingUp is a judge that gathers resources once for all that it judges over
// one tree, instead of asking the context for each.
type LookingUp interface {
	// LooksUp tells whether it gathers resources of a kind.
	LooksUp(apiVersion, kind string) bool
}

// Foreign makes a policy of rules in another language, judged by j. Of p count
// Name, File, Title, Description, Severity, Category, Language and Mutates.
// Without a judge nothing is evaluated, and Unjudged says why.
func Foreign(p Policy, j Judge) (*Policy, error) {
	switch {
	case p.Name == "":
		return nil, &Error{File: p.File, Message: fmt.Sprintf("a %s has no metadata.name", p.Language)}
	case !slices.Contains(Severities, p.Severity):
		return nil, &Error{File: p.File, Message: fmt.Sprintf("severity of policy %s is %q, want one of %v", p.Name, p.Severity, Severities)}
	case j == nil && p.Unjudged == "":
		return nil, &Error{File: p.File, Message: fmt.Sprintf("policy %s has no judge, and does not say why", p.Name)}
	}
	p.judge = j
	return &p, nil
}

func (p *Policy) evaluateForeign(r *manifest.Resource, ctx Context) ([]Violation, error) {
	if r.Partial || !p.judge.Wants(r.APIVersion, r.Kind) {
		return nil, nil
	}
	violations, err := p.judge.Judge(r, ctx)
	for i := range violations {
		violations[i].item = item{policy: p, context: ctx, resource: r}
	}
	if err != nil {
		err = fmt.Errorf("policy %s on %s: %w", p.Name, r.ID(), err)
	}
	return violations, err
}

// foreignRepair is what the rules of another language say of mending a violation:
// make the change that they ask for, or nothing.
func (v Violation) foreignRepair() Repair {
	p := v.item.policy
	if v.Desired == nil {
		return Repair{Safety: Manual, Because: fmt.Sprintf("%s %s does not say how it is mended: its rules are in %s", p.Language, p.Name, p.File)}
	}
	return Repair{
		Title:   fmt.Sprintf("make the change of %s %s", p.Language, p.Name),
		Safety:  Review,
		Because: fmt.Sprintf("%s %s makes this change to the object when it is admitted; in Git it holds wherever the manifest is applied", p.Language, p.Name),
		Edits:   Difference(v.item.resource.Value, v.Desired),
	}
}
