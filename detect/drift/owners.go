package drift

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// maxOwners bounds how many entries of managedFields are read of an object.
const maxOwners = 200

// entry is what one manager owns of an object.
type entry struct {
	Owner
	fields map[string]any // fields.v1: "f:name", `k:{"name":"web"}`, "v:1", "."
}

// owners reads who wrote what of an object; what belongs to its status is left out.
func owners(object map[string]any) []entry {
	var out []entry
	all := list(field(object, "metadata", "managedFields"))
	for _, e := range all[:min(len(all), maxOwners)] {
		fields, ok := field(e, "fieldsV1").(map[string]any)
		if !ok || field(e, "subresource") == "status" {
			continue
		}
		when, _ := time.Parse(time.RFC3339, text(field(e, "time")))
		out = append(out, entry{Owner{text(field(e, "manager")), text(field(e, "operation")), text(field(e, "subresource")), when}, fields})
	}
	return out
}

// hold is how a manager owns a field.
type hold int

const (
	none   hold = iota
	within      // as part of a list or map that has one owner
	exact       // by itself, or something in it
)

// holds tells how an entry owns what a path leads to in an object.
func (e entry) holds(object any, path manifest.Path) hold {
	fields, v := e.fields, object
	for i, s := range path {
		if len(fields) == 0 {
			if i == 0 {
				return none
			}
			return within
		}
		next, ok := child(fields, s, v)
		if !ok {
			return none
		}
		fields, v = next, at(v, manifest.Path{s})
	}
	return exact
}

func child(fields map[string]any, s manifest.Step, v any) (map[string]any, bool) {
	if !s.Item {
		next, ok := fields["f:"+s.Key].(map[string]any)
		return next, ok
	}
	item := at(v, manifest.Path{s})
	for key, below := range fields {
		next, ok := below.(map[string]any)
		keys, keyed := strings.CutPrefix(key, "k:")
		if !ok || !keyed {
			continue
		}
		var is map[string]any
		if json.Unmarshal([]byte(keys), &is) != nil {
			continue
		}
		match := len(is) > 0
		for k, want := range is {
			has := field(item, k)
			if has == nil && k == "protocol" {
				has = "TCP"
			}
			match = match && alike(want, has)
		}
		if match {
			return next, true
		}
	}
	return nil, false
}

// latest is who wrote last what a path leads to; empty if nobody is noted.
func latest(entries []entry, object any, path manifest.Path) Owner {
	var out Owner
	for _, e := range entries {
		if e.holds(object, path) != none && (out.Manager == "" || e.Time.After(out.Time)) {
			out = e.Owner
		}
	}
	return out
}
