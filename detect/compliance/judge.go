package compliance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policy"
)

// Verdict is what a scan means to a control.
type Verdict string

// The verdicts, the one that asks for most first.
const (
	Fail         Verdict = "fail"          // something was found
	Exempted     Verdict = "exempted"      // all that was found, its owners exempted with a reason
	Manual       Verdict = "manual"        // a person has to judge
	NotEvaluated Verdict = "not-evaluated" // nothing can be said; the reason says why
	Pass         Verdict = "pass"          // resources were looked at, and nothing was found
)

// Verdicts lists them in order.
var Verdicts = []Verdict{Fail, Exempted, Manual, NotEvaluated, Pass}

// Scan is what was looked at.
type Scan struct {
	Result     detect.Result
	Policies   []*policy.Policy // that ran
	Kubernetes int              // minor version judged for; 0 means detect.LatestKubernetes
	Provider   string           // who runs the control plane of the cluster that was looked at; empty: its owner
}

// Assessment is a framework with a judgment for each of its controls, in order.
type Assessment struct {
	Framework *Framework
	Judgments []Judgment
}

// Judgment is what is known of one control.
type Judgment struct {
	Control  *Control
	Verdict  Verdict
	Reason   string // why a person must judge, or why nothing can be said
	Policies []Count
	Findings []*detect.Finding
	Exempted []*detect.Finding
}

// Count is what one policy of a control did.
type Count struct {
	Policy       string
	Ran          bool
	Judged       int // resources that it looked at
	Findings     int
	Exempted     int
	NotEvaluated int // resources that it could not judge
}

// Judged is how many resources the policies of a control looked at; one that
// two of them looked at counts twice.
func (j Judgment) Judged() int {
	n := 0
	for _, c := range j.Policies {
		n += c.Judged
	}
	return n
}

// Counts are the controls of an assessment by verdict, those of one level or,
// where it is empty, all. Each verdict has a number.
func (a Assessment) Counts(level string) map[Verdict]int {
	out := map[Verdict]int{}
	for _, v := range Verdicts {
		out[v] = 0
	}
	for _, j := range a.Judgments {
		if level == "" || j.Control.Level == level {
			out[j.Verdict]++
		}
	}
	return out
}

// byPolicy is a scan by the names of policies.
type byPolicy struct {
	Scan
	counts      map[string]*Count
	findings    map[string][]*detect.Finding
	exempted    map[string][]*detect.Finding
	unevaluated map[string]error // the first of each
	policies    map[string]*policy.Policy
}

// Judge gives the verdict of a scan on each control of some frameworks of the
// catalogue.
func (c *Catalogue) Judge(frameworks []*Framework, s Scan) []Assessment {
	s.Kubernetes = cmp.Or(s.Kubernetes, detect.LatestKubernetes)
	b := byPolicy{
		Scan: s, counts: map[string]*Count{}, findings: map[string][]*detect.Finding{}, exempted: map[string][]*detect.Finding{},
		unevaluated: map[string]error{}, policies: map[string]*policy.Policy{},
	}
	for _, p := range c.policies {
		b.policies[p.Name] = p
		b.counts[p.Name] = &Count{Policy: p.Name}
	}
	for _, p := range s.Policies {
		b.policies[p.Name] = p
		b.counts[p.Name] = &Count{Policy: p.Name, Ran: true}
	}
	for p, n := range s.Result.Judged {
		b.counts[p.Name].Judged += n
	}
	for _, f := range s.Result.Findings {
		b.counts[f.Policy.Name].Findings++
		b.findings[f.Policy.Name] = append(b.findings[f.Policy.Name], f)
	}
	for _, f := range s.Result.Exempted {
		b.counts[f.Policy.Name].Exempted++
		b.exempted[f.Policy.Name] = append(b.exempted[f.Policy.Name], f)
	}
	for _, u := range s.Result.NotEvaluated {
		b.counts[u.Policy.Name].NotEvaluated++
		if b.unevaluated[u.Policy.Name] == nil {
			b.unevaluated[u.Policy.Name] = u
		}
	}
	out := make([]Assessment, len(frameworks))
	for i, f := range frameworks {
		out[i].Framework = f
		for _, c := range f.Controls {
			out[i].Judgments = append(out[i].Judgments, b.judge(c))
		}
	}
	return out
}

func (b *byPolicy) judge(c *Control) Judgment {
	j := Judgment{Control: c}
	if !b.inForce(c.Kubernetes) {
		j.Verdict, j.Reason = NotEvaluated, fmt.Sprintf("it asks for nothing in Kubernetes 1.%d, only %s", b.Kubernetes, versions(c.Kubernetes))
		return j
	}
	for _, name := range c.Policies {
		j.Policies = append(j.Policies, *b.counts[name])
		j.Findings = append(j.Findings, b.findings[name]...)
		j.Exempted = append(j.Exempted, b.exempted[name]...)
	}
	j.Verdict, j.Reason = b.verdict(c, j)
	return j
}

func (b *byPolicy) verdict(c *Control, j Judgment) (Verdict, string) {
	if len(j.Findings) > 0 {
		return Fail, ""
	}
	if len(c.Policies) == 0 {
		return Manual, "no policy speaks of it"
	}
	if reason := b.unknown(c, j); reason != "" {
		if b.Provider != "" && b.ofControlPlane(c) {
			return Manual, b.Provider + " runs the control plane: ask what it promises"
		}
		return NotEvaluated, reason
	}
	switch {
	case slices.ContainsFunc(j.Exempted, func(f *detect.Finding) bool { return f.Exemption.Provider }):
		return Manual, "what was found is about what the provider of the cluster runs: ask what it promises"
	case len(j.Exempted) > 0:
		return Exempted, ""
	case !c.Automated:
		return Manual, "nothing was found, but policies see only a part of it"
	}
	return Pass, ""
}

// unknown says why nothing found does not mean that nothing is wrong. A
// resource that is not there cannot be wrong, as long as something is; but a
// cluster has an API server and kubelets whether its repository shows them or
// not.
func (b *byPolicy) unknown(c *Control, j Judgment) string {
	var off, absent, hidden []string
	elsewhere := false // the control plane is configured by other means than flags
	for _, n := range j.Policies {
		p := b.policies[n.Policy]
		switch {
		case !n.Ran:
			off = append(off, n.Policy)
		case n.NotEvaluated > 0:
			return fmt.Sprintf("policy %s could not judge %d of %d resources, first: %v", n.Policy, n.NotEvaluated, n.Judged, b.unevaluated[n.Policy])
		case n.Judged > 0:
			elsewhere = elsewhere || slices.ContainsFunc(p.Match.Kinds, configuresControlPlane)
		case !b.inForce(p.Kubernetes):
			absent = append(absent, fmt.Sprintf("%s judges %s", p.Name, versions(p.Kubernetes)))
		default:
			absent = append(absent, slices.Concat(p.Match.Kinds, p.Match.Components)...)
			hidden = append(hidden, p.Match.Components...)
		}
	}
	if elsewhere {
		hidden = slices.DeleteFunc(hidden, func(component string) bool { return component != "kubelet" && component != "kube-proxy" })
	}
	switch {
	case len(off) > 0:
		return "did not run: " + strings.Join(off, ", ")
	case j.Judged() == 0:
		return "there is nothing to look at: " + unique(absent)
	case len(hidden) > 0 && c.Automated:
		return "a part cannot be looked at: " + unique(hidden)
	}
	return ""
}

// ofControlPlane tells controls that speak of nothing but what a provider runs
// in a managed cluster; kubelets are its customer's.
func (b *byPolicy) ofControlPlane(c *Control) bool {
	return !slices.ContainsFunc(c.Policies, func(name string) bool {
		components := b.policies[name].Match.Components
		return len(components) == 0 || slices.ContainsFunc(components, func(n string) bool { return n == "kubelet" || n == "kube-proxy" })
	})
}

// configuresControlPlane tells whether a kind stands for a control plane whose
// flags nobody need write: its own configuration files, and managed clusters.
func configuresControlPlane(kind string) bool {
	return strings.HasPrefix(kind, "apiserver.config.k8s.io/") || strings.HasPrefix(kind, "eksctl.io/")
}

func unique(words []string) string {
	slices.Sort(words)
	return strings.Join(slices.Compact(words), ", ")
}

func (b *byPolicy) inForce(r policy.VersionRange) bool {
	return b.Kubernetes >= r.Since && (r.Until == 0 || b.Kubernetes <= r.Until)
}

func versions(r policy.VersionRange) string {
	switch {
	case r.Until == 0:
		return fmt.Sprintf("from 1.%d on", r.Since)
	case r.Since == 0:
		return fmt.Sprintf("until 1.%d", r.Until)
	}
	return fmt.Sprintf("from 1.%d to 1.%d", r.Since, r.Until)
}
