package remediate

import (
	"context"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/cluster"
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
	tree, err := p.decides(ctx, repository)
	if err != nil {
		return err
	}
	p.Live = &Live{Inventory: inventory, Set: inventory.Set(p.workloads...), Sources: map[*manifest.Resource]trace.Source{}}
	p.Live.tree, p.Live.tracer = tree, trace.New(p.Live.Set, tree)
	for r := range p.Live.Set.Resources {
		p.Live.Sources[r] = p.Live.tracer.Source(r)
	}
	p.Result = detect.Join(p.Result, detect.Scan(p.Live.Set, p.judging()), func(r *manifest.Resource) *trace.Source {
		s := p.Live.Sources[r]
		if tree == nil && s.Unmanaged() {
			return nil
		}
		return &s
	})
	return nil
}

// judging is how the objects of the cluster are judged.
func (p *Project) judging() detect.Options {
	o := p.detect(p.Settings.Selected)
	o.Least = p.Settings.Least
	o.Provider, o.Provided = p.Live.Inventory.Provider(), p.Live.Inventory.RunByProvider()
	return o
}

// decides is what the tree would have in a cluster, as written and as rendered;
// nil where it has nothing.
func (p *Project) decides(ctx context.Context, repository string) (*trace.Tree, error) {
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
	tree := trace.NewTree(p.Set, rendered)
	tree.Repository = repository
	return tree, nil
}

// LiveWants tells which kinds of a cluster are looked at.
func (o Settings) LiveWants() manifest.Wants {
	workloads, err := o.Config.workloads()
	if err != nil {
		workloads = nil // ReadProject says so
	}
	return (&Project{Settings: o, workloads: workloads}).detect(o.Policies).Wants
}
