package graph

import "container/heap"

// far is the distance of what leads nowhere.
const far = int32(1) << 30

// way is how far everything is from a goal, and by which edge it gets nearer.
type way struct {
	to       int32
	distance []int32
	next     []int32 // edge, -1 for none
}

// toward finds the shortest way from everything to a node. Of ways of the same
// length the one whose edge was made first counts, so that the answer is always
// the same. Edges for which shut holds are not taken; shut may be nil.
func (g *Graph) toward(to int32, shut func(int32) bool) way {
	w := way{to: to, distance: make([]int32, len(g.nodes)), next: make([]int32, len(g.nodes))}
	for i := range w.distance {
		w.distance[i], w.next[i] = far, -1
	}
	w.distance[to] = 0
	queue := &nearest{{to, 0}}
	for queue.Len() > 0 {
		at := heap.Pop(queue).(reached)
		if at.distance > w.distance[at.node] {
			continue
		}
		for _, i := range g.in[at.node] {
			if shut != nil && shut(i) {
				continue
			}
			e := &g.edges[i]
			distance := at.distance + e.cost
			switch have := w.distance[e.from]; {
			case distance < have:
				w.distance[e.from], w.next[e.from] = distance, i
				heap.Push(queue, reached{e.from, distance})
			case distance == have && w.next[e.from] > i && e.cost > 0: // of no cost, it may go round
				w.next[e.from] = i
			}
		}
	}
	return w
}

type reached struct{ node, distance int32 }

// nearest is a queue of nodes, the nearest and then the first made first.
type nearest []reached

func (q nearest) Len() int { return len(q) }
func (q nearest) Less(i, j int) bool {
	return q[i].distance < q[j].distance || q[i].distance == q[j].distance && q[i].node < q[j].node
}
func (q nearest) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *nearest) Push(x any)   { *q = append(*q, x.(reached)) }
func (q *nearest) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// from marks everything that can be reached from nodes by edges that are not shut.
func (g *Graph) from(nodes []int32, shut func(int32) bool) []bool {
	seen := make([]bool, len(g.nodes))
	var stack []int32
	for _, n := range nodes {
		if !seen[n] {
			seen[n] = true
			stack = append(stack, n)
		}
	}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, i := range g.out[n] {
			if to := g.edges[i].to; !seen[to] && (shut == nil || !shut(i)) {
				seen[to] = true
				stack = append(stack, to)
			}
		}
	}
	return seen
}

// traffic counts for each edge the entries whose shortest way takes it.
func (g *Graph) traffic(w way) []int32 {
	through := make([]int32, len(g.nodes)) // entries whose way comes through a node
	order := make([]int32, 0, len(g.nodes))
	waiting := make([]int32, len(g.nodes)) // nodes whose way comes through and are not counted yet
	for _, i := range w.next {
		if i >= 0 {
			waiting[g.edges[i].to]++
		}
	}
	for _, n := range g.entries {
		through[n]++
	}
	for n := range g.nodes {
		if waiting[n] == 0 {
			order = append(order, int32(n))
		}
	}
	out := make([]int32, len(g.edges))
	for len(order) > 0 {
		n := order[len(order)-1]
		order = order[:len(order)-1]
		i := w.next[n]
		if i < 0 {
			continue
		}
		out[i] += through[n]
		to := g.edges[i].to
		through[to] += through[n]
		if waiting[to]--; waiting[to] == 0 {
			order = append(order, to)
		}
	}
	return out
}
