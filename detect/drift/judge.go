package drift

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
)

// Judge says what each drift does to security: it evaluates the policies over
// the cluster as it is and as it would be with Git's values, and finds out
// which drift, and which of its differences, makes a finding come or go.
// Differences that are in doubt and do not weaken anything are taken out of
// the result.
func Judge(result *Result, live *manifest.Set, o detect.Options) {
	j := judge{options: o, live: live, files: map[*manifest.File]*manifest.File{}}
	for _, d := range result.Drifts {
		j.revert(d)
	}
	is, was := j.scan(j.is(result.Drifts), nil), j.scan(j.was(), nil)
	came, gone := is.without(was), was.without(is)
	for i, d := range result.Drifts {
		if i == maxAlone {
			break // that much did not happen by itself: its objects bear the findings
		}
		j.attribute(d, came, gone)
	}
	j.rest(result.Drifts, came, func(d *Drift) *[]*detect.Finding { return &d.Weakens })
	there := slices.DeleteFunc(slices.Clone(result.Drifts), (*Drift).Missing)
	j.rest(there, gone, func(d *Drift) *[]*detect.Finding { return &d.Strengthens })
	for _, d := range result.Drifts {
		d.conclude()
	}
	result.Drifts = slices.DeleteFunc(result.Drifts, func(d *Drift) bool { return len(d.Differences) == 0 })
}

// maxAlone bounds for how many drifts the policies are evaluated over the
// cluster with that one alone.
const maxAlone = 200

type judge struct {
	options detect.Options
	live    *manifest.Set
	files   map[*manifest.File]*manifest.File // of drifted objects, live -> as they would be
	absent  []*manifest.File                  // what the cluster does not have
}

// exemption begins the annotations by which an object is exempted: those that
// Git does not have exempt nothing here.
const exemption = "oakum.dev/exempt"

// revert makes the object as it would be with Git's values.
func (j *judge) revert(d *Drift) {
	if d.Missing() {
		v, _ := clone(d.Desired.Value).(map[string]any)
		if d.Namespace != "" {
			with(v, manifest.Path{{Key: "metadata"}, {Key: "namespace"}}, d.Namespace)
		}
		d.Reverted = manifest.FromObject("git:"+d.ID(), v, j.options.Workloads...)
		j.absent = append(j.absent, d.Reverted.File)
		return
	}
	d.Reverted = j.object(d, func(Difference) bool { return false })
	j.files[d.Live.File] = d.Reverted.File
}

// object is the object of a drift with some of its differences.
func (j *judge) object(d *Drift, keep func(Difference) bool) *manifest.Resource {
	v := clone(d.Live.Value)
	for _, x := range d.Differences {
		if !keep(x) || exempts(x) {
			v = with(v, x.Path, clone(x.Git))
		}
	}
	m, _ := v.(map[string]any)
	r := manifest.FromObject(d.Live.File.Path, m, j.options.Workloads...)
	r.Partial = d.Live.Partial
	return r
}

// is is the cluster as it is, but for exemptions that Git does not have.
func (j *judge) is(drifts []*Drift) *manifest.Set {
	exempted := map[*manifest.File]*manifest.File{}
	for _, d := range drifts {
		if !d.Missing() {
			exempted[d.Live.File] = j.now(d)
		}
	}
	out := &manifest.Set{}
	for _, f := range j.live.Files {
		if now := exempted[f]; now != nil {
			f = now
		}
		out.Files = append(out.Files, f)
	}
	return out
}

// now is the file of a drifted object as it is; nil where there is none.
func (j *judge) now(d *Drift) *manifest.File {
	if d.Missing() {
		return nil
	}
	if slices.ContainsFunc(d.Differences, exempts) {
		return j.object(d, func(Difference) bool { return true }).File
	}
	return d.Live.File
}

func exempts(x Difference) bool {
	return len(x.Path) > 0 && strings.HasPrefix(x.Path[len(x.Path)-1].Key, exemption)
}

// was is the cluster as it would be.
func (j *judge) was() *manifest.Set { return j.world(nil, nil) }

// world is the cluster as it would be but for one drift, which is as in file;
// nil where the object is not there.
func (j *judge) world(but *Drift, file *manifest.File) *manifest.Set {
	out := &manifest.Set{}
	for _, f := range j.live.Files {
		if but != nil && !but.Missing() && f == but.Live.File {
			f = file
		} else if reverted := j.files[f]; reverted != nil {
			f = reverted
		}
		out.Files = append(out.Files, f)
	}
	for _, f := range j.absent {
		if but == nil || f != but.Reverted.File {
			out.Files = append(out.Files, f)
		}
	}
	return out
}

// found is what a scan finds, by what makes findings the same one.
type found struct {
	findings map[saying]*detect.Finding
	exempted map[saying]bool
}

type saying struct{ policy, group, kind, namespace, name, container, field string }

func sayingOf(f *detect.Finding) saying {
	if f.Field.String() == "metadata.namespace" { // about the namespace: one of its resources bears it
		return saying{policy: f.Policy.Name, namespace: f.Resource.Namespace, field: f.Message}
	}
	r := f.Resource
	return saying{f.Policy.Name, r.Group(), r.Kind, r.Namespace, r.Name, f.Container, f.Field.String()}
}

// scan judges some files of a set; nil means all.
func (j *judge) scan(set *manifest.Set, files map[string]bool) found {
	var result detect.Result
	if files == nil {
		result = detect.Scan(set, j.options)
	} else {
		result = detect.ScanFiles(set, j.options, files)
	}
	out := found{map[saying]*detect.Finding{}, map[saying]bool{}}
	for _, f := range result.Findings {
		out.findings[sayingOf(f)] = f
	}
	for _, f := range result.Exempted {
		out.exempted[sayingOf(f)] = true
	}
	return out
}

// without are the findings that another scan does not have, or not as bad.
func (f found) without(other found) map[saying]*detect.Finding {
	out := map[saying]*detect.Finding{}
	for s, finding := range f.findings {
		if b := other.findings[s]; !other.exempted[s] && (b == nil || b.Severity != finding.Severity && finding.Severity.AtLeast(b.Severity)) {
			out[s] = finding
		}
	}
	return out
}

// attribute finds out which findings one drift alone makes come and go, and
// which difference of it.
func (j *judge) attribute(d *Drift, came, gone map[saying]*detect.Finding) {
	files := map[string]bool{}
	for _, changed := range []map[saying]*detect.Finding{came, gone} {
		for _, f := range changed {
			if concerns(d, f) {
				files[f.Resource.File.Path] = true
			}
		}
	}
	if len(files) == 0 {
		return
	}
	alone := j.scan(j.world(d, j.now(d)), files)
	for s, f := range came {
		if alone.findings[s] != nil && concerns(d, f) {
			d.Weakens = append(d.Weakens, f)
		}
	}
	for s, f := range gone {
		if alone.findings[s] == nil && !alone.exempted[s] && concerns(d, f) && !d.Missing() { // what an absent object does not do is no hardening
			d.Strengthens = append(d.Strengthens, f)
		}
	}
	if len(d.Differences) == 1 || len(d.Weakens)+len(d.Strengthens) == 0 {
		return
	}
	for i := range d.Differences {
		x := &d.Differences[i]
		only := j.scan(j.world(d, j.object(d, func(y Difference) bool { return y.Path.String() == x.Path.String() }).File), files)
		for _, f := range d.Weakens {
			if only.findings[sayingOf(f)] != nil {
				x.Weakens = append(x.Weakens, f)
			}
		}
		for _, f := range d.Strengthens {
			if only.findings[sayingOf(f)] == nil {
				x.Strengths = append(x.Strengths, f)
			}
		}
	}
}

// concerns tells whether a drift may have to do with a finding: policies look
// at what is in the same namespace, and at what has none.
func concerns(d *Drift, f *detect.Finding) bool {
	return d.Namespace == "" || f.Resource.Namespace == "" || d.Namespace == f.Resource.Namespace
}

// rest gives findings that no drift makes alone to the one of their object or,
// where that did not drift, to all that may have to do with them.
func (j *judge) rest(drifts []*Drift, changed map[saying]*detect.Finding, list func(*Drift) *[]*detect.Finding) {
	known := map[*detect.Finding]bool{}
	for _, d := range drifts {
		for _, f := range *list(d) {
			known[f] = true
		}
	}
	for _, f := range changed {
		if known[f] {
			continue
		}
		own := slices.IndexFunc(drifts, func(d *Drift) bool { return d.Reverted != nil && d.Reverted.File.Path == f.Resource.File.Path })
		for i, d := range drifts {
			if i == own && !d.Missing() || own < 0 && concerns(d, f) {
				*list(d) = append(*list(d), f)
			}
		}
	}
}

// conclude turns findings into effects, of the differences and of the whole.
func (d *Drift) conclude() {
	for _, l := range []*[]*detect.Finding{&d.Weakens, &d.Strengthens} {
		slices.SortFunc(*l, worstFirst)
	}
	claimed := false
	for i := range d.Differences {
		x := &d.Differences[i]
		if len(d.Differences) == 1 {
			x.Weakens, x.Strengths = d.Weakens, d.Strengthens
		}
		x.Effect = effect(x.Weakens, x.Strengths)
		claimed = claimed || x.Effect != Neither
	}
	d.Effect = effect(d.Weakens, d.Strengthens)
	if d.Effect != Neither && !claimed { // only together
		for i := range d.Differences {
			d.Differences[i].Effect = d.Effect
		}
	}
	d.Differences = slices.DeleteFunc(d.Differences, func(x Difference) bool { return x.doubtful && x.Effect != Weakens })
	if !slices.ContainsFunc(d.Differences, func(x Difference) bool { return x.Effect == Strengthens }) && d.Effect == Strengthens {
		d.Effect, d.Strengthens = Neither, nil // what strengthened was in doubt
	}
}

func effect(weakens, strengthens []*detect.Finding) Effect {
	switch {
	case len(weakens) > 0:
		return Weakens
	case len(strengthens) > 0:
		return Strengthens
	}
	return Neither
}

// worstFirst orders findings by severity, then by policy and place.
func worstFirst(a, b *detect.Finding) int {
	switch {
	case a.Severity != b.Severity && a.Severity.AtLeast(b.Severity):
		return -1
	case a.Severity != b.Severity:
		return 1
	}
	return strings.Compare(a.Policy.Name+" "+a.Resource.ID()+" "+a.Field.String(), b.Policy.Name+" "+b.Resource.ID()+" "+b.Field.String())
}
