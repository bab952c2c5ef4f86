package graph

import (
	"cmp"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// maxSteps bounds a path; none that people would follow is longer.
const maxSteps = 64

// Path is a shortest way from an entry to a goal.
type Path struct {
	Entry     *manifest.Resource // a workload, one of whose pods is taken over; nil: nobody needs a credential
	Exposures []Exposure         // that lead to it from outside
	Goal      Goal
	Steps     []Step
	Cost      int // steps, those that are not sure counted more
}

// From names where the path begins.
func (p Path) From() string {
	if p.Entry == nil {
		return "anybody who reaches the API server"
	}
	return p.Entry.ID()
}

// Step is one step of a path.
type Step struct {
	From, To string
	Says     string // why it is possible: "it may create pods"
	Opens    []Opening
}

// Paths are the shortest ways to a goal, one from each entry: those that begin
// outside first, then the shortest. What leads to cluster-admin is not listed
// again under what that includes.
func (g *Graph) Paths(want Goal) []Path {
	ways := g.ways(want)
	if ways == nil {
		return nil
	}
	w := ways[len(ways)-1]
	var out []Path
	for _, n := range g.entries {
		if w.distance[n] == far || len(ways) > 1 && ways[0].distance[n] != far {
			continue
		}
		p := Path{Entry: g.nodes[n].resource, Goal: want, Cost: int(w.distance[n]), Steps: g.steps(w, n)}
		if p.Entry != nil {
			p.Exposures = g.workloads[p.Entry].exposures
		}
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b Path) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Cost, b.Cost), strings.Compare(a.From(), b.From()))
	})
	return out
}

func rank(p Path) int {
	if p.Entry == nil || len(p.Exposures) > 0 {
		return 0
	}
	return 1
}

// ways are those to cluster-admin, and those to another goal after them.
func (g *Graph) ways(want Goal) []way {
	var out []way
	for _, goal := range []Goal{ClusterAdmin, want} {
		if goal == want && len(out) > 0 && want == ClusterAdmin {
			continue
		}
		if to, ok := g.find(goal); ok {
			out = append(out, g.toward(to, nil))
		} else if goal == want {
			return nil
		}
	}
	return out
}

// steps are those of the way from a node; edges that only lead on to what the
// one before says already are no steps.
func (g *Graph) steps(w way, n int32) []Step {
	var out []Step
	for n != w.to && len(out) < maxSteps {
		e := g.edges[w.next[n]]
		if e.says == "" && len(out) > 0 {
			if to := g.nodes[e.to]; to.what != goal || Goal(to.name) == ClusterAdmin { // which node or Secrets it is, is said already
				out[len(out)-1].To = to.String()
			}
		} else {
			out = append(out, Step{g.nodes[n].String(), g.nodes[e.to].String(), e.says, e.opens})
			if k := len(out) - 1; k > 0 {
				out[k].From = out[k-1].To
			}
		}
		n = e.to
	}
	return out
}
