package remediate

import (
	"context"
	"io/fs"
	"path"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/graph"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/render"
	"github.com/oakum-dev/oakum/detect/trace"
	"github.com/oakum-dev/oakum/fixers"
)

// Live is what a cluster says of a project.
type Live struct {
	Inventory *cluster.Inventory
	Set       *manifest.Set // the objects that somebody decided on
	Sources   map[*manifest.Resource]trace.Source

	tree   *trace.Tree // nil: nothing was read of one
	tracer *trace.Tracer
}

// evidence is what fixers may ask the cluster; nil where none was read.
func (l *Live) evidence() *fixers.Live {
	if l == nil {
		return nil
	}
	decides := map[*manifest.Resource][]*manifest.Resource{}
	for r := range l.Set.Resources {
		if s := l.Sources[r]; s.Resource != nil && s.Owner == "" {
			decides[s.Resource] = append(decides[s.Resource], r)
		}
	}
	return &fixers.Live{
		Running: l.Inventory.Running(),
		Objects: func(r *manifest.Resource) []*manifest.Resource { return decides[r] },
	}
}

// Join judges the objects of a cluster as well, and traces each to what
// decides it in the tree. Repository is the address of the tree, empty where
// it is not known.
func (p *Project) Join(ctx context.Context, inventory *cluster.Inventory, repository string) error {
	if err := p.meet(ctx, inventory, inventory.Set(p.workloads...), repository); err != nil {
		return err
	}
	p.hear(detect.Scan(p.Live.Set, p.judging(inventory)))
	return nil
}

// meet traces the objects of a cluster.
func (p *Project) meet(ctx context.Context, inventory *cluster.Inventory, set *manifest.Set, repository string) error {
	p.Live = &Live{Inventory: inventory, Set: set, Sources: map[*manifest.Resource]trace.Source{}}
	if err := p.trace(ctx, set, repository); err != nil {
		return err
	}
	for r := range set.Resources {
		p.Live.Sources[r] = p.Live.tracer.Source(r)
	}
	return nil
}

// trace finds anew what of the tree decides the objects of a cluster.
func (p *Project) trace(ctx context.Context, set *manifest.Set, repository string) error {
	tree, err := p.Decides(ctx)
	if err != nil {
		return err
	}
	if tree != nil {
		tree.Repository = repository
		if err := p.flux(ctx, set, tree); err != nil {
			return err
		}
	}
	p.Live.tree, p.Live.tracer = tree, trace.New(set, tree)
	return nil
}

// hear joins what was found in the cluster with what was found in the tree.
func (p *Project) hear(live detect.Result) {
	p.Result = detect.Join(p.Result, live, func(r *manifest.Resource) *trace.Source { return p.Live.told(p.Live.Sources[r]) })
	p.rank(p.Live.Set, graph.Options{Runs: p.Live.Inventory.Runs(), System: p.Live.Inventory.RunByProvider()})
}

// told is a source that is worth a word.
func (l *Live) told(s trace.Source) *trace.Source {
	if l.tree == nil && s.Unmanaged() {
		return nil
	}
	return &s
}

// provider knows who runs a cluster, and what of it they keep as it is.
type provider interface {
	Provider() string
	RunByProvider() func(*manifest.Resource) bool
}

// judging is how the objects of a cluster are judged.
func (p *Project) judging(by provider) detect.Options {
	o := p.detect(p.Settings.Selected)
	o.Least = p.Settings.Least
	o.Provider, o.Provided = by.Provider(), by.RunByProvider()
	return o
}

// Decides is what the tree would have in a cluster, as written and as rendered;
// nil where it has nothing.
func (p *Project) Decides(ctx context.Context) (*trace.Tree, error) {
	if len(p.Set.Files) == 0 {
		return nil, nil
	}
	rendered := map[string][]render.Object{}
	for _, root := range render.Roots(p.Tree, p.Kustomizations) {
		objects, err := render.Build(ctx, p.Tree, root)
		if ctx.Err() != nil {
			return nil, err
		}
		if err == nil { // else nobody can tell what it decides
			rendered[root.Dir] = objects
		}
	}
	return trace.NewTree(p.Set, rendered), nil
}

// flux adds to a tree what the Kustomizations of Flux that live in the cluster
// make of it. One that cannot be built here decides what its directory has.
func (p *Project) flux(ctx context.Context, cluster *manifest.Set, tree *trace.Tree) error {
	maps := map[[2]string]map[string]any{}
	for r := range cluster.Resources {
		if r.Kind == "ConfigMap" && r.Group() == "" {
			maps[[2]string{r.Namespace, r.Name}], _ = r.Value["data"].(map[string]any)
		}
	}
	for r := range cluster.Resources {
		if !isFlux(r) {
			continue
		}
		spec, _ := r.Value["spec"].(map[string]any)
		dir, _ := spec["path"].(string)
		dir = path.Clean("/" + dir)[1:]
		if dir == "" {
			dir = "."
		}
		if info, err := fs.Stat(p.Tree, dir); err != nil || !info.IsDir() {
			continue
		}
		f := render.Flux{Dir: dir, Spec: spec, Variables: map[string]string{}, Complete: true}
		for _, from := range substitutes(r) {
			values, known := maps[from.name]
			f.Complete = f.Complete && known && from.kind == "ConfigMap"
			if from.kind != "ConfigMap" {
				continue
			}
			for k, v := range values {
				f.Variables[k], _ = v.(string)
			}
		}
		objects, err := f.Build(ctx, p.Tree, p.Kustomizations)
		if ctx.Err() != nil {
			return err
		}
		if err == nil {
			tree.Flux(r.Namespace+"/"+r.Name, dir, objects)
		}
	}
	return nil
}

func isFlux(r *manifest.Resource) bool {
	return r.Kind == "Kustomization" && r.Group() == "kustomize.toolkit.fluxcd.io"
}

// variables are where a Kustomization of Flux takes some of its variables from.
type variables struct {
	kind string
	name [2]string // namespace and name
}

func substitutes(r *manifest.Resource) []variables {
	spec, _ := r.Value["spec"].(map[string]any)
	post, _ := spec["postBuild"].(map[string]any)
	from, _ := post["substituteFrom"].([]any)
	var out []variables
	for _, e := range from {
		m, _ := e.(map[string]any)
		kind, _ := m["kind"].(string)
		name, _ := m["name"].(string)
		out = append(out, variables{kind, [2]string{r.Namespace, name}})
	}
	return out
}

// LiveWants tells which kinds of a cluster are looked at.
func (o Settings) LiveWants() manifest.Wants {
	workloads, err := o.Config.workloads()
	if err != nil {
		workloads = nil // ReadProject says so
	}
	return (&Project{Settings: o, workloads: workloads}).detect(o.Policies).Wants
}
