package detect

import (
	"fmt"
	"maps"
	"slices"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// Monitor keeps what Scan says of a set of live objects while these change: a
// change judges again just what depends on it. A Monitor, and what its findings
// say of their repair, is for one goroutine at a time.
type Monitor struct {
	options  Options
	around   *surroundings
	context  policy.Context
	policies *byKind
	foreign  []*policy.Policy // that may look up resources by themselves

	objects map[string]*object // by identity
	sites   map[string]*site   // by path: nearly always one object
	asked   *dependencies
	judged  map[*policy.Policy]int
	parts   map[*policy.Policy]map[string]*part // of policies that call on an analyzer
	lists   map[judgedKind][]*policy.Policy     // who judged objects of a kind, as most have it
}

// object is a resource and what was said of it.
type object struct {
	*manifest.Resource
	judgedBy   []*policy.Policy
	cells      []*cell // in the order of their policies
	analyzed   []*cell
	exemptions []*Exemption
	errs       []manifest.Error // of exemptions
	report     *vuln.Report
	noReport   error // why a report of a scanner makes no sense
}

// cell is what one policy says of one object. One that found nothing and asked
// nothing is not kept: it stays so until the object changes.
type cell struct {
	of       *object
	policy   *policy.Policy
	findings []*Finding
	prints   []string // the fingerprints of the findings, before they are told apart
	err      error
	asked    []question
}

// site is a path, and what is told of the objects that have it.
type site struct {
	objects                  []*object // in order
	left, exempted, provided []*Finding
}

// part is a part of the set that an analyzer judges at once.
type part struct {
	members map[string]*object
	cells   []*cell
}

// Delta is how a result became another.
type Delta struct {
	Appeared []*Finding // by position, as in a Result
	Gone     []*Finding // as they were
	Changed  []*Finding // told in other words, or of another severity, than before
}

// Empty tells whether nothing changed.
func (d Delta) Empty() bool { return len(d.Appeared)+len(d.Gone)+len(d.Changed) == 0 }

// NewMonitor judges the objects of a set, each in a file of its own.
func NewMonitor(set *manifest.Set, o Options) *Monitor {
	m := &Monitor{}
	m.reset(set, o)
	return m
}

// Reset judges a set anew, in another way: on another day, for another version
// of Kubernetes, or of another provider.
func (m *Monitor) Reset(set *manifest.Set, o Options) Delta {
	before := m.sites
	m.reset(set, o)
	var d Delta
	for path := range m.sites {
		if before[path] == nil {
			before[path] = &site{}
		}
	}
	for path, was := range before {
		is := m.sites[path]
		if is == nil {
			is = &site{}
		}
		d.add(was.left, is.left)
	}
	d.sort()
	return d
}

func (m *Monitor) reset(set *manifest.Set, o Options) {
	*m = Monitor{
		options: o, around: newSurroundings(true), objects: map[string]*object{}, sites: map[string]*site{}, asked: newDependencies(),
		judged: map[*policy.Policy]int{}, parts: map[*policy.Policy]map[string]*part{}, lists: map[judgedKind][]*policy.Policy{},
	}
	m.around.scans = vuln.NewIndex(o.Reports)
	m.policies = &byKind{options: o, context: m.around.context(o, nil), known: map[judgedKind][]*policy.Policy{}}
	for _, p := range o.Policies {
		if p.Analyzer != "" {
			m.parts[p] = map[string]*part{}
		}
		if p.Language != "" {
			m.foreign = append(m.foreign, p)
		}
	}
	changes := make([]manifest.Change, 0, len(set.Files))
	for r := range set.Resources {
		changes = append(changes, manifest.Change{New: r})
	}
	m.Apply(changes)
}

// Set has the objects as they are, in order.
func (m *Monitor) Set() *manifest.Set {
	set := &manifest.Set{}
	for r := range m.around.all {
		set.Files = append(set.Files, r.File)
	}
	return set
}

// Result is what Scan says of the objects as they are.
func (m *Monitor) Result() Result {
	out := Result{Judged: maps.Clone(m.judged)}
	var provided []*Finding
	for _, path := range slices.Sorted(maps.Keys(m.sites)) {
		s := m.sites[path]
		out.Findings = append(out.Findings, s.left...)
		out.Exempted = append(out.Exempted, s.exempted...)
		provided = append(provided, s.provided...)
	}
	out.Exempted = append(out.Exempted, provided...)
	var reports []manifest.Error
	for r := range m.around.all {
		o := m.objects[orderOf(r)]
		for _, c := range o.cells {
			if c.err != nil {
				out.NotEvaluated = append(out.NotEvaluated, Unevaluated{c.policy, r, c.err})
			}
		}
		out.Exemptions = append(out.Exemptions, o.exemptions...)
		out.Errors = append(out.Errors, o.errs...)
		if o.noReport != nil {
			reports = append(reports, errorAt(r.Position(nil), o.noReport))
		}
	}
	out.Exemptions = append(out.Exemptions, m.options.Exemptions...)
	out.Errors = append(out.Errors, reports...)
	for _, p := range m.options.Policies {
		if p.Unjudged != "" {
			out.NotEvaluated = append(out.NotEvaluated, unjudged(p))
		}
		for _, name := range slices.Sorted(maps.Keys(m.parts[p])) {
			for _, c := range m.parts[p][name].cells {
				if c.err != nil {
					out.NotEvaluated = append(out.NotEvaluated, Unevaluated{p, c.of.Resource, c.err})
				}
			}
		}
	}
	return out
}

// unjudged is a policy that judges nothing at all.
func unjudged(p *policy.Policy) Unevaluated {
	return Unevaluated{Policy: p, Err: fmt.Errorf("policy %s: %s", p.Name, p.Unjudged)}
}

// add notes what became of the findings of one path.
func (d *Delta) add(was, is []*Finding) {
	before := make(map[string]*Finding, len(was))
	for _, f := range was {
		before[f.Fingerprint] = f
	}
	for _, f := range is {
		switch old := before[f.Fingerprint]; {
		case old == nil:
			d.Appeared = append(d.Appeared, f)
		case !old.says(f):
			d.Changed = append(d.Changed, f)
		}
		delete(before, f.Fingerprint)
	}
	for _, f := range was {
		if before[f.Fingerprint] != nil {
			d.Gone = append(d.Gone, f)
		}
	}
}

// says tells whether two findings of one fingerprint tell a reader the same.
func (f *Finding) says(other *Finding) bool {
	return f.Message == other.Message && f.Severity == other.Severity && f.Container == other.Container &&
		f.Field.String() == other.Field.String() && (f.Exemption == nil) == (other.Exemption == nil)
}

func (d *Delta) sort() {
	for _, list := range [][]*Finding{d.Appeared, d.Gone, d.Changed} {
		slices.SortStableFunc(list, byPosition)
	}
}
