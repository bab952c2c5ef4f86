package remediate

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/manifest"
)

// Follower keeps what is found in a cluster current while that changes, and
// points to what decides it in the tree of its project. It is for one goroutine.
type Follower struct {
	project    *Project
	repository string
	pinned     bool // judged for one version of Kubernetes, whatever the API server runs
	provider   string
	view       *cluster.View
	monitor    *detect.Monitor
	variables  map[[2]string]bool // ConfigMaps that Flux takes variables from
}

// Follow joins the project with a cluster as Join does, and is told of changes
// afterwards. Pinned tells that the settings' version of Kubernetes was chosen,
// rather than being that of the API server.
func (p *Project) Follow(ctx context.Context, inventory *cluster.Inventory, repository string, pinned bool) (*Follower, error) {
	f := &Follower{project: p, repository: repository, pinned: pinned, view: inventory.View(p.workloads...)}
	set := f.view.Set()
	if err := p.meet(ctx, inventory, set, repository); err != nil {
		return nil, err
	}
	f.provider = f.view.Provider()
	f.monitor = detect.NewMonitor(set, p.judging(f.view))
	f.substituted(set)
	p.hear(f.monitor.Result())
	return f, nil
}

// Apply takes what is new in the cluster, and says what that means for what is
// found there. The project itself stays as it was when it was joined.
func (f *Follower) Apply(ctx context.Context, u cluster.Update, now time.Time) (detect.Delta, error) {
	changes := f.view.Apply(u.Kubernetes, u.Changes)
	if slices.ContainsFunc(changes, f.redirects) {
		set := f.view.Set()
		if err := f.project.trace(ctx, set, f.repository); err != nil {
			return detect.Delta{}, err
		}
		f.substituted(set)
	} else {
		f.project.Live.tracer.Apply(changes)
	}
	d := f.judge(changes, now)
	for _, found := range slices.Concat(d.Appeared, d.Changed) {
		found.Decided(f.project.Live.told(f.project.Live.tracer.Source(found.Resource)))
	}
	return d, nil
}

// judge judges what changed, or everything where how it is judged has changed.
func (f *Follower) judge(changes []manifest.Change, now time.Time) detect.Delta {
	o := &f.project.Settings
	minor := f.view.Minor()
	if f.pinned {
		minor = o.Kubernetes
	}
	sameDay := now.Format(time.DateOnly) == o.Today.Format(time.DateOnly)
	if sameDay && minor == o.Kubernetes && f.provider == f.view.Provider() {
		return f.monitor.Apply(changes)
	}
	o.Today, o.Kubernetes, f.provider = now, minor, f.view.Provider()
	return f.monitor.Reset(f.view.Set(), f.project.judging(f.view))
}

// substituted notes which ConfigMaps Flux takes variables from.
func (f *Follower) substituted(set *manifest.Set) {
	f.variables = map[[2]string]bool{}
	for r := range set.Resources {
		if !isFlux(r) {
			continue
		}
		for _, from := range substitutes(r) {
			f.variables[from.name] = from.kind == "ConfigMap"
		}
	}
}

// redirects tells changes after which other objects may be decided elsewhere.
func (f *Follower) redirects(c manifest.Change) bool {
	for _, r := range []*manifest.Resource{c.Old, c.New} {
		if r != nil && r.Kind == "ConfigMap" && f.variables[[2]string{r.Namespace, r.Name}] {
			return true
		}
		if r != nil && isFlux(r) {
			return c.Old == nil || c.New == nil || !reflect.DeepEqual(c.Old.Value["spec"], c.New.Value["spec"])
		}
	}
	return false
}
