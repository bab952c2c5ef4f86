package detect

import (
	"cmp"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/vuln"
)

// application is the work of taking some changes.
type application struct {
	*Monitor
	fresh   []*object                // not judged yet
	again   map[*cell]struct{}       // to be judged again
	all     map[*policy.Policy]bool  // to judge everything again
	sites   map[string]bool          // paths whose findings may be others
	parts   map[*part]*policy.Policy // to be analyzed again
	reports bool                     // of image scanners are others
}

// Apply takes changes and says what they mean for the findings.
func (m *Monitor) Apply(changes []manifest.Change) Delta {
	a := &application{
		Monitor: m, again: map[*cell]struct{}{}, all: map[*policy.Policy]bool{}, sites: map[string]bool{}, parts: map[*part]*policy.Policy{},
	}
	for _, c := range changes {
		a.change(c)
	}
	m.context = m.around.context(m.options, nil)
	m.context.Tree = a // whoever gathered something of the tree does it again
	if a.reports {
		a.index()
	}
	a.judge()
	for p, policy := range a.parts {
		a.analyze(policy, p)
	}
	return a.settle()
}

func (a *application) change(c manifest.Change) {
	r := cmp.Or(c.New, c.Old)
	id := orderOf(r)
	was := a.objects[id]
	if was == nil && c.New == nil || was != nil && c.New != nil && was.Partial == c.New.Partial && reflect.DeepEqual(was.Value, c.New.Value) {
		return
	}
	var old *manifest.Resource
	if was != nil {
		old = was.Resource
		a.concern(old)
		a.forget(id, was)
	}
	if c.New != nil {
		a.concern(c.New)
	}
	a.around.replace(old, c.New)
	if c.New != nil {
		a.meet(id, &object{Resource: c.New})
	}
}

// concern finds what is to be judged again when a resource comes, goes or changes.
func (a *application) concern(r *manifest.Resource) {
	a.around.concerned(r, a.asked, func(q question) {
		for c := range a.asked[q.about][q] {
			a.again[c] = struct{}{}
		}
	})
	for _, p := range a.foreign {
		if p.LooksUp(r.APIVersion, r.Kind) {
			a.all[p] = true
		}
	}
	if vuln.IsReport(r.APIVersion, r.Kind) {
		a.reports = true
	}
}

// meet takes in an object that is new, or is another than before.
func (a *application) meet(id string, o *object) {
	a.objects[id] = o
	a.fresh = append(a.fresh, o)
	path := o.File.Path
	s := a.Monitor.sites[path]
	if s == nil {
		s = &site{}
		a.Monitor.sites[path] = s
	}
	i, _ := slices.BinarySearchFunc(s.objects, o, func(a, b *object) int { return manifest.CompareObjects(a.Resource, b.Resource) })
	s.objects = slices.Insert(s.objects, i, o)
	a.sites[path] = true
	for p, parts := range a.Monitor.parts {
		name, looked := analyzers[p.Analyzer].part(o.Resource)
		if !looked {
			continue
		}
		if parts[name] == nil {
			parts[name] = &part{members: map[string]*object{}}
		}
		parts[name].members[id] = o
		a.reanalyze(p, name)
	}
	if vuln.IsReport(o.APIVersion, o.Kind) {
		o.report, o.noReport = vuln.FromResource(o.Resource)
	}
}

// forget drops an object and what was said of it.
func (a *application) forget(id string, o *object) {
	delete(a.objects, id)
	for _, c := range o.cells {
		a.asked.remove(c)
		delete(a.again, c)
	}
	for _, p := range o.judgedBy {
		if a.judged[p]--; a.judged[p] == 0 {
			delete(a.judged, p)
		}
	}
	path := o.File.Path
	s := a.Monitor.sites[path]
	s.objects = slices.DeleteFunc(s.objects, func(other *object) bool { return other == o })
	a.sites[path] = true
	for p, parts := range a.Monitor.parts {
		if name, looked := analyzers[p.Analyzer].part(o.Resource); looked {
			delete(parts[name].members, id)
			a.reanalyze(p, name)
		}
	}
}

func (a *application) reanalyze(p *policy.Policy, name string) {
	for n, part := range a.Monitor.parts[p] {
		if n != everywhere && (n == name || name == everywhere) {
			a.parts[part] = p
		}
	}
}

// index sorts the reports of scanners anew, and finds whom another one concerns.
func (a *application) index() {
	before := a.around.scans
	var reports []*vuln.Report
	for r := range a.around.of(func(k kindOf) bool { return vuln.IsReport(k.apiVersion, k.kind) }) {
		if report := a.objects[orderOf(r)].report; report != nil {
			reports = append(reports, report)
		}
	}
	a.around.scans = vuln.NewIndex(append(reports, a.options.Reports...))
	for q, cells := range a.asked[reportOn] {
		if before.Of(q.a) != a.around.scans.Of(q.a) {
			for c := range cells {
				a.again[c] = struct{}{}
			}
		}
	}
}

// atOnce is how many judgments are worth a goroutine.
const atOnce = 32

// judge judges what is new, and again what depends on what changed.
func (a *application) judge() {
	fresh := slices.DeleteFunc(a.fresh, func(o *object) bool { return a.objects[orderOf(o.Resource)] != o }) // it changed again since
	a.everything()
	again := make([]*cell, 0, len(a.again))
	for c := range a.again {
		a.asked.remove(c)
		again = append(again, c)
	}
	a.share(len(fresh), func(l *listener, i int) { a.judgeAll(fresh[i], l) })
	a.share(len(again), func(l *listener, i int) { a.judgeCell(again[i], l) })
	for _, c := range again {
		a.keep(c)
	}
	for _, o := range fresh {
		for _, c := range o.cells {
			a.asked.add(c)
		}
		for _, p := range o.judgedBy {
			a.judged[p]++
		}
		o.judgedBy = a.same(o)
	}
}

// everything adds all judgments by policies that look up what changed.
func (a *application) everything() {
	if len(a.all) == 0 {
		return
	}
	for _, o := range a.objects {
		for _, p := range o.judgedBy {
			if !a.all[p] {
				continue
			}
			i := slices.IndexFunc(o.cells, func(c *cell) bool { return c.policy == p })
			if i < 0 {
				i = len(o.cells)
				o.cells = append(o.cells, &cell{of: o, policy: p})
			}
			a.again[o.cells[i]] = struct{}{}
		}
	}
}

// same is the list of who judged an object, shared with others of its kind.
func (a *application) same(o *object) []*policy.Policy {
	_, pods := o.MakesPods()
	kind := judgedKind{o.APIVersion, o.Kind, pods}
	known, ok := a.lists[kind]
	if !ok {
		a.lists[kind] = o.judgedBy
	} else if slices.Equal(known, o.judgedBy) {
		return known
	}
	return o.judgedBy
}

// listener is a context and what it was asked since the last judgment.
type listener struct {
	context policy.Context
	asked   map[question]struct{}
}

func (a *application) listener() *listener {
	l := &listener{asked: map[question]struct{}{}}
	l.context = a.around.context(a.options, func(q question) { l.asked[q] = struct{}{} })
	l.context.Tree = a.context.Tree
	return l
}

// share does n judgments, by several goroutines where there are many.
func (a *application) share(n int, judge func(l *listener, i int)) {
	if n < atOnce {
		if n > 0 {
			l := a.listener()
			for i := range n {
				judge(l, i)
			}
		}
		return
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 8) {
		l := a.listener()
		wg.Go(func() {
			for i := range next {
				judge(l, i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// judgeAll judges an object by every policy.
func (a *application) judgeAll(o *object, l *listener) {
	read := exemptionReader{known: a.options.known()}
	annotated(o.Resource, read.add)
	o.exemptions, o.errs = read.exemptions, read.errs
	for _, p := range a.policies.of(o.Resource) {
		if !p.Judges(o.Resource, l.context) {
			continue
		}
		o.judgedBy = append(o.judgedBy, p)
		c := &cell{of: o, policy: p}
		if a.judgeCell(c, l); c.says() {
			o.cells = append(o.cells, c)
		}
	}
	for p := range a.Monitor.parts {
		if p.Judges(o.Resource, l.context) {
			o.judgedBy = append(o.judgedBy, p)
		}
	}
}

// says tells whether there is something to remember of a judgment.
func (c *cell) says() bool { return len(c.findings) > 0 || len(c.asked) > 0 || c.err != nil }

func (a *application) judgeCell(c *cell, l *listener) {
	clear(l.asked)
	c.findings, c.err = judgeBy(c.policy, c.of.Resource, l.context)
	a.noted(c)
	c.asked = nil
	if len(l.asked) > 0 {
		c.asked = make([]question, 0, len(l.asked))
		for q := range l.asked {
			c.asked = append(c.asked, q)
		}
	}
}

// noted notes what is to be remembered of the findings of a cell.
func (a *application) noted(c *cell) {
	c.prints = nil
	for _, f := range c.findings {
		f.Violation.Later(a.context)
		c.prints = append(c.prints, f.Fingerprint)
	}
}

// keep puts a cell that was judged again where it belongs.
func (a *application) keep(c *cell) {
	a.sites[c.of.File.Path] = true
	if c.says() {
		a.asked.add(c)
		return
	}
	c.of.cells = slices.DeleteFunc(c.of.cells, func(other *cell) bool { return other == c })
}

// analyze has an analyzer judge a part anew.
func (a *application) analyze(p *policy.Policy, of *part) {
	for _, c := range of.cells {
		c.of.analyzed = slices.DeleteFunc(c.of.analyzed, func(other *cell) bool { return other == c })
		a.sites[c.of.File.Path] = true
	}
	of.cells = nil
	members := make([]*manifest.Resource, 0, len(of.members))
	parts := a.Monitor.parts[p]
	for _, group := range []*part{of, parts[everywhere]} {
		if group != nil {
			for _, o := range group.members {
				members = append(members, o.Resource)
			}
		}
	}
	slices.SortFunc(members, manifest.CompareObjects)
	for _, r := range analyzers[p.Analyzer].judge(slices.Values(members)) {
		o := a.objects[orderOf(r)]
		c := &cell{of: o, policy: p}
		v, err := p.Violate(r, a.context)
		if err != nil {
			c.err = err
		} else {
			c.findings = []*Finding{newFinding(p, r, v)}
		}
		a.noted(c)
		of.cells = append(of.cells, c)
		o.analyzed = append(o.analyzed, c)
		a.sites[r.File.Path] = true
	}
}

// settle makes of the findings of each path what is told of it.
func (a *application) settle() Delta {
	var d Delta
	for path := range a.sites {
		s := a.Monitor.sites[path]
		before := s.left
		a.tell(s)
		d.add(before, s.left)
		if len(s.objects) == 0 {
			delete(a.Monitor.sites, path)
		}
	}
	d.sort()
	return d
}

func (a *application) tell(s *site) {
	var findings []*Finding
	var exemptions []*Exemption
	seen := map[string]int{}
	each := func(visit func(c *cell, i int)) {
		for _, o := range s.objects {
			for _, c := range slices.Concat(o.cells, o.analyzed) {
				for i := range c.findings {
					visit(c, i)
				}
			}
		}
	}
	each(func(c *cell, i int) { seen[c.prints[i]]++ })
	each(func(c *cell, i int) {
		if seen[c.prints[i]] > 1 || c.findings[i].Fingerprint != c.prints[i] { // it may have been told under another number
			f := *c.findings[i]
			f.Fingerprint = c.prints[i]
			c.findings[i] = &f
		}
		c.findings[i].Exemption = nil
		findings = append(findings, c.findings[i])
	})
	for _, o := range s.objects {
		exemptions = append(exemptions, o.exemptions...)
	}
	s.left, s.exempted, s.provided = a.options.settle(findings, append(exemptions, a.options.Exemptions...))
}
