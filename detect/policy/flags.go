package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// flags are what a component is started with, and where that is written.
type flags struct {
	values  map[string]string // by name without dashes: what counts
	written map[string][]occurrence
	shape   shape
	at      manifest.Path            // what holds them, and takes new ones
	fields  map[string]manifest.Path // shape fields only
}

// shape is how a resource writes flags.
type shape int

const (
	arguments  shape = iota // a list of --name=value, or --name and value
	pairs                   // a list of {name, value}
	entries                 // a map from name to value
	fields                  // fields of the component's own configuration
	unwritable              // text in text, which is not edited
)

// occurrence is one place where a flag is written.
type occurrence struct {
	path   manifest.Path   // of the scalar that holds the value
	prefix string          // what stands before the value in that scalar
	merged manifest.Path   // of what makes the value a part of another, if anything does
	all    []manifest.Path // of what goes when the flag goes
}

// accumulating are flags that may be given several times, each time with more.
var accumulating = map[string]bool{
	"admission-control": true, "enable-admission-plugins": true, "disable-admission-plugins": true, "authorization-mode": true,
	"tls-cipher-suites": true, "feature-gates": true, "runtime-config": true, "controllers": true,
	"service-account-key-file": true, "service-account-issuer": true, "api-audiences": true, "etcd-servers": true,
}

// supplied are values that something else gives where none is written.
func (f *flags) supplied(values map[string]string) {
	if f.values == nil {
		f.values = map[string]string{}
	}
	for name, value := range values {
		f.values[name] = value
	}
}

// add takes a flag that is written: of several the last counts, or all do.
func (f *flags) add(name, value string, o occurrence) {
	if f.written == nil {
		f.written = map[string][]occurrence{}
		f.supplied(nil)
	}
	switch value {
	case "True", "TRUE", "False", "FALSE":
		value = strings.ToLower(value)
	}
	if accumulating[name] && len(f.written[name]) > 0 {
		value = f.values[name] + "," + value
	}
	f.values[name] = value
	f.written[name] = append(f.written[name], o)
}

// arguments reads a command line from its item from on; at leads to the list.
func (f *flags) arguments(list []any, from int, at manifest.Path, component string) {
	f.supplied(nil)
	for i := from; i < len(list); i++ {
		s, _ := list[i].(string)
		name, ok := strings.CutPrefix(s, "--")
		if !ok && component == "etcd" {
			name, ok = strings.CutPrefix(s, "-")
		}
		if !ok || name == "" {
			continue
		}
		here := append(at.Key(), manifest.ItemStep("", list, i))
		o := occurrence{path: here, all: []manifest.Path{here}}
		name, value, given := strings.Cut(name, "=")
		switch {
		case given:
			o.prefix = s[:len(s)-len(value)]
		case i+1 < len(list) && isValue(list[i+1]):
			i++
			value, _ = scalarText(list[i])
			o.path = append(at.Key(), manifest.ItemStep("", list, i))
			o.all = append(o.all, o.path)
		default:
			value, o.prefix = "true", s+"="
		}
		f.add(strings.ReplaceAll(name, "_", "-"), value, o)
	}
}

// isValue tells a value that stands behind its flag from the next flag.
func isValue(v any) bool {
	s, ok := scalarText(v)
	return ok && (!strings.HasPrefix(s, "-") || len(s) > 1 && s[1] >= '0' && s[1] <= '9')
}

// scalarText is a scalar as a command line has it.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool, int64, float64:
		return fmt.Sprint(v), true
	}
	return "", false
}

// environment reads the variables that etcd takes for flags; flags come before them.
func (f *flags) environment(container map[string]any, at manifest.Path) {
	env, _ := container["env"].([]any)
	for i := range env {
		e, _ := env[i].(map[string]any)
		name, _ := e["name"].(string)
		value, ok := e["value"].(string)
		if name, is := strings.CutPrefix(name, "ETCD_"); is && ok {
			item := append(at.Key("env"), manifest.ItemStep("env", env, i))
			f.add(strings.ToLower(strings.ReplaceAll(name, "_", "-")), value, occurrence{path: item.Key("value"), all: []manifest.Path{item}})
		}
	}
}

// extra reads the additional flags of an installer's file: a list or a map,
// by its version. at leads there.
func (f *flags) extra(v any, at manifest.Path, listed bool) {
	f.supplied(nil)
	f.at, f.shape = at, entries
	if listed {
		f.shape = pairs
	}
	switch v := v.(type) {
	case map[string]any:
		f.shape = entries
		for name, value := range v {
			if s, ok := scalarText(value); ok {
				here := at.Key(name)
				f.add(name, s, occurrence{path: here, all: []manifest.Path{here}})
			}
		}
	case []any:
		f.shape = pairs
		for i := range v {
			item, _ := v[i].(map[string]any)
			name, _ := item["name"].(string)
			value, ok := scalarText(item["value"])
			if name == "" || !ok {
				continue
			}
			here := append(at.Key(), manifest.ItemStep("extraArgs", v, i))
			o := occurrence{path: here.Key("value"), all: []manifest.Path{here}}
			switch item["mergeMethod"] {
			case "append":
				value, o.merged = f.values[name]+value, here.Key("mergeMethod")
			case "prepend":
				value, o.merged = value+f.values[name], here.Key("mergeMethod")
			}
			f.add(name, value, o)
		}
	}
}

// path is where a flag is written, or would be.
func (f *flags) path(name string) manifest.Path {
	if o := f.written[name]; len(o) > 0 && f.shape != unwritable {
		return o[len(o)-1].path
	}
	switch f.shape {
	case unwritable:
		return f.at
	case arguments:
		return append(f.at.Key(), manifest.Step{Item: true, Value: "--" + name})
	case pairs:
		return append(f.at.Key(), manifest.Step{Item: true, By: "name", Value: name}).Key("value")
	case fields:
		return f.fields[name]
	}
	return f.at.Key(name)
}

// set gives a flag a value, in the way the resource writes flags.
func (f *flags) set(name, value string) ([]Edit, error) {
	if f.shape == unwritable {
		return nil, nil
	}
	if written := f.written[name]; len(written) > 0 {
		last := written[len(written)-1]
		edits := []Edit{{Op: Set, Path: last.path, Value: f.typed(last.prefix + value)}}
		if last.merged != nil {
			edits = append(edits, Edit{Op: Remove, Path: last.merged})
		}
		if accumulating[name] {
			edits = append(edits, removals(written[:len(written)-1])...)
		}
		return edits, nil
	}
	switch f.shape {
	case arguments:
		return []Edit{{Op: Append, Path: f.at, Value: "--" + name + "=" + value}}, nil
	case pairs:
		return []Edit{{Op: Append, Path: f.at, Value: map[string]any{"name": name, "value": value}}}, nil
	case fields:
		if f.fields[name] == nil {
			return nil, fmt.Errorf("no field of this file is the flag %s", name)
		}
	}
	return []Edit{{Op: Set, Path: f.path(name), Value: f.typed(value)}}, nil
}

// typed is a value as a field has it: only there is a truth value no text.
func (f *flags) typed(value string) any {
	if b, err := strconv.ParseBool(value); err == nil && f.shape == fields {
		return b
	}
	return value
}

// remove takes a flag away wherever it is written.
func (f *flags) remove(name string) []Edit {
	if f.shape == unwritable {
		return nil
	}
	return removals(f.written[name])
}

// removals go backwards, so that none moves an item that another one means.
func removals(of []occurrence) []Edit {
	var out []Edit
	for _, o := range slices.Backward(of) {
		for _, path := range slices.Backward(o.all) {
			out = append(out, Edit{Op: Remove, Path: path})
		}
	}
	return out
}
