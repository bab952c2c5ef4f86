package policy

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
)

const maxPolicyFile = 256 << 10 // bytes

// Paths is a list of field paths; the file may give a single one.
type Paths []string

// UnmarshalYAML reads one path or a list of them.
func (p *Paths) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*p = Paths{n.Value}
		return nil
	}
	return n.Decode((*[]string)(p))
}

type file struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec Policy `yaml:"spec"`
}

// origin remembers where the parts of a policy stand in its file.
type origin struct {
	file string
	root *yaml.Node
}

// at makes an error at the value that keys lead to; numbers are items of lists.
func (o origin) at(keys []string, format string, args ...any) *Error {
	n := o.find(keys)
	return &Error{File: o.file, Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)}
}

// within is at for a line and a column of the text there.
func (o origin) within(keys []string, line, column int, format string, args ...any) *Error {
	e := o.at(keys, format, args...)
	switch n := o.find(keys); {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		e.Line += line
		e.Column = column + 1
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		e.Column += column + 1
	default:
		e.Column += column
	}
	return e
}

func (o origin) find(keys []string) *yaml.Node {
	n := o.root
	for _, k := range keys {
		var next *yaml.Node
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == k {
					next = n.Content[i+1]
				}
			}
		case yaml.SequenceNode:
			if i, err := strconv.Atoi(k); err == nil && i < len(n.Content) {
				next = n.Content[i]
			}
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// Load reads the policies of a file: one document each. Every policy is
// compiled, unless they are known; the errors are *Error and name file, line and what is wrong.
func (c *Compiler) Load(name string, src []byte) ([]*Policy, error) {
	policies, docs, err := c.read(name, src)
	if err != nil {
		return nil, err
	}
	more, err := c.foreign(docs)
	return append(policies, more...), err
}

// read is Load without making policies of the documents in other languages.
func (c *Compiler) read(name string, src []byte) ([]*Policy, []*Document, error) {
	if len(src) > maxPolicyFile {
		return nil, nil, &Error{File: name, Message: fmt.Sprintf("policy file is larger than %d KiB", maxPolicyFile>>10)}
	}
	if isRego(name) {
		root := &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}
		return nil, []*Document{{File: name, Kind: RegoKind, Value: map[string]any{"rego": string(src)}, origin: origin{file: name, root: root}}}, nil
	}
	var policies []*Policy
	var docs []*Document
	nodes, strict := yaml.NewDecoder(bytes.NewReader(src)), yaml.NewDecoder(bytes.NewReader(src))
	strict.KnownFields(true)
	for {
		var doc yaml.Node
		if err := nodes.Decode(&doc); errors.Is(err, io.EOF) {
			return policies, docs, nil
		} else if err != nil {
			return nil, nil, yamlError(name, err)
		}
		var f file
		o := origin{file: name, root: doc.Content[0]}
		strictly := strict.Decode(&f)
		if o.find([]string{"apiVersion"}).Value != APIVersion && len(c.Languages) > 0 {
			d, err := document(name, o.root)
			if err != nil {
				return nil, nil, err
			}
			if d != nil {
				docs = append(docs, d)
			}
			continue
		}
		if strictly != nil {
			return nil, nil, yamlError(name, strictly)
		}
		p := &f.Spec
		p.Name, p.File = f.Metadata.Name, name
		if err := c.check(&f, o); err != nil {
			return nil, nil, err
		}
		if p.Fix != nil { // here, since others may read it when it is compiled
			for i := range p.Fix.Edits {
				p.Fix.Edits[i].Value = normal(p.Fix.Edits[i].Value)
			}
		}
		p.code = &code{compile: func() (*compiled, error) { return c.compile(p, o) }}
		if !c.Known {
			if _, err := p.ready(); err != nil {
				return nil, nil, err
			}
		}
		policies = append(policies, p)
	}
}

// RegoKind is the kind of a document that is a file of Rego: its value has the
// text, as rego.
const RegoKind = "Rego"

// isRego tells files of rules from those that test them.
func isRego(name string) bool {
	return path.Ext(name) == ".rego" && !strings.HasSuffix(name, "_test.rego")
}

// LoadFS loads every *.yaml, *.yml and *.rego file of a tree, in order of path. It
// goes on after a bad file and joins the errors.
func (c *Compiler) LoadFS(tree fs.FS) ([]*Policy, error) {
	var names []string
	err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if ext := path.Ext(p); err == nil && !d.IsDir() && (ext == ".yaml" || ext == ".yml" || isRego(p) && len(c.Languages) > 0) {
			names = append(names, p)
		}
		return err
	})
	loaded, docs, errs := make([][]*Policy, len(names)), make([][]*Document, len(names)), make([]error, len(names)+1)
	errs[len(names)] = err
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0)) // compiling keeps a core busy
	for i, name := range names {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			src, err := fs.ReadFile(tree, name)
			if err == nil {
				loaded[i], docs[i], err = c.read(name, src)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	policies := slices.Concat(loaded...)
	if all := slices.Concat(docs...); len(all) > 0 {
		more, err := c.foreign(all)
		policies, errs = append(policies, more...), append(errs, err)
	}
	return policies, errors.Join(errs...)
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// yamlError gives the parser's complaint the form of ours.
func yamlError(name string, err error) *Error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	message = strings.TrimPrefix(message, "unmarshal errors:\n  ")
	e := &Error{File: name, Column: 1}
	if m := yamlLine.FindStringSubmatchIndex(message); m != nil {
		e.Line, _ = strconv.Atoi(message[m[2]:m[3]])
		message = message[m[1]:]
	}
	message, _, _ = strings.Cut(message, "\n")
	e.Message = strings.ReplaceAll(message, "policy.", "")
	return e
}

var variableFormat = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)

var nameFormat = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// check is what a policy must have besides expressions that compile.
func (c *Compiler) check(f *file, o origin) *Error {
	p := &f.Spec
	spec := func(keys ...string) []string { return append([]string{"spec"}, keys...) }
	switch {
	case f.APIVersion != APIVersion:
		return o.at([]string{"apiVersion"}, "apiVersion is %q, want %s", f.APIVersion, APIVersion)
	case f.Kind != Kind:
		return o.at([]string{"kind"}, "kind is %q, want %s", f.Kind, Kind)
	case !nameFormat.MatchString(p.Name):
		return o.at([]string{"metadata", "name"}, "name %q is not in kebab-case", p.Name)
	case p.Title == "" || p.Message == "" || p.Description == "":
		return o.at(spec(), "policy %s needs a title, a description and a message", p.Name)
	case slices.ContainsFunc(p.Severities, func(s SeverityRule) bool { return !slices.Contains(Severities, s.Level) || s.When == "" }):
		return o.at(spec("severities"), "severities need a level, one of %v, and when it counts", Severities)
	case !slices.Contains(Severities, p.Severity):
		return o.at(spec("severity"), "severity is %q, want one of %v", p.Severity, Severities)
	case len(p.Match.Kinds) == 0 && len(p.Match.Components) == 0:
		return o.at(spec("match"), "match names no kinds")
	case len(p.Match.Components) > 0 && (len(p.Match.Kinds) > 0 || p.Match.Each != ""):
		return o.at(spec("match"), "components stand alone: they have neither kinds nor each")
	case slices.ContainsFunc(p.Related, func(r Related) bool {
		return !variableFormat.MatchString(r.Name) || len(r.Kinds) == 0 || r.In != "" && r.In != "namespace" && r.In != "cluster"
	}):
		return o.at(spec("related"), "related needs a name, which is a word, its kinds, and in, which is namespace or cluster")
	case (p.Require == "") == (p.Analyzer == ""):
		return o.at(spec(), "policy %s needs either require or analyzer", p.Name)
	case p.Analyzer != "" && !slices.Contains(c.Analyzers, p.Analyzer):
		return o.at(spec("analyzer"), "no analyzer is called %q; there are %v", p.Analyzer, c.Analyzers)
	case p.Kubernetes.Until != 0 && p.Kubernetes.Until < p.Kubernetes.Since:
		return o.at(spec("kubernetes"), "until comes before since")
	}
	for name, param := range p.Parameters {
		if param.Default = normal(param.Default); param.Default == nil {
			return o.at(spec("parameters", name), "parameter %s has no default", name)
		}
		p.Parameters[name] = param
	}
	if p.Fix == nil {
		return nil
	}
	if p.Fix.Fixer != "" && !slices.Contains(c.Fixers, p.Fix.Fixer) {
		return o.at(spec("fix", "fixer"), "no fixer is called %q; there are %v", p.Fix.Fixer, c.Fixers)
	}
	if p.Fix.Fixer != "" && len(p.Fix.Edits) > 0 {
		return o.at(spec("fix"), "a fix has either edits or a fixer")
	}
	manual := p.Fix.Fixer == "" && len(p.Fix.Edits) == 0
	if manual && p.Fix.Advice == "" {
		return o.at(spec("fix"), "a fix without edits needs advice")
	}
	if !manual && (p.Fix.Title == "" || len(p.Fix.Safety) == 0 && p.Fix.Fixer == "") {
		return o.at(spec("fix"), "a fix needs a title and its safety")
	}
	for i, s := range p.Fix.Safety {
		if !slices.Contains(Safeties, s.Level) {
			return o.at(spec("fix", "safety", strconv.Itoa(i), "level"), "safety is %q, want one of %v", s.Level, Safeties)
		}
		if s.Because == "" {
			return o.at(spec("fix", "safety", strconv.Itoa(i)), "say because what the fix is %s", s.Level)
		}
	}
	if n := len(p.Fix.Safety); n > 0 && p.Fix.Safety[n-1].When != "" {
		return o.at(spec("fix", "safety", strconv.Itoa(n-1), "when"), "the last safety rule must hold always: leave out when")
	}
	for i, e := range p.Fix.Edits {
		given := 0
		for _, s := range []string{e.Set, e.Remove, e.Append} {
			if s != "" {
				given++
			}
		}
		value := e.Value != nil || e.Expression != ""
		if given != 1 || (e.Remove == "") != value || e.Value != nil && e.Expression != "" {
			return o.at(spec("fix", "edits", strconv.Itoa(i)), "an edit is one of set, remove and append; set and append take a value or an expression, remove takes none")
		}
	}
	return nil
}
