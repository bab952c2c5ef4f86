package drift

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// comparison is one object of a tree beside one that lives.
type comparison struct {
	git, live, complete map[string]any // complete is git with the API server's defaults, nil where nobody knows them
	out                 []Difference
	more                []manifest.Path // what only live has, topmost first
}

// compare finds where the leaves that Git has are others in live, and what
// only live has.
func compare(sh shape, git, live, complete map[string]any) *comparison {
	c := &comparison{git: git, live: live, complete: complete}
	secret := git["kind"] == "Secret" && git["apiVersion"] == "v1"
	for _, key := range slices.Sorted(maps.Keys(git)) {
		switch {
		case key == "apiVersion" || key == "kind" || key == "status":
			continue
		case secret && key != "metadata":
			continue // of Secrets nothing but that is ever read
		case key == "metadata":
			for _, of := range []string{"labels", "annotations"} {
				c.value(manifest.Path{{Key: key}, {Key: of}}, shape{kept: true}, field(git, key, of), field(live, key, of))
			}
			continue
		}
		if f, ok := sh.field(key); ok {
			c.value(manifest.Path{{Key: key}}, f, git[key], live[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(live)) {
		if _, ok := git[key]; ok || key == "apiVersion" || key == "kind" || key == "status" || key == "metadata" || secret {
			continue
		}
		c.more = append(c.more, manifest.Path{{Key: key}})
	}
	return c
}

func (c *comparison) differ(path manifest.Path, git, live any) {
	c.out = append(c.out, Difference{Path: path, Git: git, Live: live})
}

func (c *comparison) value(path manifest.Path, sh shape, git, live any) {
	switch g := git.(type) {
	case nil: // Git has no opinion, or says so
		if m, ok := live.(map[string]any); ok && len(path) == 2 && path[0].Key == "metadata" {
			c.mapping(path, sh, nil, m)
		}
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok && live != nil {
			c.differ(path, git, live)
			return
		}
		before := len(c.out)
		c.mapping(path, sh, g, l)
		if live == nil && len(c.out) > before {
			c.out = c.out[:before]
			c.differ(path, git, nil)
		}
	case []any:
		l, ok := live.([]any)
		if !ok && live != nil {
			c.differ(path, git, live)
			return
		}
		c.list(path, sh, g, l)
	default:
		if !sh.equal(git, live) {
			c.differ(path, git, live)
		}
	}
}

// dropped are annotations of pods that the API server takes away.
var dropped = regexp.MustCompile(`^pod\.(alpha|beta)\.kubernetes\.io/init-container`)

func (c *comparison) mapping(path manifest.Path, sh shape, git, live map[string]any) {
	annotations := len(path) > 0 && path[len(path)-1].Key == "annotations"
	for _, key := range slices.Sorted(maps.Keys(git)) {
		if annotations && dropped.MatchString(key) {
			continue
		}
		if f, ok := sh.field(key); ok && git[key] != nil {
			c.value(path.Key(key), f, git[key], live[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(live)) {
		if v, ok := git[key]; !ok || v == nil {
			c.more = append(c.more, path.Key(key))
		}
	}
}

// list compares lists: by key, as a set, or item by item in order.
func (c *comparison) list(path manifest.Path, sh shape, git, live []any) {
	switch {
	case sh.set:
		for _, g := range git {
			if !slices.ContainsFunc(live, func(l any) bool { return alike(g, l) }) {
				c.differ(path, git, live)
				return
			}
		}
		if len(live) > len(git) {
			c.more = append(c.more, path)
		}
	case len(sh.keys) > 0:
		if by, ok := distinct(sh.keys, git, live); ok {
			c.keyed(path, sh, by, git, live)
			return
		}
		c.whole(path, sh, git, live)
	default:
		c.ordered(path, sh, git, live)
	}
}

// keyed compares the items of lists that one field tells apart.
func (c *comparison) keyed(path manifest.Path, sh shape, by string, git, live []any) {
	step := func(item any, i int) manifest.Path {
		value, _ := scalarText(field(item, by))
		return path.Join(manifest.Path{{Item: true, By: by, Value: value, Index: i}})
	}
	known := map[string]any{}
	for _, l := range live {
		key, _ := scalarText(field(l, by))
		known[key] = l
	}
	for i, g := range git {
		key, _ := scalarText(field(g, by))
		if l, ok := known[key]; ok {
			c.value(step(g, i), sh.item(), g, l)
			delete(known, key)
		} else {
			c.differ(step(g, i), g, nil)
		}
	}
	for i, l := range live {
		if key, _ := scalarText(field(l, by)); known[key] != nil {
			c.more = append(c.more, step(l, i))
		}
	}
}

// distinct is a field that tells the items of both lists apart: one of the
// keys, or their names.
func distinct(keys []string, lists ...[]any) (by string, ok bool) {
	for _, key := range append(slices.Clone(keys), "name") {
		if !slices.ContainsFunc(lists, func(l []any) bool {
			seen := map[string]bool{}
			return slices.ContainsFunc(l, func(item any) bool {
				v, ok := scalarText(field(item, key))
				again := seen[v]
				seen[v] = true
				return !ok || again
			})
		}) {
			return key, true
		}
	}
	return "", false
}

// whole compares lists whose items only several fields together tell apart;
// if anything differs, all of it does.
func (c *comparison) whole(path manifest.Path, sh shape, git, live []any) {
	if len(git) != len(live) {
		c.differ(path, git, live)
		return
	}
	key := func(item any) string {
		var out string
		for _, k := range sh.keys {
			v := field(item, k)
			if v == nil && k == "protocol" {
				v = "TCP"
			}
			out += fmt.Sprint(v) + "\x00"
		}
		return out
	}
	for i, g := range git {
		j := slices.IndexFunc(live, func(l any) bool { return key(l) == key(g) })
		if j < 0 || key(live[i]) == key(g) {
			j = i
		}
		items := &comparison{}
		if items.value(nil, sh.item(), g, live[j]); len(items.out) > 0 {
			c.differ(path, git, live)
			return
		}
	}
}

// ordered compares lists item by item. Lists of scalars, and those of another
// length, differ as a whole.
func (c *comparison) ordered(path manifest.Path, sh shape, git, live []any) {
	if len(git) != len(live) {
		if complete := list(at(c.complete, path)); len(git) > 0 || complete == nil || !alike(complete, live) {
			c.differ(path, git, live)
		}
		return
	}
	for i, g := range git {
		switch g.(type) {
		case map[string]any, []any:
			c.value(path.Join(manifest.Path{{Item: true, Index: i}}), sh.item(), g, live[i])
		default:
			if !sh.item().equal(g, live[i]) {
				c.differ(path, git, live)
				return
			}
		}
	}
}

// collect lists the leaves of what Git says.
func collect(path manifest.Path, sh shape, v any, out *[]manifest.Path) {
	switch v := v.(type) {
	case map[string]any:
		for key, below := range v {
			if len(path) == 0 && (key == "apiVersion" || key == "kind" || key == "status") {
				continue
			}
			f, _ := sh.field(key)
			collect(path.Key(key), f, below, out)
		}
	case []any:
		by, ok := "", false
		if len(sh.keys) > 0 {
			by, ok = distinct(sh.keys, v)
		}
		if !ok {
			*out = append(*out, path)
			return
		}
		for i, item := range v {
			value, _ := scalarText(field(item, by))
			collect(path.Join(manifest.Path{{Item: true, By: by, Value: value, Index: i}}), sh.item(), item, out)
		}
	default:
		*out = append(*out, path)
	}
}
