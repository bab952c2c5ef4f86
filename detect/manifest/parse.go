package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// Bounds on what is read of one file.
const (
	MaxFileSize  = 16 << 20 // bytes
	maxDocuments = 10_000
	maxListDepth = 4
)

// Wants tells whether resources of a kind are asked about; others are listed
// but not decoded. A nil Wants asks about everything.
type Wants func(apiVersion, kind string) bool

// Parse reads one file. What cannot be read is reported and the rest goes on.
// It returns nil without errors for a file that holds no Kubernetes object.
// Workloads are those of extensions that are known besides the usual ones.
func Parse(name string, src []byte, form Form, wants Wants, workloads ...Workload) (*File, []Error) {
	if !bytes.Contains(src, []byte("kind")) || !bytes.Contains(src, []byte("apiVersion")) {
		return nil, nil
	}
	f := &File{Path: name, Source: src, Form: form, workloads: workloads}
	if len(src) > MaxFileSize {
		return f, []Error{{File: name, Message: fmt.Sprintf("file is %d MiB, more than the %d MiB that are read", len(src)>>20, MaxFileSize>>20)}}
	}
	f.Text = source.New(src)
	if form == Plain && encrypted(src) {
		f.Form = Encrypted
	}
	if f.Form == Other || f.Form == Template {
		return f, nil
	}
	docs := f.Text.Documents()
	if len(docs) > maxDocuments {
		return f, []Error{{File: name, Message: fmt.Sprintf("file has %d documents, more than the %d that are read", len(docs), maxDocuments)}}
	}
	var errs []Error
	templated := bytes.Contains(src, []byte("{{"))
	for i, d := range docs {
		body := src[d.Start:d.End]
		apiVersion, kind, known := sniff(body)
		if known && kind == "" {
			continue
		}
		if known && wants != nil && !strings.HasSuffix(kind, "List") && !wants(apiVersion, kind) {
			f.Resources = append(f.Resources, &Resource{File: f, Document: i, APIVersion: apiVersion, Kind: kind})
			continue
		}
		root, err := f.Text.Parse(d)
		if err != nil {
			if templated {
				f.Form = Template
				f.Resources = nil
				return f, nil
			}
			errs = append(errs, syntaxError(name, err))
			continue
		}
		if root == nil {
			continue
		}
		if templated && f.Form == Plain && hasTemplate(root) {
			f.Form = Template
			f.Resources = nil
			return f, nil
		}
		errs = append(errs, f.add(i, root, root, wants, 0)...)
	}
	return f, errs
}

// add appends the resource at n, or what a List there holds.
func (f *File) add(document int, root, n *yaml.Node, wants Wants, depth int) []Error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	r := &Resource{
		File: f, Document: document, Root: root, Node: n,
		APIVersion: text(n, "apiVersion"), Kind: text(n, "kind"),
	}
	if r.APIVersion == "" || r.Kind == "" {
		return nil
	}
	if _, items, _ := child(n, Step{Key: "items"}); items != nil && items.Kind == yaml.SequenceNode && strings.HasSuffix(r.Kind, "List") {
		if depth == maxListDepth {
			return []Error{{File: f.Path, Line: n.Line, Column: n.Column, Message: "lists are nested too deeply"}}
		}
		var errs []Error
		for _, item := range items.Content {
			errs = append(errs, f.add(document, root, item, wants, depth+1)...)
		}
		return errs
	}
	if wants != nil && !wants(r.APIVersion, r.Kind) {
		r.Root, r.Node = nil, nil
		f.Resources = append(f.Resources, r)
		return nil
	}
	v, err := ToValue(n)
	if err != nil {
		return []Error{{File: f.Path, Line: n.Line, Column: n.Column, Message: fmt.Sprintf("reading %s: %v", r.Kind, err)}}
	}
	r.Value = v.(map[string]any)
	if meta, ok := r.Value["metadata"].(map[string]any); ok {
		r.Name, _ = meta["name"].(string)
		if r.Name == "" {
			r.Name, _ = meta["generateName"].(string)
		}
		r.Namespace, _ = meta["namespace"].(string)
	}
	r.Partial = f.Form == Patch || r.Value["$patch"] != nil || r.fragment()
	f.Resources = append(f.Resources, r)
	return nil
}

func text(n *yaml.Node, key string) string {
	_, v, _ := child(n, Step{Key: key})
	if v == nil {
		return ""
	}
	if v.Kind == yaml.AliasNode {
		v = v.Alias
	}
	s, _ := Scalar(v).(string)
	return s
}

func syntaxError(name string, err error) Error {
	var s *source.SyntaxError
	if errors.As(err, &s) {
		return Error{File: name, Line: s.Line, Column: s.Column, Message: s.Message}
	}
	return Error{File: name, Message: err.Error()}
}

// sniff finds the apiVersion and kind of a document in block style without
// decoding it. known is false when only decoding can tell; an empty kind with
// known true means that the document is no Kubernetes object.
func sniff(doc []byte) (apiVersion, kind string, known bool) {
	if !bytes.Contains(doc, []byte("kind")) {
		return "", "", true
	}
	kind, ok := topLevel(doc, "kind:")
	if !ok {
		return "", "", false
	}
	apiVersion, ok = topLevel(doc, "apiVersion:")
	return apiVersion, kind, ok
}

// topLevel reads the plain one-line value of a key at the left margin, where
// nothing but a top-level key of a block mapping can stand.
func topLevel(doc []byte, key string) (string, bool) {
	at := -1
	if bytes.HasPrefix(doc, []byte(key)) {
		at = len(key)
	} else if i := bytes.Index(doc, []byte("\n"+key)); i >= 0 {
		at = i + 1 + len(key)
	}
	if at < 0 {
		return "", false
	}
	line := doc[at:]
	if i := bytes.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	v := string(line)
	if i := strings.Index(v, " #"); i >= 0 {
		v = v[:i]
	}
	v = strings.TrimSpace(v)
	if len(v) >= 2 && (v[0] == '"' || v[0] == '\'') && v[len(v)-1] == v[0] {
		v = v[1 : len(v)-1]
	}
	for _, c := range v {
		if c != '/' && c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return "", false
		}
	}
	return v, v != ""
}

// encrypted recognises what SOPS wrote: its metadata at the top level, with
// the authentication code that an edit would break.
func encrypted(src []byte) bool {
	return (bytes.Contains(src, []byte("\nsops:")) || bytes.Contains(src, []byte(`"sops"`))) &&
		bytes.Contains(src, []byte("ENC["))
}

// hasTemplate finds a template action where YAML would take it for syntax:
// in a plain scalar or as a flow mapping in a flow mapping's place.
func hasTemplate(n *yaml.Node) bool {
	if n.Kind == yaml.ScalarNode && n.Style == 0 && strings.Contains(n.Value, "{{") {
		return true
	}
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && len(n.Content) == 2 &&
		n.Content[0].Kind == yaml.MappingNode && n.Content[0].Style&yaml.FlowStyle != 0 {
		return true
	}
	for _, c := range n.Content {
		if hasTemplate(c) {
			return true
		}
	}
	return false
}
