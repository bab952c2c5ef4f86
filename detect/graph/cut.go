package graph

import (
	"cmp"
	"slices"
)

// Fix is what would close a step.
type Fix struct {
	ID     string // the same for all steps that it closes
	Weight int    // what it costs to make it: 1 or more
}

// Prices tells which fix closes what an opening opens; false for none.
type Prices func(Opening) (Fix, bool)

// Cut is a cheapest set of fixes that closes all paths to a goal which fixes
// can close at all.
type Cut struct {
	Fixes  []string // IDs, those that close the most paths first
	Closes []int    // for each: how many of the shortest paths go through what it closes
	Closed int      // paths that they close
	Open   []Path   // paths that no fix closes, by steps that none opens
}

// Cut finds the cheapest set of fixes, and always the same one. It is a minimum
// cut where each fix closes one step, as most do; of fixes that close several,
// those that the others make needless are left out again.
func (g *Graph) Cut(want Goal, prices Prices) Cut {
	to, ok := g.find(want)
	if !ok {
		return Cut{}
	}
	all := g.toward(to, nil)
	fixes := g.priced(all, prices)
	free := g.toward(to, func(i int32) bool { return len(fixes[i]) > 0 })
	var out Cut
	var sources []int32
	for _, n := range g.entries {
		switch {
		case all.distance[n] == far:
		case free.distance[n] != far:
			out.Open = append(out.Open, Path{Entry: g.nodes[n].resource, Goal: want, Cost: int(free.distance[n]), Steps: g.steps(free, n)})
		default:
			sources = append(sources, n)
		}
	}
	out.Closed = len(sources)
	if len(sources) == 0 {
		return out
	}
	chosen := g.minimum(sources, to, all, fixes)
	chosen = g.needed(sources, to, fixes, chosen)
	g.count(&out, sources, all, fixes, chosen)
	return out
}

// priced are the fixes that close each edge from which the goal is reached,
// the cheapest first; none for an edge that stays.
func (g *Graph) priced(w way, prices Prices) [][]Fix {
	out := make([][]Fix, len(g.edges))
	for i, e := range g.edges {
		if w.distance[e.to] == far {
			continue
		}
		for _, o := range e.opens {
			if f, ok := prices(o); ok {
				out[i] = append(out[i], f)
			}
		}
		slices.SortStableFunc(out[i], func(a, b Fix) int { return cmp.Compare(a.Weight, b.Weight) })
	}
	return out
}

// minimum is a minimum cut between sources and the goal: of all of the same
// weight one with the fewest fixes, and of those the one nearest to the goal.
func (g *Graph) minimum(sources []int32, to int32, w way, fixes [][]Fix) []Fix {
	n := newNetwork(len(g.nodes) + 1)
	start := int32(len(g.nodes))
	arcs := map[int32]int32{} // edges by arc
	relevant := g.from(sources, nil)
	for i, e := range g.edges {
		if !relevant[e.from] || w.distance[e.to] == far {
			continue
		}
		capacity := unlimited
		if len(fixes[i]) > 0 {
			capacity = int64(fixes[i][0].Weight)<<20 + 1
		}
		arcs[n.add(e.from, e.to, capacity)] = int32(i)
	}
	for _, s := range sources {
		n.add(start, s, unlimited)
	}
	n.run(start, to)
	var out []Fix
	for arc := range n.cut(to) {
		if i, ok := arcs[arc]; ok {
			out = append(out, fixes[i][0])
		}
	}
	slices.SortFunc(out, func(a, b Fix) int { return cmp.Or(cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.ID, b.ID)) })
	return slices.Compact(out)
}

// needed leaves out fixes that the others make needless, the dearest first.
func (g *Graph) needed(sources []int32, to int32, fixes [][]Fix, chosen []Fix) []Fix {
	for i := len(chosen) - 1; i >= 0; i-- {
		without := slices.Delete(slices.Clone(chosen), i, i+1)
		if !g.from(sources, closedBy(fixes, without))[to] {
			chosen = without
		}
	}
	return chosen
}

func closedBy(fixes [][]Fix, made []Fix) func(int32) bool {
	ids := map[string]bool{}
	for _, f := range made {
		ids[f.ID] = true
	}
	return func(i int32) bool { return slices.ContainsFunc(fixes[i], func(f Fix) bool { return ids[f.ID] }) }
}

// count orders the fixes by how many paths go through what they close.
func (g *Graph) count(out *Cut, sources []int32, w way, fixes [][]Fix, chosen []Fix) {
	closes := map[string]int{}
	for _, n := range sources {
		counted := map[string]bool{}
		for steps := 0; n != w.to && steps < maxSteps; steps++ {
			i := w.next[n]
			for _, f := range fixes[i] {
				if !counted[f.ID] {
					counted[f.ID] = true
					closes[f.ID]++
				}
			}
			n = g.edges[i].to
		}
	}
	slices.SortStableFunc(chosen, func(a, b Fix) int {
		return cmp.Or(cmp.Compare(closes[b.ID], closes[a.ID]), cmp.Compare(a.ID, b.ID))
	})
	for _, f := range chosen {
		out.Fixes, out.Closes = append(out.Fixes, f.ID), append(out.Closes, closes[f.ID])
	}
}
