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

// newFlags are flags that something supplies where none is written.
func newFlags(shape shape, at manifest.Path, supplied map[string]string) *flags {
	f := &flags{values: supplied, written: map[string][]occurrence{}, shape: shape, at: at}
	if f.values == nil {
		f.values = map[string]string{}
	}
	return f
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
	text   string // the value
	prefix string // what stands before the value in the scalar that holds it
	value  spot   // that scalar
	merged bool   // something beside the value makes it a part of another
	all    []spot // what goes when the flag goes
}

// spot is a place in a resource: a path, or an item of a list there, and a key
// in it. What tells an item from its neighbours is looked up when somebody
// asks, since that takes a look at all of them.
type spot struct {
	at    manifest.Path
	list  []any
	index int
	key   string
}

func (s spot) path() manifest.Path {
	p := s.at
	if s.list != nil {
		p = append(p.Key(), manifest.ItemStep("", s.list, s.index))
	}
	if s.key != "" {
		p = p.Key(s.key)
	}
	return p
}

// accumulating are flags that may be given several times, each time with more.
var accumulating = map[string]bool{
	"admission-control": true, "enable-admission-plugins": true, "disable-admission-plugins": true, "authorization-mode": true,
	"tls-cipher-suites": true, "feature-gates": true, "runtime-config": true, "controllers": true,
	"service-account-key-file": true, "service-account-issuer": true, "api-audiences": true, "etcd-servers": true,
}

// add takes a flag that is written.
func (f *flags) add(name string, o occurrence) {
	switch o.text {
	case "True", "TRUE", "False", "FALSE":
		o.text = strings.ToLower(o.text)
	}
	f.written[name] = append(f.written[name], o)
}

// settle gives each flag the value that counts: the last one that is written,
// or all of them where they add up.
func (f *flags) settle() *flags {
	for name, written := range f.written {
		value := written[len(written)-1].text
		if accumulating[name] && len(written) > 1 {
			words := make([]string, len(written))
			for i, o := range written {
				words[i] = o.text
			}
			value = strings.Join(words, ",")
		}
		f.values[name] = value
	}
	return f
}

// arguments reads a command line from its item from on; at leads to the list.
func (f *flags) arguments(list []any, from int, at manifest.Path, component string) {
	for i := from; i < len(list); i++ {
		s, _ := list[i].(string)
		name, ok := strings.CutPrefix(s, "--")
		if !ok && component == "etcd" {
			name, ok = strings.CutPrefix(s, "-")
		}
		if !ok || name == "" {
			continue
		}
		o := occurrence{value: spot{at: at, list: list, index: i}}
		o.all = []spot{o.value}
		name, value, given := strings.Cut(name, "=")
		switch {
		case given:
			o.text, o.prefix = value, s[:len(s)-len(value)]
		case i+1 < len(list) && isValue(list[i+1]):
			i++
			o.text, _ = scalarText(list[i])
			o.value.index = i
			o.all = append(o.all, o.value)
		default:
			o.text, o.prefix = "true", s+"="
		}
		f.add(strings.ReplaceAll(name, "_", "-"), o)
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
		variable, _ := e["name"].(string)
		text, ok := e["value"].(string)
		if name, is := strings.CutPrefix(variable, "ETCD_"); is && ok {
			item := spot{at: at.Key("env"), list: env, index: i}
			o := occurrence{text: text, value: item, all: []spot{item}}
			o.value.key = "value"
			f.add(strings.ToLower(strings.ReplaceAll(name, "_", "-")), o)
		}
	}
}

// extra reads the additional flags of an installer's file, which are a list or a map.
func (f *flags) extra(v any) {
	switch v := v.(type) {
	case map[string]any:
		f.shape = entries
		for name, value := range v {
			if text, ok := scalarText(value); ok {
				here := spot{at: f.at, key: name}
				f.add(name, occurrence{text: text, value: here, all: []spot{here}})
			}
		}
	case []any:
		f.shape = pairs
		for i := range v {
			item, _ := v[i].(map[string]any)
			name, _ := item["name"].(string)
			text, ok := scalarText(item["value"])
			if name == "" || !ok {
				continue
			}
			here := spot{at: f.at, list: v, index: i}
			o := occurrence{text: text, value: here, all: []spot{here}}
			o.value.key = "value"
			switch item["mergeMethod"] {
			case "append":
				o.text, o.merged = f.values[name]+text, true
			case "prepend":
				o.text, o.merged = text+f.values[name], true
			}
			f.add(name, o)
		}
	}
}

// path is where a flag is written, or would be.
func (f *flags) path(name string) manifest.Path {
	if o := f.written[name]; len(o) > 0 && f.shape != unwritable {
		return o[len(o)-1].value.path()
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
		edits := []Edit{{Op: Set, Path: last.value.path(), Value: f.typed(last.prefix + value)}}
		if last.merged {
			edits = append(edits, Edit{Op: Remove, Path: last.all[0].path().Key("mergeMethod")})
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
		for _, s := range slices.Backward(o.all) {
			out = append(out, Edit{Op: Remove, Path: s.path()})
		}
	}
	return out
}
