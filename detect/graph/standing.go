package graph

import (
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Standing is how a workload stands among the others.
type Standing struct {
	Exposures []Exposure   // ways in from outside
	Rights    []string     // what its service account may do that leads further: "create pods in every namespace"
	Steps     map[Goal]int // from its pods to a goal; absent: nothing leads there
}

// Ranking answers how much findings matter. It is made once for all of them.
type Ranking struct {
	graph *Graph
	ways  map[Goal]way
	lines map[*manifest.Resource][]line
	known map[*workload]Standing
	leads map[*manifest.Resource][]*manifest.Resource // workloads by what exposes them, once somebody asked
}

// line is an edge that something of a resource opens.
type line struct {
	opening Opening
	passes  map[Goal]int // entries whose shortest way to a goal takes it; 0: a longer one does
}

// Passage is that paths to a goal go through a step.
type Passage struct {
	Goal  Goal
	Paths int // the shortest from so many entries; 0: only longer ones do
}

// Rank prepares answers about a graph.
func (g *Graph) Rank() *Ranking {
	r := &Ranking{graph: g, ways: map[Goal]way{}, lines: map[*manifest.Resource][]line{}, known: map[*workload]Standing{}}
	reached := g.from(g.entries, nil)
	through := map[Goal][]int32{}
	for _, goal := range Goals {
		if to, ok := g.find(goal); ok {
			r.ways[goal] = g.toward(to, nil)
			through[goal] = g.traffic(r.ways[goal])
		}
	}
	for i, e := range g.edges {
		if !reached[e.from] {
			continue
		}
		for _, o := range e.opens {
			l := line{o, map[Goal]int{}}
			for goal, w := range r.ways {
				if w.distance[e.to] != far {
					l.passes[goal] = int(through[goal][i])
				}
			}
			if len(l.passes) > 0 {
				r.lines[o.Resource] = append(r.lines[o.Resource], l)
			}
		}
	}
	return r
}

// Passages are the goals to which paths lead through steps of a resource for
// which opens holds, the worst first.
func (r *Ranking) Passages(of *manifest.Resource, opens func(Opening) bool) []Passage {
	var out []Passage
	for _, goal := range Goals {
		most := -1
		for _, l := range r.lines[of] {
			if n, ok := l.passes[goal]; ok && n > most && opens(l.opening) {
				most = n
			}
		}
		if most >= 0 {
			out = append(out, Passage{goal, most})
		}
	}
	return out
}

// Workload says how a workload stands; false where it is not in the graph.
func (r *Ranking) Workload(of *manifest.Resource) (Standing, bool) {
	g := r.graph
	w := g.workloads[of]
	if w == nil {
		return Standing{}, false
	}
	if s, ok := r.known[w]; ok {
		return s, true
	}
	s := Standing{Exposures: w.exposures, Steps: map[Goal]int{}}
	if w.mounts {
		s.Rights = g.rights(w.holds)
	}
	for goal, way := range r.ways {
		if way.distance[w.node] != far {
			s.Steps[goal] = len(g.steps(way, w.node))
		}
	}
	r.known[w] = s
	return s, true
}

// rights says what a service account may do that leads further, by its own
// bindings and by those of its groups; the widest first.
func (g *Graph) rights(account int32) []string {
	var wide, narrow []string
	add := func(from int32) {
		for _, i := range g.out[from] {
			n := g.nodes[g.edges[i].to]
			if n.what != granted {
				continue
			}
			for _, k := range g.out[g.edges[i].to] {
				says, ok := strings.CutPrefix(g.edges[k].says, "it may ")
				if !ok {
					continue
				}
				if n.namespace == everywhere {
					wide = append(wide, says+" in every namespace")
				} else {
					narrow = append(narrow, says+strings.Replace(within(n.namespace), " of ", " in ", 1))
				}
			}
		}
	}
	add(account)
	for _, i := range g.out[account] {
		if to := g.edges[i].to; g.nodes[to].what == group {
			add(to)
		}
	}
	out := slices.Concat(wide, narrow)
	var kept []string
	for _, s := range out {
		if !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// Exposed are the workloads that a service or a route leads to from outside.
func (r *Ranking) Exposed(by *manifest.Resource) []*manifest.Resource {
	if r.leads == nil {
		r.leads = map[*manifest.Resource][]*manifest.Resource{}
		for _, n := range r.graph.nodes {
			if n.what != codeIn {
				continue
			}
			for _, e := range r.graph.workloads[n.resource].exposures {
				r.leads[e.Resource] = append(r.leads[e.Resource], n.resource)
			}
		}
	}
	return r.leads[by]
}
