package policy_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
)

func TestDifference(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, before, after, want string }{
		{"field", `{a: 1, b: {c: x}}`, `{a: 1, b: {c: z}}`, "set b.c z"},
		{"missing parent", `{a: 1}`, `{a: 1, b: {c: {d: x}}}`, "set b map[c:map[d:x]]"},
		{"removed", `{a: 1, b: 2}`, `{a: 1}`, "remove b"},
		{
			"in a container", `{containers: [{name: a, image: x}, {name: b, image: y}]}`,
			`{containers: [{name: a, image: x}, {name: b, image: y, tty: true}]}`, "set containers[name=b].tty true",
		},
		{
			"container behind the last", `{containers: [{name: a}]}`, `{containers: [{name: a}, {name: b}]}`,
			"append containers map[name:b]",
		},
		{
			"container before the first", `{containers: [{name: a}]}`, `{containers: [{name: b}, {name: a}]}`,
			"set containers [map[name:b] map[name:a]]",
		},
		{"value behind the last", `{drop: [A]}`, `{drop: [A, B]}`, "append drop B"},
		{"value among others", `{drop: [A, B]}`, `{drop: [B]}`, "set drop [B]"},
		{"value twice", `{args: [a, b]}`, `{args: [a, b, a]}`, "set args [a b a]"},
		{"other shape", `{a: {b: 1}}`, `{a: [1]}`, "set a [1]"},
		{"nothing", `{a: [{b: 1}]}`, `{a: [{b: 1}]}`, ""},
	}
	for _, c := range tests {
		var got []string
		for _, e := range policy.Difference(value(t, c.before), value(t, c.after)) {
			line := fmt.Sprintf("%s %s", e.Op, e.Path)
			if e.Op != policy.Remove {
				line += fmt.Sprintf(" %v", e.Value)
			}
			got = append(got, line)
		}
		if d := cmp.Diff(c.want, strings.Join(got, "; ")); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// TestDifferenceIsWhole makes the edits on the document and reads it again:
// it must be the value that was asked for.
func TestDifferenceIsWhole(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	edits := 0
	for range 3000 {
		before := mapping(r, 3)
		after := mutated(r, before).(map[string]any)
		src, err := yaml.Marshal(before)
		if err != nil {
			t.Fatal(err)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(src, &doc); err != nil {
			t.Fatal(err)
		}
		difference := policy.Difference(before, after)
		edits += len(difference)
		if err := fixers.Desired(doc.Content[0], difference); err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		got, err := manifest.ToValue(doc.Content[0])
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(any(after), got); d != "" {
			t.Fatalf("after %v (-want +got):\n%s\nbefore:\n%s", difference, d, src)
		}
	}
	if edits < 3000 {
		t.Errorf("only %d edits were tried", edits)
	}
}

func value(t *testing.T, src string) map[string]any {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(src), &doc); err != nil {
		t.Fatal(err)
	}
	v, err := manifest.ToValue(doc.Content[0])
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

var keys = []string{"containers", "env", "name", "ports", "a.b/c", "image", "args"}

func mapping(r *rand.Rand, depth int) map[string]any {
	m := map[string]any{}
	for range 1 + r.IntN(4) {
		m[keys[r.IntN(len(keys))]] = random(r, depth-1)
	}
	return m
}

func random(r *rand.Rand, depth int) any {
	switch n := r.IntN(6); {
	case n == 0 && depth > 0:
		return mapping(r, depth)
	case n == 1 && depth > 0:
		list := []any{}
		for range 1 + r.IntN(3) {
			list = append(list, random(r, depth-1))
		}
		return list
	case n == 2 && depth > 0:
		list := []any{}
		for i := range 1 + r.IntN(3) {
			list = append(list, map[string]any{"name": fmt.Sprint("c", i), "image": random(r, 0)})
		}
		return list
	case n == 3:
		return r.IntN(2) == 0
	case n == 4:
		return int64(r.IntN(3))
	}
	return []string{"x", "y", "z w", "true"}[r.IntN(4)]
}

// mutated is a copy of a value with a few changes.
func mutated(r *rand.Rand, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			switch r.IntN(6) {
			case 0:
			case 1:
				out[k] = random(r, 2)
			default:
				out[k] = mutated(r, v[k])
			}
		}
		if r.IntN(3) == 0 {
			out[keys[r.IntN(len(keys))]] = random(r, 2)
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			if r.IntN(8) > 0 {
				out = append(out, mutated(r, item))
			}
		}
		if r.IntN(3) == 0 {
			out = slices.Insert(out, r.IntN(len(out)+1), random(r, 1))
		}
		return out
	}
	return v
}
