package remediate

import (
	"context"

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
	rendered := map[string][]render.Object{}
	for _, root := range render.Roots(p.Tree, p.Kustomizations) {
		objects, err := render.Build(ctx, p.Tree, root)
		if ctx.Err() != nil {
			return err
		}
		if err == nil { // else nobody can tell what it decides
			rendered[root.Dir] = objects
		}
	}
	var tree *trace.Tree
	if len(p.Set.Files) > 0 {
		tree = trace.NewTree(p.Set, rendered)
		tree.Repository = repository
	}
	p.Live = &Live{Inventory: inventory, Set: inventory.Set(p.workloads...), Sources: map[*manifest.Resource]trace.Source{}}
	tracer := trace.New(p.Live.Set, tree)
	for r := range p.Live.Set.Resources {
		p.Live.Sources[r] = tracer.Source(r)
	}
	judging := p.detect(p.Settings.Selected)
	judging.Least = p.Settings.Least
	judging.Provider, judging.Provided = inventory.Provider(), inventory.RunByProvider()
	p.Result = detect.Join(p.Result, detect.Scan(p.Live.Set, judging), func(r *manifest.Resource) *trace.Source {
		s := p.Live.Sources[r]
		if tree == nil && s.Unmanaged() {
			return nil
		}
		return &s
	})
	p.rank(p.Live.Set, graph.Options{Runs: inventory.Runs(), System: inventory.RunByProvider()})
	return nil
}

// LiveWants tells which kinds of a cluster are looked at.
func (o Settings) LiveWants() manifest.Wants {
	workloads, err := o.Config.workloads()
	if err != nil {
		workloads = nil // ReadProject says so
	}
	return (&Project{Settings: o, workloads: workloads}).detect(o.Policies).Wants
}
