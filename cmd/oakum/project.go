package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/admission"
	"github.com/oakum-dev/oakum/detect/policy/gatekeeper"
	"github.com/oakum-dev/oakum/detect/policy/rego"
	"github.com/oakum-dev/oakum/detect/vuln"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
)

// project is a repository, or a folder, with what was read and found in it.
type project struct {
	*remediate.Project
	catalogue catalogue
	dir       string   // absolute path of the root
	root      *os.Root // keeps every access inside dir
}

// open finds the root that the paths belong to and reads it. All paths that
// oakum prints are relative to that root, as git's are.
func (a *app) open(ctx context.Context, paths []string) (*project, error) {
	p, o, err := a.prepare(ctx, paths)
	if err != nil {
		return nil, err
	}
	if p.Project, err = remediate.ReadProject(p.root.FS(), o); err != nil {
		p.root.Close()
		return nil, err
	}
	return p, nil
}

// prepare finds the root, and how it is to be read.
func (a *app) prepare(ctx context.Context, paths []string) (*project, remediate.Settings, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	dir, rel, err := locate(paths)
	if err != nil {
		return nil, remediate.Settings{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, remediate.Settings{}, fmt.Errorf("opening %s: %w", dir, err)
	}
	o, frameworks, err := a.settings(ctx, root.FS())
	if err != nil {
		root.Close()
		return nil, remediate.Settings{}, err
	}
	o.Paths = rel
	return &project{catalogue: frameworks, dir: dir, root: root}, o, nil
}

// locate finds the repository root above the first path, and the paths in it.
func locate(paths []string) (dir string, rel []string, err error) {
	first, err := filepath.Abs(paths[0])
	if err != nil {
		return "", nil, err
	}
	info, err := os.Stat(first)
	if err != nil {
		return "", nil, describe(err)
	}
	if !info.IsDir() {
		first = filepath.Dir(first)
	}
	dir = first
	if wd, err := os.Getwd(); err == nil && inside(wd, first) {
		dir = wd
	}
	for d := first; ; d = filepath.Dir(d) {
		if exists(filepath.Join(d, ".git")) || exists(filepath.Join(d, remediate.ConfigName)) {
			dir = d
			break
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return "", nil, err
		}
		if _, err := os.Stat(abs); err != nil {
			return "", nil, describe(err)
		}
		if !inside(dir, abs) {
			return "", nil, fmt.Errorf("%s lies outside %s, the root of %s: run oakum once for each", p, dir, paths[0])
		}
		r, err := filepath.Rel(dir, abs)
		if err != nil {
			return "", nil, err
		}
		rel = append(rel, filepath.ToSlash(r))
	}
	return dir, rel, nil
}

func inside(dir, p string) bool {
	r, err := filepath.Rel(dir, p)
	return err == nil && r != ".." && !strings.HasPrefix(r, ".."+string(filepath.Separator))
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

// describe says what is wrong with a path in the words of a user.
func describe(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: no such file or directory", pe.Path)
		}
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}

// settings joins flags and configuration.
func (a *app) settings(ctx context.Context, tree fs.FS) (o remediate.Settings, frameworks catalogue, err error) {
	name := remediate.ConfigName
	read := func() ([]byte, error) {
		if info, err := fs.Stat(tree, name); err == nil && info.Size() > remediate.MaxConfig {
			return nil, fmt.Errorf("%s has %d bytes, more than the %d that are read", name, info.Size(), remediate.MaxConfig)
		}
		return fs.ReadFile(tree, name)
	}
	if a.config != "" {
		name = a.config
		read = func() ([]byte, error) { return os.ReadFile(name) }
	}
	src, err := read()
	if err != nil && (a.config != "" || !errors.Is(err, fs.ErrNotExist)) {
		return o, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if o.Config, err = a.loadConfig(ctx, name, src); err != nil {
		return o, nil, err
	}
	all, err := a.library()
	if err != nil {
		return o, nil, err
	}
	for _, p := range all {
		o.Known = append(o.Known, p.Name)
	}
	frameworks = a.catalogue(all, tree, o.Config.Frameworks)
	if all, err = strict(all, a.strict); err != nil {
		return o, nil, err
	}
	if o.Policies, err = o.Config.Apply(all); err != nil {
		return o, nil, err
	}
	o.Today = time.Now()
	if o.Selected, err = a.selected(o.Policies, frameworks); err != nil {
		return o, nil, err
	}
	if a.severity != "" {
		o.Least = policy.Severity(a.severity)
	}
	if o.Reports, err = a.scanned(); err != nil {
		return o, nil, err
	}
	if a.safety != "" {
		if o.Config.Safety, err = oneOf("safety", a.safety, policy.Safeties[:3]); err != nil {
			return o, nil, err
		}
	}
	if a.kubernetes != "" {
		o.Config.Kubernetes = a.kubernetes
	}
	if o.Kubernetes, err = o.Config.Minor(); err != nil {
		return o, nil, err
	}
	o.Exclude = append(slices.Clone(o.Config.Exclude), a.exclude...)
	return o, frameworks, nil
}

// scanned reads the reports that --vulnerabilities names.
func (a *app) scanned() ([]*vuln.Report, error) {
	var out []*vuln.Report
	for _, name := range a.reports {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--vulnerabilities: %w", describe(err))
		}
		reports, err := remediate.ReadReport(name, f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("--vulnerabilities: %s: %w", name, err)
		}
		for _, r := range reports {
			r.Given = true
		}
		if out = append(out, reports...); len(out) > vuln.MaxReports {
			return nil, fmt.Errorf("--vulnerabilities: reports on more than %d images", vuln.MaxReports)
		}
	}
	return out, nil
}

// strict makes policies strict: what a repository says of them does not count.
func strict(all []*policy.Policy, names []string) ([]*policy.Policy, error) {
	out := slices.Clone(all)
	for _, name := range names {
		i := slices.IndexFunc(out, func(p *policy.Policy) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("--strict: no policy is called %q%s; 'oakum policy list' prints them", name, nearest(name, all))
		}
		p := *out[i]
		p.Strict = true
		out[i] = &p
	}
	return out, nil
}

// compiler reads policies that users bring.
func compiler() *policy.Compiler {
	return &policy.Compiler{
		Analyzers: detect.AnalyzerNames(),
		Fixers:    fixers.Names(),
		Languages: []policy.Language{admission.Language(), gatekeeper.Language(), rego.Language()},
	}
}

// library is every policy: the built-in ones, and the user's.
func (a *app) library() ([]*policy.Policy, error) {
	c := compiler()
	builtin := &policy.Compiler{Analyzers: c.Analyzers, Fixers: c.Fixers, Known: true}
	all, err := builtin.LoadFS(policies.FS)
	if err != nil {
		return nil, fmt.Errorf("loading the built-in policies: %w", err)
	}
	for _, p := range a.policyPaths {
		more, err := a.loadPath(c, p)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	seen := map[string]*policy.Policy{}
	for _, p := range all {
		if other := seen[p.Name]; other != nil {
			return nil, fmt.Errorf("policy %s is in %s and in %s: rename one", p.Name, other.File, p.File)
		}
		seen[p.Name] = p
	}
	return all, nil
}

func (a *app) loadPath(c *policy.Compiler, name string) ([]*policy.Policy, error) {
	if b, ok := a.bundles[name]; ok {
		return loadTree(c, b.tree, b.name)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("loading policies: %w", describe(err))
	}
	if info.IsDir() {
		return loadTree(c, os.DirFS(name), filepath.Clean(name)+string(filepath.Separator))
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("loading policies: %w", describe(err))
	}
	return c.Load(name, src)
}

// loadTree loads the policies of a tree; prefix stands before the names of its files.
func loadTree(c *policy.Compiler, tree fs.FS, prefix string) ([]*policy.Policy, error) {
	loaded, err := c.LoadFS(tree)
	if err != nil {
		return nil, fmt.Errorf("loading policies of %s: %w", prefix[:len(prefix)-1], err)
	}
	for _, p := range loaded {
		p.File = prefix + p.File
	}
	return loaded, nil
}

// selected are the policies whose findings are asked for.
func (a *app) selected(all []*policy.Policy, frameworks catalogue) ([]*policy.Policy, error) {
	out := all
	if len(a.only) > 0 {
		out = nil
		for _, name := range a.only {
			i := slices.IndexFunc(all, func(p *policy.Policy) bool { return p.Name == name })
			if i < 0 {
				return nil, fmt.Errorf("no policy is called %q%s; 'oakum policy list' prints them", name, nearest(name, all))
			}
			out = append(out, all[i])
		}
	}
	if a.severity != "" {
		least, err := oneOf("severity", a.severity, policy.Severities)
		if err != nil {
			return nil, err
		}
		out = slices.DeleteFunc(slices.Clone(out), func(p *policy.Policy) bool { return !p.Worst().AtLeast(least) })
	}
	if len(a.framework) == 0 {
		return out, nil
	}
	c, err := frameworks()
	if err != nil {
		return nil, err
	}
	if _, err := c.Find(a.framework); err != nil {
		return nil, fmt.Errorf("--framework: %w", err)
	}
	out = slices.DeleteFunc(slices.Clone(out), func(p *policy.Policy) bool {
		controls := c.Controls(p.Name)
		return !slices.ContainsFunc(a.framework, func(name string) bool { return len(controls[name]) > 0 })
	})
	return out, nil
}

// nearest suggests the name that shares the longest part with a wrong one.
func nearest(name string, all []*policy.Policy) string {
	best, score := "", 2
	for _, p := range all {
		n := 0
		for _, word := range strings.Split(name, "-") {
			if len(word) > 2 && strings.Contains(p.Name, word) {
				n += len(word)
			}
		}
		if n > score {
			best, score = p.Name, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
