package bot

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
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

	mu     sync.Mutex
	last   *cluster.Inventory
	at     time.Time
	wanted map[int64]wanted // by repository
}

// wanted are the kinds that a repository asks a cluster for. Two of one key ask
// for the same.
type wanted struct {
	key   string
	wants manifest.Wants
}

// inventory is the last reading, or a new one where that is too old, or lacks
// kinds that this repository wants. A cluster that cannot be read is an error:
// without what it says other fixes would be proposed, and those that are open
// taken back.
func (c *Cluster) inventory(ctx context.Context, repository int64, w wanted, now time.Time) (*cluster.Inventory, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fits := c.last != nil && c.wanted[repository].key == w.key
	if c.wanted == nil {
		c.wanted = map[int64]wanted{}
	}
	c.wanted[repository] = w
	if fits && now.Sub(c.at) < c.Every {
		return c.last, nil
	}
	read, err := c.Read(ctx, func(apiVersion, kind string) bool {
		for _, w := range c.wanted {
			if w.wants(apiVersion, kind) {
				return true
			}
		}
		return false
	})
	if err != nil {
		if fits && now.Sub(c.at) < 10*c.Every {
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

// joined is a project with what its cluster says: what is wrong there, and how
// it differs from the tree at a commit.
func (r *run) joined(ctx context.Context, p *remediate.Project) (*remediate.Project, error) {
	c := r.b.cluster(r.about.Name)
	if c == nil {
		return p, nil
	}
	inventory, err := c.inventory(ctx, r.about.ID, wanted{r.memory.settings + kindsOf(p.Set), p.DriftWants()}, r.b.o.Now())
	if err != nil {
		return nil, err
	}
	out := *p
	if err := out.Join(ctx, inventory, r.host.CloneURL()); err != nil || len(p.Set.Files) == 0 {
		return &out, err
	}
	at := func(commit string) (fs.FS, error) { return r.tree(ctx, commit) }
	if r.drift, err = out.Drift(ctx, remediate.DriftOptions{Commit: r.head, At: at}); err != nil {
		return nil, fmt.Errorf("comparing cluster %s with the repository: %w", c.Name, err)
	}
	out.Adopt(r.drift)
	return &out, nil
}

// kindsOf names the kinds of a set.
func kindsOf(set *manifest.Set) string {
	kinds := map[string]bool{}
	for r := range set.Resources {
		kinds[r.Group()+"/"+r.Kind] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(kinds)), " ")
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
