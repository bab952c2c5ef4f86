package yamledit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mergeKeys are the fields by which Kubernetes tells the items of a list
// apart, in the order they are tried. A list uses what all of a step has.
var mergeKeys = [][]string{
	{"mountPath"}, {"name"}, {"containerPort", "protocol"}, {"port", "protocol"}, {"kind", "metadata"},
}

// align pairs the items of two lists, in order: for each of b the index in a,
// or -1. Items are the same one by their bytes, by merge key, or by being
// equal; never by index alone.
func align(b, a []*yaml.Node) []int {
	out := slices.Repeat([]int{-1}, len(b))
	taken := make([]bool, len(a))
	pair := func(i, j int) {
		if out[i] < 0 && !taken[j] {
			out[i], taken[j] = j, true
		}
	}
	at := map[[2]int]int{}
	for i, n := range b {
		at[[2]int{n.Line, n.Column}] = i
	}
	original := func(j int) (int, bool) {
		i, ok := at[[2]int{a[j].Line, a[j].Column}]
		return i, ok && a[j].Line != 0 && (a[j].Kind == b[i].Kind || b[i].Kind == yaml.AliasNode)
	}
	for j := range a {
		if i, ok := original(j); ok && same(b[i], a[j]) {
			pair(i, j)
		}
	}
	for _, fields := range mergeKeys {
		byKey(b, a, fields, pair)
	}
	byKey(b, a, nil, pair)
	for j := range a {
		if i, ok := original(j); ok {
			pair(i, j)
		}
	}
	ordered(out)
	between(b, a, out)
	return out
}

// byKey pairs the items whose key is unique on both sides, or that are equal
// where fields is nil.
func byKey(b, a []*yaml.Node, fields []string, pair func(i, j int)) {
	left, right := map[string][]int{}, map[string][]int{}
	for i, n := range b {
		if k := itemKey(n, fields); k != "" {
			left[k] = append(left[k], i)
		}
	}
	if len(left) == 0 {
		return
	}
	for j, n := range a {
		if k := itemKey(n, fields); k != "" {
			right[k] = append(right[k], j)
		}
	}
	for k, is := range left {
		js := right[k]
		if fields != nil && (len(is) > 1 || len(js) > 1) {
			continue
		}
		for n := range min(len(is), len(js)) {
			pair(is[n], js[n])
		}
	}
}

func itemKey(n *yaml.Node, fields []string) string {
	if fields == nil {
		return fingerprint(n)
	}
	if n.Kind != yaml.MappingNode {
		return ""
	}
	first := value(n, fields[0])
	if first == nil || first.Kind != yaml.ScalarNode {
		return ""
	}
	key := first.Value
	for _, f := range fields[1:] {
		v := value(n, f)
		if v == nil {
			continue
		}
		if f == "metadata" {
			for _, name := range []string{"namespace", "name"} {
				if s := resolve(v); s != nil && value(s, name) != nil {
					key += "\x00" + value(s, name).Value
				}
			}
			continue
		}
		key += "\x00" + v.Value
	}
	return key
}

// ordered unpairs what changed its order: the longest increasing run stays.
func ordered(out []int) {
	var tails []int // index into out of the smallest end of a run of each length
	prev := make([]int, len(out))
	for i, j := range out {
		if j < 0 {
			continue
		}
		k, _ := slices.BinarySearchFunc(tails, j, func(t, j int) int { return out[t] - j })
		prev[i] = -1
		if k > 0 {
			prev[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		} else {
			tails[k] = i
		}
	}
	keep := map[int]bool{}
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = prev[i] {
			keep[i] = true
		}
	}
	for i := range out {
		if !keep[i] {
			out[i] = -1
		}
	}
}

// between pairs the one item that is left on both sides between two pairs:
// it is the same item, changed, unless names say otherwise.
func between(b, a []*yaml.Node, out []int) {
	for i := 0; i < len(out); {
		if out[i] >= 0 {
			i++
			continue
		}
		end := i
		for end < len(out) && out[end] < 0 {
			end++
		}
		from, to := 0, len(a)
		if i > 0 {
			from = out[i-1] + 1
		}
		if end < len(out) {
			to = out[end]
		}
		if end-i == to-from {
			for k := range end - i {
				if x, y := b[i+k], a[from+k]; x.Kind == y.Kind && named(x) == named(y) {
					out[i+k] = from + k
				}
			}
		}
		i = end
	}
}

func named(n *yaml.Node) string {
	for _, fields := range mergeKeys {
		if k := itemKey(n, fields); k != "" {
			return strings.Join(fields, ",") + "=" + k
		}
	}
	return ""
}
