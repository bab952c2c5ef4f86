package drift

import (
	"fmt"
	"slices"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// field is the value that keys lead to, nil where there is none.
func field(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// clone copies a value deeply; numbers become int64 or float64.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	case int:
		return int64(v)
	}
	return v
}

// index is which item of a list a step means, -1 for none.
func index(l []any, s manifest.Step) int {
	if s.By == "" {
		if s.Index < len(l) {
			return s.Index
		}
		return -1
	}
	return slices.IndexFunc(l, func(e any) bool {
		m, _ := e.(map[string]any)
		v, ok := m[s.By]
		return ok && fmt.Sprint(v) == s.Value
	})
}

// at is where a path leads to, nil where there is nothing.
func at(v any, path manifest.Path) any {
	for _, s := range path {
		if !s.Item {
			v = field(v, s.Key)
			continue
		}
		l := list(v)
		i := index(l, s)
		if i < 0 {
			return nil
		}
		v = l[i]
	}
	return v
}

// with gives a value another one at a path, in place: nil takes it away. What
// is missing on the way is made; what is of another kind is replaced.
func with(v any, path manifest.Path, value any) any {
	if len(path) == 0 {
		return value
	}
	s := path[0]
	if !s.Item {
		m, ok := v.(map[string]any)
		if !ok {
			if value == nil {
				return v
			}
			m = map[string]any{}
		}
		below := with(m[s.Key], path[1:], value)
		if below == nil {
			delete(m, s.Key)
		} else {
			m[s.Key] = below
		}
		return m
	}
	l := list(v)
	i := index(l, s)
	if i < 0 {
		if value == nil {
			return v
		}
		return append(l, with(nil, path[1:], value))
	}
	below := with(l[i], path[1:], value)
	if below == nil {
		return slices.Delete(l, i, i+1)
	}
	l[i] = below
	return l
}
