package graph

import "math"

// unlimited is the capacity of what is never cut.
const unlimited = int64(math.MaxInt64 / 4)

// network finds a minimum cut by Dinic's algorithm. Arcs come in pairs: the
// one after an even one leads back.
type network struct {
	out   [][]int32
	to    []int32
	left  []int64 // capacity
	level []int32
	next  []int
}

func newNetwork(nodes int) *network {
	return &network{out: make([][]int32, nodes), level: make([]int32, nodes), next: make([]int, nodes)}
}

// add makes an arc and returns it.
func (n *network) add(from, to int32, capacity int64) int32 {
	arc := int32(len(n.to))
	n.to, n.left = append(n.to, to, from), append(n.left, capacity, 0)
	n.out[from], n.out[to] = append(n.out[from], arc), append(n.out[to], arc+1)
	return arc
}

// run sends as much as there is room for.
func (n *network) run(from, to int32) {
	for n.layer(from, to) {
		clear(n.next)
		for n.send(from, to) {
		}
	}
}

func (n *network) layer(from, to int32) bool {
	for i := range n.level {
		n.level[i] = -1
	}
	n.level[from] = 0
	queue := []int32{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, arc := range n.out[at] {
			if next := n.to[arc]; n.left[arc] > 0 && n.level[next] < 0 {
				n.level[next] = n.level[at] + 1
				queue = append(queue, next)
			}
		}
	}
	return n.level[to] >= 0
}

// send fills one way, and forgets arcs that lead nowhere.
func (n *network) send(from, to int32) bool {
	var path []int32 // arcs
	at := from
	for at != to {
		if n.next[at] < len(n.out[at]) {
			arc := n.out[at][n.next[at]]
			if next := n.to[arc]; n.left[arc] > 0 && n.level[next] == n.level[at]+1 {
				path = append(path, arc)
				at = next
				continue
			}
			n.next[at]++
			continue
		}
		if len(path) == 0 {
			return false
		}
		last := path[len(path)-1]
		path = path[:len(path)-1]
		at = n.to[last^1]
		n.next[at]++
	}
	amount := unlimited
	for _, arc := range path {
		amount = min(amount, n.left[arc])
	}
	for _, arc := range path {
		n.left[arc] -= amount
		n.left[arc^1] += amount
	}
	return true
}

// cut yields the arcs of the minimum cut that is nearest to where all ends.
func (n *network) cut(to int32) map[int32]bool {
	reaches := make([]bool, len(n.out)) // there is room from it to the end
	reaches[to] = true
	queue := []int32{to}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, arc := range n.out[at] {
			if from := n.to[arc]; n.left[arc^1] > 0 && !reaches[from] {
				reaches[from] = true
				queue = append(queue, from)
			}
		}
	}
	out := map[int32]bool{}
	for arc := int32(0); int(arc) < len(n.to); arc += 2 {
		if !reaches[n.to[arc^1]] && reaches[n.to[arc]] {
			out[arc] = true
		}
	}
	return out
}
