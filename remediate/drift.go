package remediate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/drift"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/admission"
	"github.com/oakum-dev/oakum/detect/render"
	"github.com/oakum-dev/oakum/detect/trace"
	"github.com/oakum-dev/oakum/fixers"
)

// DriftOptions say how a cluster is compared with a project.
type DriftOptions struct {
	Within []string // directories and files of the tree that count; empty: all
	Commit string   // of the tree; empty: not known

	// At is the tree at another commit, which a controller says it applied;
	// nil, or an error: it is not here.
	At func(commit string) (fs.FS, error)
	// Apply is what the API server would make of an object; nil: it is not asked.
	Apply func(trace.Desired, *manifest.Resource) (map[string]any, error)
}

// Everything is what a tree is asked for to be compared with a cluster.
func Everything(string, string) bool { return true }

// DriftWants are the kinds of a cluster that policies ask for or the tree has,
// and those that explain what differs.
func (p *Project) DriftWants() manifest.Wants {
	type kind struct{ group, kind string }
	has := map[kind]bool{{"apiextensions.k8s.io", "CustomResourceDefinition"}: true, {"keda.sh", "ScaledObject"}: true}
	for r := range p.Set.Resources {
		has[kind{r.Group(), r.Kind}] = true
	}
	judged := p.Settings.LiveWants()
	return func(apiVersion, name string) bool {
		return has[kind{manifest.GroupOf(apiVersion), name}] || judged(apiVersion, name)
	}
}

// maxCommits bounds how many commits of a repository are read for one comparison.
const maxCommits = 20

// Drift compares the cluster that the project was joined with with what the
// project says, and judges what differs.
func (p *Project) Drift(ctx context.Context, o DriftOptions) (*drift.Result, error) {
	if p.Live == nil || p.Live.tree == nil {
		return nil, errors.New("comparing a cluster with Git: there is nothing in the tree")
	}
	trees := []drift.Tree{{Commit: o.Commit, Tracer: p.Live.tracer, Tree: p.Live.tree}}
	for _, commit := range p.applied(o.Commit) {
		if o.At == nil || len(trees) > maxCommits {
			break
		}
		at, err := o.At(commit)
		if err != nil {
			continue // Compare says so
		}
		tree, err := p.then(ctx, at)
		if err != nil {
			return nil, fmt.Errorf("reading commit %s, which is applied: %w", commit, err)
		}
		if tree == nil {
			continue
		}
		trees = append(trees, drift.Tree{Commit: commit, Tracer: trace.New(p.Live.Set, tree), Tree: tree})
	}
	result := drift.Compare(drift.Options{
		Live: p.Live.Set, Namespace: p.Live.Inventory.Namespace, Trees: trees, Within: o.Within, Kind: p.Live.Inventory.Read,
		Complete: admission.Defaults(), Apply: o.Apply,
	})
	drift.Judge(&result, p.Live.Set, p.judging(p.Live.Inventory))
	for _, d := range result.Drifts {
		for i := range d.Differences {
			d.Differences[i].Position = p.decided(d, d.Differences[i])
		}
	}
	p.hide(&result)
	return &result, nil
}

// applied are the commits, other than the tree's, that controllers say they applied.
func (p *Project) applied(commit string) []string {
	var out []string
	for r := range p.Live.Set.Resources {
		c := drift.CommitOf(p.Live.Sources[r].Revision)
		if c != "" && commit != "" && !strings.HasPrefix(commit, c) && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// then is what the repository decided at another commit.
func (p *Project) then(ctx context.Context, tree fs.FS) (*trace.Tree, error) {
	o := p.Settings
	o.Selected = nil
	then, err := ReadProject(tree, o)
	if err != nil {
		return nil, err
	}
	out, err := then.Decides(ctx)
	if err != nil || out == nil {
		return out, err
	}
	out.Repository = p.Live.tree.Repository
	return out, then.flux(ctx, p.Live.Set, out)
}

// decided is where the tree decides a field: in the resource, in a patch of
// it, or somewhere in the kustomization that renders it.
func (p *Project) decided(d *drift.Drift, x drift.Difference) manifest.Position {
	r := d.Desired.Resource
	kustomization := func() manifest.Position {
		for _, name := range render.Names {
			if file := path.Join(d.Desired.Dir, name); p.Kustomizations[file] != nil {
				return manifest.Position{File: file}
			}
		}
		return manifest.Position{File: d.Desired.Dir}
	}
	switch {
	case r == nil:
		return kustomization()
	case d.Desired.Dir == "" || d.Missing() || x.Git == nil || says(r, x):
		return r.Position(x.Path)
	}
	for patch := range p.Set.Resources {
		if patch.Partial && patch.Kind == r.Kind && patch.Name == r.Name && says(patch, x) {
			return patch.Position(x.Path)
		}
	}
	return kustomization()
}

// says tells whether a resource as written has the value that Git has at a difference.
func says(r *manifest.Resource, x drift.Difference) bool {
	f := r.Field(x.Path)
	if !f.Present {
		return false
	}
	v, err := manifest.ToValue(f.Node)
	return err == nil && (reflect.DeepEqual(v, x.Git) || fmt.Sprint(v) == fmt.Sprint(x.Git))
}

// hide marks in what differs what may not be shown: what policies of category
// secrets find, in the cluster and in Git.
func (p *Project) hide(result *drift.Result) {
	o := p.detect(slices.DeleteFunc(slices.Clone(p.Settings.Policies), func(p *policy.Policy) bool { return p.Category != "secrets" }))
	for _, d := range result.Drifts {
		set := &manifest.Set{Files: []*manifest.File{d.Reverted.File}}
		if !d.Missing() {
			set.Files = append(set.Files, d.Live.File)
		}
		found := detect.Scan(set, o)
		for _, f := range slices.Concat(found.Findings, found.Exempted) {
			d.Secrets = append(d.Secrets, f.Field)
		}
	}
}

// Adopt has findings that the cluster does not have, since somebody hardened it,
// mended by what the cluster has: the values are the cluster's own.
func (p *Project) Adopt(result *drift.Result) {
	p.hardened = map[*detect.Finding]hardening{}
	for _, d := range result.Drifts {
		if d.Missing() || d.Commit != "" {
			continue
		}
		for _, mended := range d.Strengthens {
			if f := p.written(d, mended); f != nil && p.hardened[f].drift == nil {
				p.hardened[f] = hardening{d, mended}
			}
		}
	}
}

// Harden plans and proves just the changes of the tree that bring into Git what
// the cluster has.
func (p *Project) Harden(ctx context.Context, result *drift.Result) (*Plan, error) {
	hardened := *p
	hardened.Adopt(result)
	return hardened.Plan(ctx, func(f *detect.Finding) bool { return hardened.hardened[f].drift != nil })
}

// written is the finding of the tree that a drift mends in the cluster.
func (p *Project) written(d *drift.Drift, mended *detect.Finding) *detect.Finding {
	if mended.Resource != d.Reverted {
		return nil // of another object
	}
	for _, f := range p.Result.Findings {
		if f.Git && f.Resource == d.Desired.Resource && f.Policy == mended.Policy && f.Container == mended.Container && f.Field.String() == mended.Field.String() {
			return f
		}
	}
	return nil
}

// hardening is a finding that a drift mends.
type hardening struct {
	drift  *drift.Drift
	mended *detect.Finding
}

// fix makes Git say what the cluster has, if a form of file allows it.
func (h hardening) fix(f *detect.Finding, limit policy.Safety, usual func(*detect.Finding, policy.Safety) (fixers.Fix, *fixers.Held)) (fixers.Fix, *fixers.Held) {
	if f.Resource.File.Form != manifest.Plain {
		return usual(f, limit) // says why not
	}
	fix := fixers.Fix{Finding: f, Title: "take from the cluster what Git lacks", Safety: policy.Evidence}
	for _, x := range h.drift.Differences {
		if x.Effect != drift.Strengthens || len(x.Strengths) > 0 && !slices.Contains(x.Strengths, h.mended) {
			continue
		}
		edit := policy.Edit{Op: policy.Set, Path: x.Path, Value: x.Live}
		switch last := x.Path[len(x.Path)-1]; {
		case x.Live == nil:
			edit.Op, edit.Value = policy.Remove, nil
		case x.Git == nil && last.Item:
			edit.Op, edit.Path = policy.Append, x.Path[:len(x.Path)-1]
		}
		fix.Edits = append(fix.Edits, edit)
		by := "somebody"
		if x.Owner.Manager != "" {
			by = x.Owner.Manager
		}
		fix.Evidence = append(fix.Evidence, fixers.Evidence{Level: "running", Text: fmt.Sprintf("it is so in the cluster: %s has set %s there", by, x.Path)})
	}
	if !fix.Safety.Within(limit) {
		return fixers.Fix{}, &fixers.Held{Finding: f, Reason: fixers.HeldSafety, Detail: fmt.Sprintf("%s: safety is %s", fix.Title, fix.Safety)}
	}
	return fix, nil
}
