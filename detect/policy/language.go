package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/manifest"
)

// Language is how policies of another engine are read. Load is given every
// document that is not oakum's of what is loaded together, a file or a folder,
// and makes policies of those it knows. It sets Read on each document that it
// made use of; a document that no language reads is an error.
type Language struct {
	Kinds []string // the kinds that it reads, as group/Kind; a Kind of * is any of the group
	Load  func(docs []*Document) ([]*Policy, error)
}

// Document is one YAML document of a policy file that is not oakum's own.
type Document struct {
	File             string
	APIVersion, Kind string
	Value            map[string]any // as the API server reads it
	Read             bool           // some language made use of it

	origin origin
}

// Name is the document's metadata.name.
func (d *Document) Name() string { return d.meta("name") }

// Namespace is the document's metadata.namespace.
func (d *Document) Namespace() string { return d.meta("namespace") }

func (d *Document) meta(key string) string {
	meta, _ := d.Value["metadata"].(map[string]any)
	s, _ := meta[key].(string)
	return s
}

// Group is the API group of the document, empty for the core group.
func (d *Document) Group() string {
	group, _, ok := strings.Cut(d.APIVersion, "/")
	if !ok {
		return ""
	}
	return group
}

// Errorf makes an error at the value that keys lead to, or as near as the
// document goes; numbers are items of lists.
func (d *Document) Errorf(keys []string, format string, args ...any) *Error {
	return d.origin.at(keys, format, args...)
}

// ErrorInText makes an error at a line and a column, 1-based and 0-based, of
// the text that keys lead to.
func (d *Document) ErrorInText(keys []string, line, column int, format string, args ...any) *Error {
	return d.origin.within(keys, line, column, format, args...)
}

// reads tells whether a language knows a kind by itself.
func (l Language) reads(d *Document) bool {
	return slices.Contains(l.Kinds, d.Group()+"/"+d.Kind) || slices.Contains(l.Kinds, d.Group()+"/*")
}

// document reads a document that is not oakum's own. It is nil where nothing
// but comments stands.
func document(name string, root *yaml.Node) (*Document, error) {
	if root.Kind == yaml.ScalarNode && manifest.Scalar(root) == nil {
		return nil, nil
	}
	o := origin{file: name, root: root}
	v, err := manifest.ToValue(root)
	if err != nil {
		return nil, o.at(nil, "%v", err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, o.at(nil, "a policy is a mapping with apiVersion and kind")
	}
	d := &Document{File: name, Value: m, origin: o}
	d.APIVersion, _ = m["apiVersion"].(string)
	d.Kind, _ = m["kind"].(string)
	return d, nil
}

// foreign makes policies of the documents that are not oakum's own, which were
// loaded together.
func (c *Compiler) foreign(docs []*Document) ([]*Policy, error) {
	var policies []*Policy
	var errs []error
	for _, l := range c.Languages {
		if slices.ContainsFunc(docs, l.reads) {
			loaded, err := l.Load(docs)
			policies, errs = append(policies, loaded...), append(errs, err)
		}
	}
	for _, d := range docs {
		if !d.Read {
			errs = append(errs, d.Errorf([]string{"kind"}, "kind is %q of %q, want %s", d.Kind, d.APIVersion, c.known()))
		}
	}
	return policies, errors.Join(errs...)
}

// known names the kinds that can be loaded.
func (c *Compiler) known() string {
	kinds := []string{fmt.Sprintf("%s of %s", Kind, APIVersion)}
	for _, l := range c.Languages {
		for _, k := range l.Kinds {
			group, kind, _ := strings.Cut(k, "/")
			if kind == "*" {
				kind = "any kind"
			}
			kinds = append(kinds, kind+" of "+group)
		}
	}
	return strings.Join(kinds, ", ")
}
