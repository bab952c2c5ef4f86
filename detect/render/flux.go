package render

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"strings"
	"testing/fstest"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// Flux is what a Kustomization of Flux makes of a directory.
type Flux struct {
	Dir       string            // in the tree
	Spec      map[string]any    // of the Kustomization
	Variables map[string]string // of spec.postBuild.substituteFrom, as far as they are known
	Complete  bool              // they are all
}

const (
	fluxWrapper = ".oakum-flux" // a directory that no tree has
	notKnown    = "oakum-does-not-know-this"
)

// Build renders the directory as Flux would: with what the Kustomization adds
// to it. Fields whose variables are not known are left out.
func (f Flux) Build(ctx context.Context, tree fs.FS, kustomizations map[string][]byte) ([]Object, error) {
	wrapper := map[string]any{}
	for _, key := range []string{"namePrefix", "nameSuffix", "patches", "images"} {
		if v, ok := f.Spec[key]; ok {
			wrapper[key] = v
		}
	}
	if v, ok := f.Spec["targetNamespace"]; ok {
		wrapper["namespace"] = v
	}
	var components []any
	for _, c := range items(f.Spec["components"]) {
		if name, ok := c.(string); ok {
			components = append(components, path.Join("..", f.Dir, name))
		}
	}
	if len(components) > 0 {
		wrapper["components"] = components
	}
	resources, err := f.resources(tree, kustomizations)
	if err != nil {
		return nil, err
	}
	wrapper["resources"] = resources
	src, err := yaml.Marshal(wrapper)
	if err != nil {
		return nil, fmt.Errorf("building %s as Flux does: %w", f.Dir, err)
	}
	name := fluxWrapper + "/kustomization.yaml"
	with := maps.Clone(kustomizations)
	if with == nil {
		with = map[string][]byte{}
	}
	with[name] = src
	around := wrapped{tree, fstest.MapFS{name: &fstest.MapFile{Data: src}}}
	objects, err := Build(ctx, around, rootAt(around, with, directories(with), fluxWrapper))
	if err != nil {
		return nil, fmt.Errorf("building %s as Flux does: %w", f.Dir, err)
	}
	var out []Object
	for _, o := range objects {
		f.mark(o.Value)
		known, err := f.substitute(&o)
		if err != nil {
			return nil, fmt.Errorf("building %s as Flux does: %s: %w", f.Dir, o.ID(), err)
		}
		if known {
			out = append(out, o)
		}
	}
	return out, nil
}

// wrapped is a tree with one file more.
type wrapped struct {
	fs.FS
	more fstest.MapFS
}

// Open opens the file where it is asked for.
func (w wrapped) Open(name string) (fs.File, error) {
	if w.more[name] != nil {
		return w.more.Open(name)
	}
	return w.FS.Open(name)
}

func items(v any) []any {
	l, _ := v.([]any)
	return l
}

// resources is the directory, or where it has no kustomization what Flux takes
// for one: all manifests below it.
func (f Flux) resources(tree fs.FS, kustomizations map[string][]byte) ([]any, error) {
	has := func(dir string) (name string, ok bool) {
		for _, n := range Names {
			if name = path.Join(dir, n); kustomizations[name] != nil {
				return name, true
			}
		}
		return "", false
	}
	if _, ok := has(f.Dir); ok {
		return []any{path.Join("..", f.Dir)}, nil
	}
	var out []any
	err := fs.WalkDir(tree, f.Dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if file, ok := has(name); d.IsDir() && ok {
			if k, err := parse(file, kustomizations[file]); err != nil || k.Kind != types.ComponentKind {
				out = append(out, path.Join("..", name))
			}
			return fs.SkipDir
		}
		switch {
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case !d.Type().IsRegular() || path.Ext(name) != ".yaml" && path.Ext(name) != ".yml":
			return nil
		case len(out) > maxFiles:
			return fmt.Errorf("it has more than %d files", maxFiles)
		}
		if src, err := fs.ReadFile(tree, name); err == nil && anObject.Match(src) {
			out = append(out, path.Join("..", name))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("building %s as Flux does: %w", f.Dir, err)
	}
	return out, nil
}

var anObject = regexp.MustCompile(`(?m)^["']?kind["']?:`)

// mark adds the common metadata, which Flux gives to objects and not to what
// they make.
func (f Flux) mark(object map[string]any) {
	common, _ := f.Spec["commonMetadata"].(map[string]any)
	meta, _ := object["metadata"].(map[string]any)
	for _, key := range []string{"labels", "annotations"} {
		add, _ := common[key].(map[string]any)
		if len(add) == 0 || meta == nil {
			continue
		}
		has, ok := meta[key].(map[string]any)
		if !ok {
			has = map[string]any{}
			meta[key] = has
		}
		maps.Copy(has, add)
	}
}

// variable is what Flux replaces: ${name}, with a default after := or :- or
// = or -, and $${ for ${ itself; other operations of a shell are not known.
var variable = regexp.MustCompile(`\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)(:?[-=]([^${}]*))?([^}]*)\}`)

// substitute replaces variables in an object; known tells whether its name is.
func (f Flux) substitute(o *Object) (known bool, err error) {
	post, ok := f.Spec["postBuild"].(map[string]any)
	if !ok || disabled(o.Value) {
		return true, nil
	}
	src, err := yaml.Marshal(o.Value)
	if err != nil {
		return false, err
	}
	inline, _ := post["substitute"].(map[string]any)
	written := 0
	done := variable.ReplaceAllStringFunc(string(src), func(s string) string {
		if written > maxSubstituted {
			return ""
		}
		out := f.value(variable.FindStringSubmatch(s), inline)
		written += len(out)
		return out
	})
	if written > maxSubstituted {
		return false, fmt.Errorf("its variables spell out more than %d MiB", maxSubstituted>>20)
	}
	if done == string(src) {
		return true, nil
	}
	var value map[string]any
	if err := yaml.Unmarshal([]byte(done), &value); err != nil {
		return false, fmt.Errorf("it is no YAML once its variables are replaced: %w", err)
	}
	value, _ = without(value).(map[string]any)
	meta, _ := value["metadata"].(map[string]any)
	o.Value = value
	o.Name, _ = meta["name"].(string)
	o.Namespace, _ = meta["namespace"].(string)
	return o.Name != "", nil
}

// maxSubstituted bounds what variables add to one object, in bytes.
const maxSubstituted = 16 << 20

// value is what stands for a variable, by the parts of its expression.
func (f Flux) value(m []string, inline map[string]any) string {
	v, ok := inline[m[2]].(string)
	if !ok {
		v, ok = f.Variables[m[2]]
	}
	switch {
	case m[1] != "":
		return m[0][1:]
	case m[5] != "":
		return notKnown
	case ok && (v != "" || !strings.HasPrefix(m[3], ":")):
		return v
	case m[3] != "" && (ok || f.Complete):
		return m[4]
	}
	return notKnown
}

func disabled(object map[string]any) bool {
	meta, _ := object["metadata"].(map[string]any)
	for _, key := range []string{"labels", "annotations"} {
		m, _ := meta[key].(map[string]any)
		if m["kustomize.toolkit.fluxcd.io/substitute"] == "disabled" {
			return true
		}
	}
	return false
}

// without leaves out the fields of which nobody knows the value; nil: all of it.
func without(v any) any {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, notKnown) {
			return nil
		}
	case map[string]any:
		for k, e := range v {
			if e == nil {
				continue
			}
			if below := without(e); below == nil || strings.Contains(k, notKnown) {
				delete(v, k)
			} else {
				v[k] = below
			}
		}
	case []any:
		for i, e := range v {
			below := without(e)
			if below == nil && e != nil {
				return nil // what is left of the list would mean another one
			}
			v[i] = below
		}
	}
	return v
}
