package remediate

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
)

// alone is what those policies say that look at nothing but the resource that
// they judge. It stays as long as the file does, whatever becomes of others.
type alone struct {
	policies []*policy.Policy // of the selected ones
	others   []*policy.Policy
	judged   map[*policy.Policy]int
	files    map[string]*verdict // by path
}

// verdict is what they say of a file. The findings are never changed: every
// project has copies.
type verdict struct {
	of             *manifest.File
	left, exempted []*detect.Finding
	unevaluated    []detect.Unevaluated
}

// rejudge is Judge for a tree of which another state was judged in the same way,
// with the same files where they are the same: policies that look at the whole
// tree judge all of it, the others what has changed.
func (p *Project) rejudge(judging detect.Options) detect.Result {
	before := p.Settings.Before
	p.Settings.Before = nil // or every project would keep all before it
	if before == nil || !before.judgedAs(p) {
		before = &Project{Set: &manifest.Set{}}
		before.alone.policies, before.alone.others = byReach(p.Settings.Selected)
	}
	was := before.alone
	p.alone = alone{policies: was.policies, others: was.others, judged: maps.Clone(was.judged), files: map[string]*verdict{}}
	is := &p.alone
	if is.judged == nil {
		is.judged = map[*policy.Policy]int{}
	}
	changed := map[string]bool{}
	for _, f := range p.Set.Files {
		if v := was.files[f.Path]; v != nil && v.of == f {
			is.files[f.Path] = v
			continue
		}
		is.files[f.Path] = &verdict{of: f}
		changed[f.Path] = true
	}
	gone := map[string]bool{}
	for path := range was.files {
		if is.files[path] == nil || changed[path] {
			gone[path] = true
		}
	}

	judging.Policies = is.policies
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
	judging.Policies = is.others
	return is.with(detect.Scan(p.Set, judging))
}

// judgedAs says whether another project is judged in the same way.
func (p *Project) judgedAs(other *Project) bool {
	a, b := p.Settings, other.Settings
	return p.alone.files != nil && slices.Equal(a.Selected, b.Selected) && a.Kubernetes == b.Kubernetes && a.Least == b.Least &&
		a.Today.Format(time.DateOnly) == b.Today.Format(time.DateOnly)
}

// policyContext is all that policies may ask which look at nothing else. What is
// kept holds no tree.
func (p *Project) policyContext() policy.Context {
	c := policy.Context{Kubernetes: cmp.Or(p.Settings.Kubernetes, detect.LatestKubernetes)}
	if !p.Settings.Today.IsZero() {
		c.Today = p.Settings.Today.Format(time.DateOnly)
	}
	return c
}

// take notes what was said of files.
func (a *alone) take(r detect.Result, ctx policy.Context) {
	for policy, n := range r.Judged {
		a.judged[policy] += n
	}
	for _, f := range r.Findings {
		f.Violation.Later(ctx)
		v := a.files[f.Resource.File.Path]
		v.left = append(v.left, f)
	}
	for _, f := range r.Exempted {
		f.Violation.Later(ctx)
		v := a.files[f.Resource.File.Path]
		v.exempted = append(v.exempted, f)
	}
	for _, u := range r.NotEvaluated {
		v := a.files[u.Resource.File.Path]
		v.unevaluated = append(v.unevaluated, u)
	}
}

// with adds what was said of all files to what other policies say.
func (a *alone) with(r detect.Result) detect.Result {
	for policy, n := range a.judged {
		r.Judged[policy] = n
	}
	for _, path := range slices.Sorted(maps.Keys(a.files)) {
		v := a.files[path]
		r.Findings = append(r.Findings, detect.Copied(v.left)...)
		r.Exempted = append(r.Exempted, detect.Copied(v.exempted)...)
		r.NotEvaluated = append(r.NotEvaluated, v.unevaluated...)
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

// byReach divides policies into those that look at nothing but the resource that
// they judge, and others.
func byReach(all []*policy.Policy) (alone, others []*policy.Policy) {
	for _, p := range all {
		if looksAround(p) {
			others = append(others, p)
		} else {
			alone = append(alone, p)
		}
	}
	return alone, others
}

// beyond are the names by which expressions reach beyond the resource.
var beyond = regexp.MustCompile(`\b(serviceAccount|bindings|exposure|vulnerabilities)\b`)

// looksAround says whether a policy may look beyond the resource that it
// judges. Any text of it that has one of the names counts.
func looksAround(p *policy.Policy) bool {
	if p.Unjudged != "" || p.Analyzer != "" || p.Language != "" || len(p.Related) > 0 || p.Vulnerabilities != "" {
		return true
	}
	text, err := json.Marshal(p) // whose names are those of Go
	return err != nil || beyond.Match(text)
}
