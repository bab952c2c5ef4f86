package remediate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/render"
	"github.com/oakum-dev/oakum/detect/vuln"
	"github.com/oakum-dev/oakum/fixers"
)

// Settings say how a repository is read and judged.
type Settings struct {
	Config     Config
	Policies   []*policy.Policy // every policy that is on
	Selected   []*policy.Policy // those whose findings are asked for
	Known      []string         // names of all policies, on or off; nil means those of Policies
	Kubernetes int              // minor version, 0 for the newest known
	Today      time.Time        // what exemptions expire by; zero: none does
	Paths      []string         // in the tree; empty means all of it
	Exclude    []string
	Reports    []*vuln.Report  // of image scanners, besides those that Config and the tree have
	Least      policy.Severity // findings that are less bad are not told; empty: all are
	Wants      manifest.Wants  // kinds that are read besides those that policies judge; may be nil
	Reuse      manifest.Reuse  // of files that were read before; may be nil
	Before     *Project        // another state of the tree, whose verdicts count where files are the same; may be nil
}

// Project is a tree as it was read and judged.
type Project struct {
	Tree           fs.FS
	Kustomizations map[string][]byte // by path
	Settings       Settings
	Set            *manifest.Set
	Result         detect.Result // of the selected policies
	Live           *Live         // what a cluster says; nil: none was read
	Graph          *graph.Graph  // who reaches what: in the cluster, or else in the tree

	workloads []manifest.Workload
	reports   []*vuln.Report // of the settings, and of files of the tree
	kept      kept           // where the tree may be read again
	hardened  map[*detect.Finding]hardening
}

// ReadProject reads a tree and judges it.
func ReadProject(tree fs.FS, o Settings) (*Project, error) {
	p := &Project{Tree: tree, Settings: o}
	var err error
	if p.workloads, err = o.Config.workloads(); err != nil {
		return nil, err
	}
	if p.Kustomizations, err = kustomizations(tree); err != nil {
		return nil, err
	}
	inTree, wrong, err := readReports(tree, o.Config.Vulnerabilities)
	if err != nil {
		return nil, err
	}
	p.reports = append(inTree, o.Reports...)
	p.Set, err = manifest.Read(tree, manifest.Options{
		Paths: o.Paths, Exclude: append(slices.Clone(o.Exclude), o.Config.Vulnerabilities...), Forms: forms(p.Kustomizations), Wants: p.wants(), Workloads: p.workloads, Reuse: o.Reuse,
	})
	if err != nil {
		return nil, err
	}
	p.Set.Errors = append(p.Set.Errors, wrong...)
	p.Judge()
	return p, nil
}

// Judge judges the tree, again where its settings have changed.
func (p *Project) Judge() {
	judging := p.detect(p.Settings.Selected)
	judging.Least = p.Settings.Least
	if p.Settings.Reuse == nil {
		p.Result = detect.Scan(p.Set, judging)
	} else {
		p.Result = p.rejudge(judging)
	}
	p.rank(p.Set, graph.Options{})
}

// rank says how much the findings matter, by who reaches what among resources.
func (p *Project) rank(set *manifest.Set, o graph.Options) {
	p.Graph = graph.New(set, o)
	detect.Rank(p.Result, p.Graph)
}

func (p *Project) wants() manifest.Wants {
	wants := p.detect(p.Settings.Policies).Wants
	if p.Settings.Wants == nil {
		return wants
	}
	return func(apiVersion, kind string) bool {
		return wants(apiVersion, kind) || p.Settings.Wants(apiVersion, kind)
	}
}

func (p *Project) detect(policies []*policy.Policy) detect.Options {
	o := p.Settings
	known := o.Known
	if known == nil {
		for _, p := range o.Policies {
			known = append(known, p.Name)
		}
	}
	return detect.Options{Policies: policies, Kubernetes: o.Kubernetes, Exemptions: o.Config.Exemptions.list(), Known: known, Workloads: p.workloads, Today: o.Today, Reports: p.reports}
}

// Plan plans and proves the fixes of the findings that pick chooses; nil means all.
func (p *Project) Plan(ctx context.Context, pick func(*detect.Finding) bool) (*Plan, error) {
	in := p.input()
	if pick != nil {
		in.Findings = slices.DeleteFunc(slices.Clone(in.Findings), func(f *detect.Finding) bool { return !pick(f) })
	}
	plan, err := MakePlan(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, f := range p.Result.Exempted {
		if pick == nil || pick(f) {
			plan.Held = append(plan.Held, fixers.Held{Finding: f, Reason: fixers.HeldExempted, Detail: f.Exemption.String()})
		}
	}
	plan.sort()
	return plan, nil
}

// Uses tells what the exemptions of the project are good for.
func (p *Project) Uses() []detect.Use { return p.Result.Uses(p.detect(p.Settings.Selected)) }

func (p *Project) input() Input {
	return Input{
		Tree: p.Tree, Kustomizations: p.Kustomizations, Set: p.Set, Findings: p.Result.Findings,
		Detect: p.detect(p.Settings.Policies), Safety: p.Safety(), Live: p.Live, hardened: p.hardened,
	}
}

// Safety is how bold fixes may be.
func (p *Project) Safety() policy.Safety {
	if p.Settings.Config.Safety != "" {
		return p.Settings.Config.Safety
	}
	return policy.Evidence
}

// kustomizations reads every kustomization of a tree.
func kustomizations(tree fs.FS) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if d != nil && d.IsDir() {
				return fs.SkipDir // reported when it is read
			}
			return nil
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() || !slices.Contains(render.Names, d.Name()) {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > manifest.MaxFileSize {
			return nil
		}
		if src, err := fs.ReadFile(tree, name); err == nil {
			out[name] = src
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for kustomizations: %w", err)
	}
	return out, nil
}

// forms asks the kustomizations which files are not resources.
func forms(kustomizations map[string][]byte) func(string) manifest.Form {
	roles := render.Roles(kustomizations)
	return func(name string) manifest.Form {
		if slices.Contains(render.Names, path.Base(name)) {
			return manifest.Other
		}
		switch roles[name] {
		case render.PatchRole:
			return manifest.Patch
		case render.ResourceRole, "":
			return manifest.Plain
		}
		return manifest.Other
	}
}

// Proposer says for a finding how it is mended within a safety, or why not,
// before anything is planned or proved.
func (p *Project) Proposer() func(*detect.Finding, policy.Safety) (fixers.Fix, *fixers.Held) {
	return proposer(fixerContext(p.Tree, p.Set, p.detect(nil), p.Live), p.hardened)
}

func proposer(c fixers.Context, hardened map[*detect.Finding]hardening) func(*detect.Finding, policy.Safety) (fixers.Fix, *fixers.Held) {
	usual := func(f *detect.Finding, limit policy.Safety) (fixers.Fix, *fixers.Held) {
		return fixers.Propose(f, limit, c)
	}
	return func(f *detect.Finding, limit policy.Safety) (fixers.Fix, *fixers.Held) {
		if h, ok := hardened[f]; ok {
			return h.fix(f, limit, usual)
		}
		return usual(f, limit)
	}
}

func fixerContext(tree fs.FS, set *manifest.Set, o detect.Options, live *Live) fixers.Context {
	exists := func(name string) bool {
		_, err := fs.Stat(tree, name)
		return !errors.Is(err, fs.ErrNotExist)
	}
	files := sync.OnceValue(func() map[string]*manifest.File {
		byPath := make(map[string]*manifest.File, len(set.Files))
		for _, f := range set.Files {
			byPath[f.Path] = f
		}
		return byPath
	})
	return fixers.Context{
		Live:       live.evidence(),
		Exists:     exists,
		File:       func(name string) *manifest.File { return files()[name] },
		Neighbours: sync.OnceValue(func() *fixers.Neighbours { return fixers.NewNeighbours(set) }),
		Scans:      sync.OnceValue(func() *vuln.Index { return o.Scans(set) }),
		Images:     sync.OnceValue(func() map[string][]fixers.Image { return fixers.Images(set) }),
		Kustomization: func(dir string) (string, bool) {
			for _, name := range render.Names {
				if file := path.Join(dir, name); exists(file) {
					return file, true
				}
			}
			return "", false
		},
	}
}
