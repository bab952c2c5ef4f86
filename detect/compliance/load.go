package compliance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/policy"
)

// What a framework file may have, so that a stranger's cannot keep us busy.
const (
	maxFile     = 1 << 20 // bytes
	maxFiles    = 200     // of a directory
	maxControls = 5000
)

type file struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec Framework `yaml:"spec"`
}

// Load reads the frameworks of a file, one document each. The errors are
// *policy.Error and name file, line and what is wrong.
func Load(name string, src []byte) ([]*Framework, error) {
	if len(src) > maxFile {
		return nil, &policy.Error{File: name, Message: fmt.Sprintf("framework file is larger than %d KiB", maxFile>>10)}
	}
	var out []*Framework
	strict := yaml.NewDecoder(bytes.NewReader(src))
	strict.KnownFields(true)
	for i := 0; ; i++ {
		var f file
		if err := strict.Decode(&f); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, yamlError(name, err)
		}
		f.Spec.Name, f.Spec.File, f.Spec.origin = f.Metadata.Name, name, origin{name, src, i}
		if err := f.check(); err != nil {
			return nil, err
		}
		out = append(out, &f.Spec)
	}
}

// LoadFS loads every *.yaml and *.yml file of a tree, in order of path. It goes
// on after a bad file and joins the errors.
func LoadFS(tree fs.FS) ([]*Framework, error) {
	var names []string
	err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if ext := path.Ext(p); err != nil || d.IsDir() || ext != ".yaml" && ext != ".yml" {
			return err
		}
		if names = append(names, p); len(names) > maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	loaded, errs := make([][]*Framework, len(names)), make([]error, len(names))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0)) // parsing keeps a core busy
	for i, name := range names {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			loaded[i], errs[i] = LoadFile(tree, name)
		})
	}
	wg.Wait()
	return slices.Concat(loaded...), errors.Join(errs...)
}

// LoadFile loads the frameworks of one file of a tree.
func LoadFile(tree fs.FS, name string) ([]*Framework, error) {
	info, err := fs.Stat(tree, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, &policy.Error{File: name, Message: fmt.Sprintf("no regular file of at most %d KiB", maxFile>>10)}
	}
	src, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	return Load(name, src)
}

// origin is the document that a framework was read from. It is parsed again
// for the position of a mistake, since most files have none.
type origin struct {
	file     string
	src      []byte
	document int
}

// errorf makes an error at the value that keys lead to, or at the last one on
// the way that is there; numbers are items of lists.
func (o origin) errorf(keys []any, format string, args ...any) error {
	e := &policy.Error{File: o.file, Message: fmt.Sprintf(format, args...)}
	nodes := yaml.NewDecoder(bytes.NewReader(o.src))
	var doc yaml.Node
	for range o.document + 1 {
		doc = yaml.Node{}
		if err := nodes.Decode(&doc); err != nil || len(doc.Content) == 0 {
			return e // what was parsed before is parsed again, so that this is not reached
		}
	}
	n := find(doc.Content[0], keys)
	e.Line, e.Column = n.Line, n.Column
	return e
}

func find(n *yaml.Node, keys []any) *yaml.Node {
	for _, k := range keys {
		var next *yaml.Node
		switch k := k.(type) {
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == k {
					next = n.Content[i+1]
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && k < len(n.Content) {
				next = n.Content[k]
			}
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

var nameFormat = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`)

// at is a way to a value: keys of mappings, numbers for items of lists.
func at(keys ...any) []any { return keys }

// check is what a framework must have.
func (f *file) check() error {
	s := &f.Spec
	o := s.origin
	switch {
	case f.APIVersion != policy.APIVersion:
		return o.errorf(at("apiVersion"), "apiVersion is %q, want %s", f.APIVersion, policy.APIVersion)
	case f.Kind != Kind:
		return o.errorf(at("kind"), "kind is %q, want %s", f.Kind, Kind)
	case !nameFormat.MatchString(s.Name):
		return o.errorf(at("metadata", "name"), "name %q has other characters than a-z, 0-9, and dots and dashes between them", s.Name)
	case s.Title == "" || s.Source == "":
		return o.errorf(at("spec"), "framework %s needs a title and a source", s.Name)
	case len(s.Controls) == 0 || len(s.Controls) > maxControls:
		return o.errorf(at("spec", "controls"), "framework %s has %d controls, want 1 to %d", s.Name, len(s.Controls), maxControls)
	}
	ids := map[string]bool{}
	for i, c := range s.Controls {
		where := at("spec", "controls", i)
		if c == nil {
			return o.errorf(where, "a control is empty")
		}
		if keys, message := c.wrong(s); message != "" {
			return o.errorf(append(where, keys...), "%s", message)
		}
		if ids[c.ID] {
			return o.errorf(append(where, "id"), "control %s is there twice", c.ID)
		}
		ids[c.ID] = true
	}
	for i, d := range s.Disagreements {
		where := at("spec", "disagreements", i)
		if s.References[d.Reference] == "" || d.Says == "" || d.Reason == "" || len(d.Controls) == 0 {
			return o.errorf(where, "a disagreement needs controls, one of the references, what it says, and the reason for not following it")
		}
		for j, id := range d.Controls {
			if !ids[id] {
				return o.errorf(append(where, "controls", j), "framework %s has no control %s", s.Name, id)
			}
		}
	}
	return nil
}

// wrong says what a control lacks, and at which of its fields; an empty
// message says that nothing is wrong.
func (c *Control) wrong(s *Framework) (keys []any, message string) {
	switch {
	case c.ID == "" || strings.TrimSpace(c.ID) != c.ID:
		return at("id"), "a control needs an id, without blanks around it"
	case c.Title == "":
		return nil, fmt.Sprintf("control %s needs a title", c.ID)
	case c.Level == "" != (len(s.Levels) == 0), c.Level != "" && !slices.Contains(s.Levels, c.Level):
		return at("level"), fmt.Sprintf("the level of control %s is %q, and those of the framework are %q", c.ID, c.Level, s.Levels)
	case c.Automated && len(c.Policies) == 0:
		return at("automated"), fmt.Sprintf("control %s is automated and names no policies", c.ID)
	case !c.Automated && c.Guidance == "":
		return nil, fmt.Sprintf("control %s is not automated: give guidance", c.ID)
	case c.Kubernetes.Until != 0 && c.Kubernetes.Until < c.Kubernetes.Since:
		return at("kubernetes"), "until comes before since"
	}
	for i, name := range c.Policies {
		if slices.Contains(c.Policies[:i], name) {
			return at("policies", i), fmt.Sprintf("control %s names policy %s twice", c.ID, name)
		}
	}
	for i, name := range c.ConfirmedBy {
		if s.References[name] == "" {
			return at("confirmedBy", i), fmt.Sprintf("%s is none of the references", name)
		}
	}
	return nil, ""
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// yamlError gives the parser's complaint the form of ours.
func yamlError(name string, err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	message = strings.TrimPrefix(message, "unmarshal errors:\n  ")
	e := &policy.Error{File: name, Column: 1}
	if m := yamlLine.FindStringSubmatchIndex(message); m != nil {
		e.Line, _ = strconv.Atoi(message[m[2]:m[3]])
		message = message[m[1]:]
	}
	message, _, _ = strings.Cut(message, "\n")
	e.Message = strings.ReplaceAll(strings.ReplaceAll(message, "compliance.", ""), "policy.", "")
	return e
}
