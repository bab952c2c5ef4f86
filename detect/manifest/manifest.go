// Package manifest turns the bytes of a repository into Kubernetes resources
// that know where they stand: file, document, and the position of each field.
//
// It reads and locates; it never writes. Documents are decoded only when
// somebody asks about their kind, so that a large definition costs a byte
// scan and nothing more.
package manifest

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/source"
)

// Form says what a file is, which decides whether its bytes may be edited as
// plain YAML.
type Form string

// The forms of a file.
const (
	Plain     Form = "plain"
	Template  Form = "template"  // Helm or another text template: never edited as YAML
	Encrypted Form = "encrypted" // SOPS: an edit would break its authentication code
	Patch     Form = "patch"     // part of an object, completed by kustomize
	Other     Form = "other"     // a kustomization, chart values and the like: no resources of its own
)

// File is one file of the repository as it was read.
type File struct {
	Path      string // slash-separated, relative to the root that was read
	Source    []byte
	Form      Form
	Text      *source.Text
	Resources []*Resource

	workloads []Workload
}

// Resource is one Kubernetes object as written: a document of a file, or an
// item of a List in one. Name, Namespace and the fields are known once it is
// decoded.
type Resource struct {
	File       *File
	Document   int // index among the file's documents, empty ones counted
	APIVersion string
	Kind       string
	Namespace  string // as written, empty when the file does not say
	Name       string
	Partial    bool // a fragment that something else completes: absent fields mean nothing

	Root  *yaml.Node     // content of the document, nil until decoded
	Node  *yaml.Node     // the resource's own mapping, inside Root
	Value map[string]any // the same as the API server would read it
}

// Group is the API group of the resource, empty for the core group.
func (r *Resource) Group() string { return GroupOf(r.APIVersion) }

// GroupOf is the API group of an apiVersion, empty for the core group.
func GroupOf(apiVersion string) string {
	if g, _, ok := strings.Cut(apiVersion, "/"); ok {
		return g
	}
	return ""
}

// ID names the resource the way people do: Kind namespace/name.
func (r *Resource) ID() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// Decoded tells whether the resource's fields were read.
func (r *Resource) Decoded() bool { return r.Value != nil }

// Error is a file, or a part of one, that could not be read. Line and Column
// are 1-based, and 0 when unknown.
type Error struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// Set is everything that was read from one tree, in order of path.
type Set struct {
	Files  []*File
	Errors []Error
}

// Resources calls yield for every decoded resource in order.
func (s *Set) Resources(yield func(*Resource) bool) {
	for _, f := range s.Files {
		for _, r := range f.Resources {
			if r.Decoded() && !yield(r) {
				return
			}
		}
	}
}
