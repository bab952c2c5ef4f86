package manifest

import (
	"fmt"
	"strconv"
	"strings"
)

// Step is one hop of a Path: a key of a mapping or an item of a list. An item
// is addressed by its merge key where its list has one (By "name", Value
// "proxy"), by its own value where it is a scalar (By empty, Value set), and
// by Index only where nothing better tells it from its neighbours.
type Step struct {
	Key   string
	Item  bool
	By    string
	Value string
	Index int
}

// Path leads from the root of a resource to a field.
type Path []Step

// Meets tells whether one of two paths may lead to the other: they are the
// same, or one goes on where the other ends. Items that are told apart in
// different ways may be the same one.
func (p Path) Meets(q Path) bool {
	for i := range min(len(p), len(q)) {
		a, b := p[i], q[i]
		switch {
		case a.Item != b.Item:
			return false
		case !a.Item && a.Key != b.Key, a.Item && a.By == b.By && (a.Value != b.Value || a.Index != b.Index):
			return false
		}
	}
	return true
}

// Key appends mapping keys to a copy of p.
func (p Path) Key(keys ...string) Path {
	out := append(make(Path, 0, len(p)+len(keys)), p...)
	for _, k := range keys {
		out = append(out, Step{Key: k})
	}
	return out
}

// Join appends q to a copy of p.
func (p Path) Join(q Path) Path {
	return append(append(make(Path, 0, len(p)+len(q)), p...), q...)
}

// String writes the path the way people do:
// spec.containers[name=web].securityContext, metadata.annotations["a.b/c"].
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.Item && s.By != "":
			fmt.Fprintf(&b, "[%s=%s]", s.By, s.Value)
		case s.Item && s.Value != "":
			fmt.Fprintf(&b, "[=%s]", s.Value)
		case s.Item:
			fmt.Fprintf(&b, "[%d]", s.Index)
		case strings.ContainsAny(s.Key, `.[]"= `) || s.Key == "":
			b.WriteString("[" + strconv.Quote(s.Key) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Key)
		}
	}
	return b.String()
}

// ParsePath reads what String writes.
func ParsePath(s string) (Path, error) {
	var p Path
	for rest := s; rest != ""; {
		if rest[0] == '[' {
			end := strings.IndexByte(rest, ']')
			if strings.HasPrefix(rest, `["`) {
				q, err := strconv.QuotedPrefix(rest[1:])
				if err != nil {
					return nil, fmt.Errorf("field path %q: bad quoted key", s)
				}
				key, _ := strconv.Unquote(q)
				p = append(p, Step{Key: key})
				end = 1 + len(q)
				if end >= len(rest) || rest[end] != ']' {
					return nil, fmt.Errorf("field path %q: missing ]", s)
				}
			} else if end < 0 {
				return nil, fmt.Errorf("field path %q: missing ]", s)
			} else if by, value, ok := strings.Cut(rest[1:end], "="); ok {
				p = append(p, Step{Item: true, By: by, Value: value})
			} else if n, err := strconv.Atoi(rest[1:end]); err == nil && n >= 0 {
				p = append(p, Step{Item: true, Index: n})
			} else {
				return nil, fmt.Errorf("field path %q: %q is neither an index, a quoted key nor key=value", s, rest[1:end])
			}
			rest = rest[end+1:]
			if strings.HasPrefix(rest, ".") {
				rest = rest[1:]
				if rest == "" {
					return nil, fmt.Errorf("field path %q: ends with a dot", s)
				}
			}
			continue
		}
		end := strings.IndexAny(rest, ".[")
		key := rest
		if end >= 0 {
			key = rest[:end]
		}
		if key == "" {
			return nil, fmt.Errorf("field path %q: empty key", s)
		}
		p = append(p, Step{Key: key})
		if end < 0 {
			return p, nil
		}
		if rest[end] == '.' {
			end++
			if end == len(rest) {
				return nil, fmt.Errorf("field path %q: ends with a dot", s)
			}
		}
		rest = rest[end:]
	}
	return p, nil
}

// mergeKeys are the keys by which Kubernetes tells items of a list apart
// (x-kubernetes-patch-merge-key in its OpenAPI description), by the name of
// the list; other lists of mappings go by name.
var mergeKeys = map[string][]string{
	"volumeMounts":  {"mountPath"},
	"volumeDevices": {"devicePath"},
	"ports":         {"name", "containerPort", "port"},
	"hostAliases":   {"ip"},
}

// ItemStep addresses item i of a list called name by what tells it apart.
func ItemStep(name string, items []any, i int) Step {
	by, ok := mergeKeys[name]
	if !ok {
		by = []string{"name"}
	}
	switch item := items[i].(type) {
	case map[string]any:
		for _, k := range by {
			if v, ok := scalarText(item[k]); ok && unique(items, func(other any) bool {
				m, _ := other.(map[string]any)
				text, ok := scalarText(m[k])
				return ok && text == v
			}) {
				return Step{Item: true, By: k, Value: v, Index: i}
			}
		}
	case string:
		if item != "" && !strings.Contains(item, "]") && unique(items, func(other any) bool { return other == any(item) }) {
			return Step{Item: true, Value: item, Index: i}
		}
	}
	return Step{Item: true, Index: i}
}

// scalarText is a value that can tell items apart, as a path writes it.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, v != "" && !strings.Contains(v, "]")
	case int64, float64, bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// unique tells whether exactly one item is like that.
func unique(items []any, like func(any) bool) bool {
	n := 0
	for _, item := range items {
		if like(item) {
			n++
		}
	}
	return n == 1
}
