package bot

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/store"
)

// Cluster is one that repositories are deployed to. What it says is evidence for
// fixes, and what is wrong in it belongs to the repository that decides it.
type Cluster struct {
	Name         string
	Repositories []string // globs of owner/name whose manifests it runs
	Read         func(ctx context.Context, wants manifest.Wants) (*cluster.Inventory, error)
	Every        time.Duration // between two readings

	mu   sync.Mutex
	last *cluster.Inventory
	at   time.Time
}

// inventory is the last reading, or a new one where that is too old. A cluster
// that cannot be read is an error: without what it says other fixes would be
// proposed, and those that are open taken back.
func (c *Cluster) inventory(ctx context.Context, wants manifest.Wants, now time.Time) (*cluster.Inventory, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && now.Sub(c.at) < c.Every {
		return c.last, nil
	}
	read, err := c.Read(ctx, wants)
	if err != nil {
		if c.last != nil && now.Sub(c.at) < 10*c.Every {
			return c.last, nil
		}
		return nil, fmt.Errorf("reading cluster %s: %w", c.Name, err)
	}
	c.last, c.at = read, now
	return read, nil
}

// cluster is the first that runs a repository; nil: none is known to.
func (b *Bot) cluster(repository string) *Cluster {
	for _, c := range b.o.Clusters {
		for _, glob := range c.Repositories {
			if ok, _ := doublestar.Match(glob, repository); ok {
				return c
			}
		}
	}
	return nil
}

// joined is a project with what its cluster says.
func (v *visit) joined(ctx context.Context, p *remediate.Project) (*remediate.Project, error) {
	c := v.b.cluster(v.about.Name)
	if c == nil {
		return p, nil
	}
	inventory, err := c.inventory(ctx, p.Settings.LiveWants(), v.b.o.Now())
	if err != nil {
		return nil, err
	}
	out := *p
	return &out, out.Join(ctx, inventory, v.host.CloneURL())
}

// live looks at a repository again after its cluster was read.
func (v *visit) live(ctx context.Context) error { return v.reconcile(ctx, true) }

// Watch has the repositories of every cluster looked at again when it is time to
// read it; it returns when the context ends.
func (b *Bot) Watch(ctx context.Context, every time.Duration) error {
	for ticker := time.NewTicker(every); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return nil
		case <-ticker.C:
		}
		if _, _, due, err := b.o.Store.Due(ctx, "live", every); err != nil || !due {
			continue
		}
		all, err := b.o.Hub.Repositories(ctx)
		if err != nil {
			b.o.Log.Warn("clusters were not followed", "error", err)
		}
		for _, r := range all {
			if b.cluster(r.Name) == nil {
				continue
			}
			if err := b.o.Store.Add(ctx, 0, store.Task{Repository: stored(r), Kind: store.Live}); err != nil {
				b.o.Log.Warn("a repository was not looked at after its cluster", "repository", r.Name, "error", err)
			}
		}
	}
}
