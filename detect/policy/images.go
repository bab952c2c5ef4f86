package policy

import (
	"fmt"
	"maps"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/oakum-dev/oakum/detect/vuln"
)

// report is what scanners say of the image of the item's container, nil where
// nobody scanned it.
func (it *item) report() *vuln.Report {
	image, _ := it.container["image"].(string)
	if it.context.Scanned == nil {
		return nil
	}
	return it.context.Scanned(image)
}

// vulnerabilities are those of the container's image, none where nobody scanned it.
func (it *item) vulnerabilities() *types.Optional {
	r := it.report()
	if r == nil {
		return types.OptionalNone
	}
	return types.OptionalOf(types.DefaultTypeAdapter.NativeToValue(r.Values()))
}

// exposure is how the item's container, or its pod, can be reached and what
// it reaches in turn.
func (it *item) exposure() []string {
	if it.context.Exposure == nil {
		return []string{}
	}
	return it.context.Exposure(it.resource, it.container)
}

// found evaluates an expression that picks from vulnerabilities.
func (it *item) found(p cel.Program) ([]vuln.Vulnerability, error) {
	r := it.report()
	if p == nil || r == nil {
		return nil, nil
	}
	out, _, err := p.Eval(it)
	if err != nil {
		return nil, fmt.Errorf("policy %s on %s: vulnerabilities: %w", it.policy.Name, it.resource.ID(), err)
	}
	list, err := native(out)
	if err != nil {
		return nil, fmt.Errorf("policy %s on %s: vulnerabilities: %w", it.policy.Name, it.resource.ID(), err)
	}
	picked := map[[3]any]bool{}
	items, _ := list.([]any)
	for _, v := range items {
		m, _ := v.(map[string]any)
		picked[[3]any{m["id"], m["package"], m["installed"]}] = true
	}
	var found []vuln.Vulnerability
	for _, v := range r.Vulnerabilities {
		if picked[[3]any{v.ID, v.Package, v.Installed}] {
			found = append(found, v)
		}
	}
	return found, nil
}

// VulnerabilitiesOf are those that the violation would be about if its
// container ran another image. ok is false where nobody scanned that one.
func (v Violation) VulnerabilitiesOf(image string) (found []vuln.Vulnerability, ok bool, err error) {
	it := v.item
	it.container = maps.Clone(it.container)
	if it.container == nil {
		return nil, false, nil
	}
	it.container["image"] = image
	it.memo = make([]ref.Val, len(it.code.variables))
	found, err = it.found(it.code.vulnerabilities)
	return found, it.report() != nil, err
}

// severity is the policy's, or that of the first of its rules that holds.
func (it *item) severity() (Severity, error) {
	for i, s := range it.policy.Severities {
		ok, err := it.holds(it.code.severities[i])
		if err != nil {
			return "", fmt.Errorf("policy %s on %s: severities: %w", it.policy.Name, it.resource.ID(), err)
		}
		if ok {
			return s.Level, nil
		}
	}
	return it.policy.Severity, nil
}

// Worst is the worst severity that findings of the policy may have.
func (p *Policy) Worst() Severity {
	worst := p.Severity
	for _, s := range p.Severities {
		if s.Level.AtLeast(worst) {
			worst = s.Level
		}
	}
	return worst
}
