package drift

import (
	"cmp"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/trace"
)

// Options say what is compared with what.
type Options struct {
	Live      *manifest.Set                                    // the objects of the cluster that somebody decided on
	Namespace string                                           // the only one that was read; empty: all
	Trees     []Tree                                           // the first is the tree at hand, the others are older commits of it
	Within    []string                                         // directories and files of the tree that count; empty: all
	Kind      func(group, kind string) (namespaced, read bool) // what was read of the cluster

	// Complete gives an object the API server's defaults, as far as they are
	// known; nil: nothing is.
	Complete func(map[string]any) map[string]any
	// Apply is what the API server would make of an object; nil: it is not asked.
	Apply func(trace.Desired, *manifest.Resource) (map[string]any, error)
}

// Tree is one commit of a repository.
type Tree struct {
	Commit string // empty: it is not known, or is no commit
	Tracer *trace.Tracer
	Tree   *trace.Tree
}

// Compare finds the drift of a cluster. It judges nothing: see Judge.
func Compare(o Options) Result {
	c := comparer{Options: o, types: newTypes(definitions(o.Live)), scaled: scaled(o.Live), units: map[unit]*tally{}, lives: map[identity]bool{}}
	var pairs []*pair
	for r := range o.Live.Resources {
		c.lives[identity{r.Group(), r.Kind, r.Namespace, r.Name}] = true
		if p := c.pair(r); p != nil {
			pairs = append(pairs, p)
		}
	}
	var out Result
	for _, p := range pairs {
		w := c.best(p)
		if c.Apply != nil {
			c.ask(p, &w)
		}
		c.tally(w.unit).chosen++
		out.Compared++
		out.Skipped = append(out.Skipped, p.skipped...)
		if len(w.differences) > 0 {
			out.Drifts = append(out.Drifts, &Drift{
				Live: p.live, Desired: w.desired, Source: p.source, Commit: p.commit, Namespace: p.live.Namespace, Differences: w.differences,
			})
		}
	}
	out.Skipped = append(out.Skipped, c.skipped...)
	out.Drifts = append(out.Drifts, c.missing()...)
	slices.SortStableFunc(out.Drifts, func(a, b *Drift) int {
		return cmp.Or(cmp.Compare(a.Desired.Kind, b.Desired.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Desired.Name, b.Desired.Name))
	})
	return out
}

type comparer struct {
	Options
	types   *types
	scaled  map[target]bool
	units   map[unit]*tally
	lives   map[identity]bool
	skipped []Skipped
}

type identity struct{ group, kind, namespace, name string }

// unit is what is applied together, of one commit.
type unit struct {
	tree int
	trace.Unit
}

// tally is how well a unit explains what lives.
type tally struct {
	objects     int    // that live, and that it has
	contested   int    // of these, those that other units have, too
	differences int    // of the contested ones
	chosen      int    // for how many it is taken
	namespace   string // of the objects whose namespace it leaves open; "*": several
}

func (c *comparer) tally(u unit) *tally {
	t := c.units[u]
	if t == nil {
		t = &tally{}
		c.units[u] = t
	}
	return t
}

// pair is a live object with the ways in which a tree would have it.
type pair struct {
	live    *manifest.Resource
	source  trace.Source
	commit  string
	rules   ignored
	ways    []way
	skipped []Skipped
}

type way struct {
	unit        unit
	desired     trace.Desired
	differences []Difference
}

// pair compares a live object with every way to have it; nil where there is
// none, or where it is to be left alone.
func (c *comparer) pair(r *manifest.Resource) *pair {
	n := 0
	source, all := c.Trees[0].Tracer.Desired(r)
	p := &pair{live: r, source: source}
	if applied := CommitOf(source.Revision); applied != "" && c.Trees[0].Commit != "" && !sameCommit(applied, c.Trees[0].Commit) {
		n = slices.IndexFunc(c.Trees, func(t Tree) bool { return sameCommit(applied, t.Commit) })
		if n < 0 {
			if len(c.within(all)) > 0 {
				c.skipped = append(c.skipped, Skipped{Object: r, Reason: source.By + " applied commit " + short(applied) + ", which is not here; the tree is at " + short(c.Trees[0].Commit)})
			}
			return nil
		}
		p.commit = c.Trees[n].Commit
		p.source, all = c.Trees[n].Tracer.Desired(r)
	}
	all = c.within(all)
	if len(all) == 0 {
		return nil
	}
	rules := rules(r, p.source, c.scaled)
	if rules.whole != "" {
		c.skipped = append(c.skipped, Skipped{Object: r, Reason: rules.whole})
		c.tally(unit{n, all[0].Unit()}).objects++
		return nil
	}
	p.rules = rules
	for _, note := range rules.notes {
		p.skipped = append(p.skipped, Skipped{Object: r, Reason: p.source.By + ": " + note})
	}
	for _, d := range all {
		w := way{unit: unit{n, d.Unit()}, desired: d}
		w.differences = c.differences(p, d, nil)
		t := c.tally(w.unit)
		t.objects++
		if len(all) > 1 {
			t.contested++
			t.differences += len(w.differences)
		}
		if d.Namespace == "" && r.Namespace != "" {
			if t.namespace != "" && t.namespace != r.Namespace {
				t.namespace = "*"
			} else {
				t.namespace = r.Namespace
			}
		}
		p.ways = append(p.ways, w)
	}
	return p
}

// within leaves out what no path of the options has.
func (c *comparer) within(all []trace.Desired) []trace.Desired {
	if len(c.Within) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(d trace.Desired) bool { return !c.has(d) })
}

func (c *comparer) has(d trace.Desired) bool {
	return len(c.Within) == 0 || slices.ContainsFunc(c.Within, func(p string) bool {
		return p == "." || d.Dir != "" && inside(p, d.Dir) || d.Dir == "" && inside(p, d.Resource.File.Path)
	})
}

func inside(dir, name string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// best is the way of the unit that explains the cluster best: of several
// overlays of one base that is the one that is applied. Of two that explain it
// alike, what is rendered counts, and of these the one that renders most.
func (c *comparer) best(p *pair) way {
	return slices.MinFunc(p.ways, func(a, b way) int {
		x, y := c.units[a.unit], c.units[b.unit]
		return cmp.Or(
			cmp.Compare(x.differences*y.contested, y.differences*x.contested),
			cmp.Compare(flag(b.unit.Rendered), flag(a.unit.Rendered)),
			cmp.Compare(y.objects, x.objects),
			-cmp.Compare(strings.Count(a.unit.Dir, "/"), strings.Count(b.unit.Dir, "/")),
			cmp.Compare(a.unit.Dir, b.unit.Dir),
		)
	})
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// differences compares one object with one way to have it, or with what the
// API server would make of that.
func (c *comparer) differences(p *pair, d trace.Desired, made map[string]any) []Difference {
	git, live := p.rules.cut(d.Value), p.rules.cut(p.live.Value)
	var complete map[string]any
	if c.Complete != nil {
		copied, _ := clone(git).(map[string]any)
		complete = c.Complete(copied)
	}
	sh := c.types.of(p.live.APIVersion, p.live.Kind)
	is := compare(sh, git, live, complete)
	var leaves []manifest.Path
	collect(nil, sh, git, &leaves)
	m := managersOf(live, leaves)
	out := is.out
	if made != nil {
		out = compare(sh, p.rules.cut(made), live, nil).out
	}
	for i := range out {
		out[i].Owner = latest(m.entries, live, out[i].Path)
	}
	if !p.rules.additive {
		out = append(out, is.added(m)...)
	}
	return slices.DeleteFunc(out, func(d Difference) bool { return slices.Contains(p.rules.managers, d.Owner.Manager) })
}

// ask compares with what the API server would make of an object.
func (c *comparer) ask(p *pair, w *way) {
	made, err := c.Apply(w.desired, p.live)
	if err != nil {
		p.skipped = append(p.skipped, Skipped{Object: p.live, Reason: "the API server was not asked: " + err.Error()})
		return
	}
	w.differences = c.differences(p, w.desired, made)
}

// definitions are the custom resource definitions of a cluster.
func definitions(set *manifest.Set) []map[string]any {
	var out []map[string]any
	for r := range set.Resources {
		if r.Kind == "CustomResourceDefinition" {
			out = append(out, r.Value)
		}
	}
	return out
}

// CommitOf is the commit in a revision as Flux and Argo CD write it:
// main@sha1:0123…, main/0123…, sha1:0123…, 0123…; empty for another one.
func CommitOf(revision string) string {
	if i := strings.LastIndexAny(revision, ":/@"); i >= 0 {
		revision = revision[i+1:]
	}
	if len(revision) < 7 || strings.Trim(revision, "0123456789abcdef") != "" {
		return ""
	}
	return revision
}

func sameCommit(a, b string) bool {
	return a != "" && b != "" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}

func short(commit string) string { return commit[:min(len(commit), 12)] }
