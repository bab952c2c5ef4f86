package remediate

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// kept is what policies said of a tree that look at nothing but the resource
// that they judge and resources of certain kinds. It stays as long as the file
// and all resources of those kinds do.
type kept struct {
	groups []group
	others []*policy.Policy          // of the selected ones, which may look at anything
	files  map[string]*manifest.File // that were judged, by path
	group  map[*policy.Policy]int    // which of the groups a policy is in
	judged map[*policy.Policy]int    // by those of the groups
}

// group are policies that look at resources of the same kinds beside the one
// that they judge, and what they say of each file, by path. The findings are
// never changed: every project has copies.
type group struct {
	policies []*policy.Policy
	kinds    []string
	verdicts map[string]verdict
}

// verdict is what a group says of a file.
type verdict struct {
	left, exempted []*detect.Finding
	unevaluated    []detect.Unevaluated
}

// rejudge is Judge for a tree of which another state was judged in the same way,
// with the same files where they are the same: what has changed is judged, and
// everything by those policies that look at resources of a kind that changed.
func (p *Project) rejudge(judging detect.Options) detect.Result {
	before := p.Settings.Before
	p.Settings.Before = nil // or every project would keep all before it
	if before == nil || !before.judgedAs(p) {
		before = &Project{Set: &manifest.Set{}, kept: byReach(p.Settings.Selected)}
	}
	was := before.kept
	p.kept = kept{groups: slices.Clone(was.groups), others: was.others, group: was.group, judged: maps.Clone(was.judged), files: map[string]*manifest.File{}}
	is := &p.kept
	changed, gone := map[string]bool{}, map[string]bool{}
	var moved []*manifest.File
	for _, f := range p.Set.Files {
		is.files[f.Path] = f
		if was.files[f.Path] != f {
			changed[f.Path] = true
			moved = append(moved, f)
		}
	}
	for path, f := range was.files {
		if is.files[path] != f {
			gone[path] = true
			moved = append(moved, f)
		}
	}

	again := slices.Clone(is.others)
	var alike []*policy.Policy
	for i := range is.groups {
		g := &is.groups[i]
		if g.looksAt(moved) {
			again, g.verdicts = append(again, g.policies...), map[string]verdict{}
			for _, policy := range g.policies {
				delete(is.judged, policy)
			}
			continue
		}
		alike, g.verdicts = append(alike, g.policies...), maps.Clone(g.verdicts)
		for path := range gone {
			delete(g.verdicts, path)
		}
	}
	judging.Policies = alike
	if len(gone) > 0 {
		for policy, n := range detect.ScanFiles(before.Set, judging, gone).Judged {
			if is.judged[policy] -= n; is.judged[policy] == 0 {
				delete(is.judged, policy)
			}
		}
	}
	if len(changed) > 0 {
		is.take(detect.ScanFiles(p.Set, judging, changed), p.policyContext())
	}
	judging.Policies = again
	rest := is.take(detect.Scan(p.Set, judging), p.policyContext())
	return is.with(rest, judging.Context(p.Set))
}

// looksAt tells whether one of the resources of files is of the kinds at which
// the group looks.
func (g *group) looksAt(files []*manifest.File) bool {
	return slices.ContainsFunc(files, func(f *manifest.File) bool {
		return slices.ContainsFunc(f.Resources, func(r *manifest.Resource) bool { return policy.IsKind(g.kinds, r.APIVersion, r.Kind) })
	})
}

// judgedAs says whether another project is judged in the same way.
func (p *Project) judgedAs(other *Project) bool {
	a, b := p.Settings, other.Settings
	return p.kept.files != nil && slices.Equal(a.Selected, b.Selected) && a.Kubernetes == b.Kubernetes && a.Least == b.Least &&
		a.Today.Format(time.DateOnly) == b.Today.Format(time.DateOnly)
}

// policyContext is all that kept findings may ask. It holds no tree.
func (p *Project) policyContext() policy.Context {
	c := policy.Context{Kubernetes: cmp.Or(p.Settings.Kubernetes, detect.LatestKubernetes)}
	if !p.Settings.Today.IsZero() {
		c.Today = p.Settings.Today.Format(time.DateOnly)
	}
	return c
}

// take notes what the policies of the groups said, and gives back what others did.
func (k *kept) take(r detect.Result, ctx policy.Context) detect.Result {
	rest := r
	rest.Findings, rest.Exempted, rest.NotEvaluated, rest.Judged = nil, nil, nil, map[*policy.Policy]int{}
	for policy, n := range r.Judged {
		if _, ok := k.group[policy]; ok {
			k.judged[policy] += n
		} else {
			rest.Judged[policy] = n
		}
	}
	note := func(policy *policy.Policy, of *manifest.Resource, add func(*verdict)) bool {
		i, ok := k.group[policy]
		if ok {
			v := k.groups[i].verdicts[of.File.Path]
			add(&v)
			k.groups[i].verdicts[of.File.Path] = v
		}
		return ok
	}
	for _, f := range r.Findings {
		if note(f.Policy, f.Resource, func(v *verdict) { v.left = append(v.left, f) }) {
			f.Violation.Later(ctx)
		} else {
			rest.Findings = append(rest.Findings, f)
		}
	}
	for _, f := range r.Exempted {
		if note(f.Policy, f.Resource, func(v *verdict) { v.exempted = append(v.exempted, f) }) {
			f.Violation.Later(ctx)
		} else {
			rest.Exempted = append(rest.Exempted, f)
		}
	}
	for _, u := range r.NotEvaluated {
		if u.Resource == nil || !note(u.Policy, u.Resource, func(v *verdict) { v.unevaluated = append(v.unevaluated, u) }) {
			rest.NotEvaluated = append(rest.NotEvaluated, u)
		}
	}
	return rest
}

// with adds what the groups say of all files to what other policies say. What
// is asked later is asked in the context.
func (k *kept) with(r detect.Result, ctx policy.Context) detect.Result {
	maps.Copy(r.Judged, k.judged)
	now := func(findings []*detect.Finding) []*detect.Finding {
		copies := detect.Copied(findings)
		for _, f := range copies {
			f.Violation.Later(ctx)
		}
		return copies
	}
	for _, g := range k.groups {
		for _, path := range slices.Sorted(maps.Keys(g.verdicts)) {
			v := g.verdicts[path]
			r.Findings = append(r.Findings, now(v.left)...)
			r.Exempted = append(r.Exempted, now(v.exempted)...)
			r.NotEvaluated = append(r.NotEvaluated, v.unevaluated...)
		}
	}
	slices.SortStableFunc(r.Findings, byPlace)
	slices.SortStableFunc(r.Exempted, byPlace)
	return r
}

// byPlace is the order in which a scan has findings.
func byPlace(a, b *detect.Finding) int {
	if c := cmp.Or(cmp.Compare(a.Position.File, b.Position.File), cmp.Compare(a.Position.Line, b.Position.Line),
		cmp.Compare(a.Position.Column, b.Position.Column), cmp.Compare(a.Policy.Name, b.Policy.Name)); c != 0 {
		return c
	}
	return cmp.Compare(a.Field.String(), b.Field.String())
}

// byReach divides policies by what they look at beside the resource that they
// judge.
func byReach(all []*policy.Policy) kept {
	k := kept{group: map[*policy.Policy]int{}, judged: map[*policy.Policy]int{}}
	known := map[string]int{}
	for _, p := range all {
		kinds, ok := looksAround(p)
		if !ok {
			k.others = append(k.others, p)
			continue
		}
		slices.Sort(kinds)
		kinds = slices.Compact(kinds)
		name := strings.Join(kinds, " ")
		i, ok := known[name]
		if !ok {
			i = len(k.groups)
			known[name] = i
			k.groups = append(k.groups, group{kinds: kinds, verdicts: map[string]verdict{}})
		}
		k.groups[i].policies = append(k.groups[i].policies, p)
		k.group[p] = i
	}
	return k
}

// beyond are the names by which expressions reach beyond the resource.
var beyond = regexp.MustCompile(`\b(serviceAccount|bindings|exposure|vulnerabilities)\b`)

// looksAround gives the kinds of the resources that a policy looks at beyond the
// one that it judges; not ok if it may look at anything. Any text of it that has
// one of the names counts.
func looksAround(p *policy.Policy) (kinds []string, ok bool) {
	if p.Unjudged != "" || p.Analyzer != "" || p.Language != "" || p.Vulnerabilities != "" {
		return nil, false
	}
	text, err := json.Marshal(p) // whose names are those of Go
	if err != nil {
		return nil, false
	}
	for _, r := range p.Related {
		kinds = append(kinds, r.Kinds...)
	}
	for _, name := range beyond.FindAllString(string(text), -1) {
		switch name {
		case "serviceAccount":
			kinds = append(kinds, "ServiceAccount")
		case "bindings":
			kinds = append(kinds, "rbac.authorization.k8s.io/RoleBinding", "rbac.authorization.k8s.io/ClusterRoleBinding")
		default:
			return nil, false
		}
	}
	return kinds, true
}
