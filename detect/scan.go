package detect

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// LatestKubernetes is the minor version of Kubernetes 1.x that policies are
// written for; without a better answer it is the one that is assumed.
const LatestKubernetes = 37

// Options say how a tree is judged.
type Options struct {
	Policies   []*policy.Policy
	Kubernetes int                           // minor version of Kubernetes 1.x; 0 means LatestKubernetes
	Exemptions []*Exemption                  // besides those that the manifests hold
	Known      []string                      // names of all policies that there are, on or off; nil means those of Policies
	Workloads  []manifest.Workload           // kinds of extensions that have a pod template
	Provider   string                        // of a managed cluster; empty: none
	Provided   func(*manifest.Resource) bool // what the provider keeps as it is; nil: nothing
	Today      time.Time                     // what exemptions and versions expire by; zero: none does
	Reports    []*vuln.Report                // of image scanners, besides those that are objects of the tree
	Least      policy.Severity               // findings that are less bad are left out; empty: none is
}

// Result is what a scan says. A policy that could not be evaluated somewhere
// is neither a pass nor a finding there.
type Result struct {
	Findings     []*Finding // by file, line, policy
	Exempted     []*Finding // in the same order; not among Findings
	NotEvaluated []Unevaluated
	Judged       map[*policy.Policy]int // at how many resources each looked
	Exemptions   []*Exemption           // all that were read, whether they cover anything or not
	Errors       []manifest.Error       // of exemptions and of reports of scanners that make no sense, and do not count
}

// Kept tells whether everything that a policy looked at keeps it: something is
// there, nothing is exempted, and nothing could not be evaluated.
func (r *Result) Kept(p *policy.Policy) bool {
	of := func(f *Finding) bool { return f.Policy == p }
	return r.Judged[p] > 0 && !slices.ContainsFunc(r.Findings, of) && !slices.ContainsFunc(r.Exempted, of) &&
		!slices.ContainsFunc(r.NotEvaluated, func(u Unevaluated) bool { return u.Policy == p })
}

// Unevaluated is a policy that could not be evaluated on a resource or, where
// that is nil, on anything.
type Unevaluated struct {
	Policy   *policy.Policy
	Resource *manifest.Resource
	Err      error
}

// Error says where, by which policy, and why.
func (u Unevaluated) Error() string {
	if u.Resource == nil {
		return fmt.Sprintf("%s: %v", u.Policy.File, u.Err)
	}
	return fmt.Sprintf("%s: %v", u.Resource.File.Path, u.Err)
}

// Unwrap is the reason.
func (u Unevaluated) Unwrap() error { return u.Err }

// Wants tells the reader of manifests which kinds the policies look at.
func (o Options) Wants(apiVersion, kind string) bool {
	return contextKinds[kind] || vuln.IsReport(apiVersion, kind) || slices.ContainsFunc(o.Workloads, func(w manifest.Workload) bool { return w.Is(apiVersion, kind) }) || slices.ContainsFunc(o.Policies, func(p *policy.Policy) bool { return p.Reads(apiVersion, kind) })
}

// contextKinds are needed to judge other resources, and to mend them.
var contextKinds = map[string]bool{
	"ServiceAccount": true, "Namespace": true, "NetworkPolicy": true, "CiliumNetworkPolicy": true,
	"CiliumClusterwideNetworkPolicy": true, "GlobalNetworkPolicy": true, "AdminNetworkPolicy": true, "ClusterNetworkPolicy": true,
	"Service": true, "Ingress": true, "Gateway": true, "HTTPRoute": true, "GRPCRoute": true, "TLSRoute": true, "TCPRoute": true,
	"LimitRange": true, "Role": true, "ClusterRole": true, "RoleBinding": true, "ClusterRoleBinding": true,
}

// Scan evaluates policies over every resource of a set.
func Scan(set *manifest.Set, o Options) Result {
	return o.scan(set, func(*manifest.File) bool { return true })
}

// ScanFiles is Scan for the resources of some files only; the rest of the set
// is what they are judged against.
func ScanFiles(set *manifest.Set, o Options, files map[string]bool) Result {
	return o.scan(set, func(f *manifest.File) bool { return files[f.Path] })
}

// Context is what of a set policies may ask while they judge it.
func (o Options) Context(set *manifest.Set) policy.Context {
	ctx, _ := o.context(set)
	return ctx
}

func (o Options) context(set *manifest.Set) (policy.Context, []manifest.Error) {
	reports, wrong := o.scanned(set)
	around := newSurroundings(false)
	for r := range set.Resources {
		around.replace(nil, r)
	}
	around.scans = vuln.NewIndex(reports)
	ctx := around.context(o, nil)
	ctx.All, ctx.Tree = set.Resources, set
	return ctx, wrong
}

func (o Options) scan(set *manifest.Set, among func(*manifest.File) bool) Result {
	ctx, wrong := o.context(set)
	var resources []*manifest.Resource
	for r := range set.Resources {
		if among(r.File) {
			resources = append(resources, r)
		}
	}
	policies := byKind{options: o, context: ctx, known: map[judgedKind][]*policy.Policy{}}
	results := make([]judgment, len(resources))
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), 8) {
		wg.Go(func() {
			for i := range next {
				results[i] = judge(resources[i], policies.of(resources[i]), ctx)
			}
		})
	}
	for i := range resources {
		next <- i
	}
	close(next)
	wg.Wait()

	out := Result{Judged: map[*policy.Policy]int{}}
	for _, r := range results {
		out.Findings = append(out.Findings, r.findings...)
		out.NotEvaluated = append(out.NotEvaluated, r.unevaluated...)
		for _, p := range r.judged {
			out.Judged[p]++
		}
	}
	for _, p := range o.Policies {
		if p.Unjudged != "" {
			out.NotEvaluated = append(out.NotEvaluated, unjudged(p))
		}
		if p.Analyzer == "" {
			continue
		}
		for _, r := range resources {
			if p.Judges(r, ctx) {
				out.Judged[p]++
			}
		}
		for _, r := range analyzers[p.Analyzer].judge(set.Resources) {
			if !among(r.File) {
				continue
			}
			v, err := p.Violate(r, ctx)
			if err != nil {
				out.NotEvaluated = append(out.NotEvaluated, Unevaluated{p, r, err})
				continue
			}
			out.Findings = append(out.Findings, newFinding(p, r, v))
		}
	}
	out.Exemptions, out.Errors = written(set, among, o.known())
	out.Errors = append(out.Errors, wrong...)
	out.Exemptions = append(out.Exemptions, o.Exemptions...)
	var provided []*Finding
	out.Findings, out.Exempted, provided = o.settle(out.Findings, out.Exemptions)
	out.Exempted = append(out.Exempted, provided...)
	return out
}

// settle brings findings into order, tells apart those that would share a
// fingerprint, leaves out what is not bad enough, and parts the rest: those that
// are left, those that an exemption covers, and those that are nobody's but the
// provider's.
func (o Options) settle(findings []*Finding, exemptions []*Exemption) (left, exempted, provided []*Finding) {
	slices.SortStableFunc(findings, byPosition)
	distinguish(findings)
	if o.Least != "" {
		findings = slices.DeleteFunc(findings, func(f *Finding) bool { return !f.Severity.AtLeast(o.Least) })
	}
	left, exempted = o.exempt(findings, exemptions)
	left, provided = o.provided(left)
	return left, exempted, provided
}

// known are the names of all policies that there are.
func (o Options) known() []string {
	if o.Known != nil {
		return o.Known
	}
	var known []string
	for _, p := range o.Policies {
		known = append(known, p.Name)
	}
	return known
}

// judgment is what all policies say of one resource.
type judgment struct {
	judged      []*policy.Policy
	findings    []*Finding
	unevaluated []Unevaluated
}

func judge(r *manifest.Resource, policies []*policy.Policy, ctx policy.Context) judgment {
	var out judgment
	for _, p := range policies {
		if !p.Judges(r, ctx) {
			continue
		}
		out.judged = append(out.judged, p)
		findings, err := judgeBy(p, r, ctx)
		if err != nil {
			out.unevaluated = append(out.unevaluated, Unevaluated{p, r, err})
		}
		out.findings = append(out.findings, findings...)
	}
	return out
}

// judgeBy is what one policy says of a resource.
func judgeBy(p *policy.Policy, r *manifest.Resource, ctx policy.Context) ([]*Finding, error) {
	violations, err := p.Evaluate(r, ctx)
	var out []*Finding
	for _, v := range violations {
		out = append(out, newFinding(p, r, v))
	}
	return out, err
}

// byKind keeps which policies judge resources of a kind: most look at few.
type byKind struct {
	options Options
	context policy.Context

	mu    sync.Mutex
	known map[judgedKind][]*policy.Policy
}

type judgedKind struct {
	apiVersion, kind string
	pods             bool // it has a pod template
}

func (k *byKind) of(r *manifest.Resource) []*policy.Policy {
	_, pods := r.MakesPods()
	kind := judgedKind{r.APIVersion, r.Kind, pods}
	k.mu.Lock()
	defer k.mu.Unlock()
	policies, ok := k.known[kind]
	if !ok {
		for _, p := range k.options.Policies {
			if p.Analyzer == "" && p.JudgesKind(kind.apiVersion, kind.kind, pods, k.context) {
				policies = append(policies, p)
			}
		}
		k.known[kind] = policies
	}
	return policies
}

// today is the day as policies compare it.
func (o Options) today() string {
	if o.Today.IsZero() {
		return ""
	}
	return o.Today.Format(time.DateOnly)
}

// Scans are the reports of image scanners: those that were given, and those
// that are objects of the tree.
func (o Options) Scans(set *manifest.Set) *vuln.Index {
	reports, _ := o.scanned(set)
	return vuln.NewIndex(reports)
}

// scanned is what Scans are made of, and the objects that are no reports.
func (o Options) scanned(set *manifest.Set) ([]*vuln.Report, []manifest.Error) {
	var reports []*vuln.Report
	var errs []manifest.Error
	for r := range set.Resources {
		if !vuln.IsReport(r.APIVersion, r.Kind) {
			continue
		}
		report, err := vuln.FromResource(r)
		if err != nil {
			errs = append(errs, errorAt(r.Position(nil), err))
			continue
		}
		reports = append(reports, report)
	}
	return append(reports, o.Reports...), errs
}

// byPosition orders findings as a person reads: by file, line and column.
func byPosition(a, b *Finding) int {
	if c := cmp.Or(cmp.Compare(a.Position.File, b.Position.File), cmp.Compare(a.Position.Line, b.Position.Line),
		cmp.Compare(a.Position.Column, b.Position.Column), cmp.Compare(a.Policy.Name, b.Policy.Name)); c != 0 {
		return c
	}
	return cmp.Compare(a.Field.String(), b.Field.String())
}

// distinguish numbers findings that would share a fingerprint: the same
// resource written twice in one file.
func distinguish(findings []*Finding) {
	seen := map[string]int{}
	for _, f := range findings {
		seen[f.Fingerprint]++
		if n := seen[f.Fingerprint]; n > 1 {
			f.Fingerprint = fmt.Sprintf("%s-%d", f.Fingerprint, n)
		}
	}
}
