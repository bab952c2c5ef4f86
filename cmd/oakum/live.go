package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"testing/fstest"
	"time"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/repo"
)

// clusterFlags choose the cluster that a verb looks at besides manifests, or a
// recording of it.
type clusterFlags struct {
	live     bool
	snapshot string
	owners   bool // keep who wrote which field
	access   cluster.Flags
}

func (f *clusterFlags) bind(c *cobra.Command) {
	c.Flags().BoolVar(&f.live, "live", false, "look at a cluster: the one that kubectl would, unless its flags say otherwise")
	c.Flags().StringVar(&f.snapshot, "snapshot", "", "look at a cluster as 'oakum snapshot' recorded it")
	f.access.Bind(c.Flags())
}

func (f *clusterFlags) given() bool { return f.live || f.snapshot != "" }

// openWith is open for verbs that may look at a cluster, too; without paths at
// that alone.
func (a *app) openWith(ctx context.Context, paths []string, from *clusterFlags) (*project, error) {
	if !from.given() {
		return a.open(ctx, paths)
	}
	p, o, err := a.prepare(ctx, paths)
	if err != nil {
		return nil, err
	}
	if err := a.join(ctx, p, o, len(paths) > 0, from); err != nil {
		p.root.Close()
		return nil, err
	}
	return p, nil
}

func (a *app) join(ctx context.Context, p *project, o remediate.Settings, tree bool, from *clusterFlags) error {
	inventory, err := a.inventory(ctx, from, p.dir, o.LiveWants())
	if err != nil {
		return err
	}
	if err := p.read(o, tree, inventory); err != nil {
		return err
	}
	return p.Join(ctx, inventory, address(p.dir))
}

// read reads what a cluster is compared with: nothing, or the tree.
func (p *project) read(o remediate.Settings, tree bool, inventory *cluster.Inventory) (err error) {
	if o.Kubernetes == 0 {
		o.Kubernetes = inventory.Minor()
	}
	o.Wants = inventory.Decides()
	files := p.root.FS()
	if !tree {
		files, o.Paths = fstest.MapFS{}, nil
	}
	p.Project, err = remediate.ReadProject(files, o)
	return err
}

// address is where the repository was cloned from, empty where nobody knows.
func address(dir string) string {
	r, err := repo.Open(dir)
	if err != nil {
		return ""
	}
	defer r.Close()
	return r.Origin()
}

// inventory reads a cluster or a recording, and says what could not be read.
func (a *app) inventory(ctx context.Context, from *clusterFlags, untrusted string, wants manifest.Wants) (*cluster.Inventory, error) {
	if from.live && from.snapshot != "" {
		return nil, errors.New("--live and --snapshot: give one of them")
	}
	inventory, err := from.read(ctx, untrusted, wants)
	if err != nil {
		return nil, err
	}
	a.notRead(inventory)
	return inventory, nil
}

// notRead lists on stderr what of a cluster could not be read.
func (a *app) notRead(inventory *cluster.Inventory) {
	for _, u := range inventory.Unread {
		fmt.Fprintf(a.err, "oakum: %s of cluster %s was not read: %s\n", printable(u.Kind), printable(inventory.Cluster), printable(u.Reason))
	}
}

func (f *clusterFlags) read(ctx context.Context, untrusted string, wants manifest.Wants) (*cluster.Inventory, error) {
	sparing()
	o := cluster.Options{Namespace: f.access.Namespace(), Wants: wants, Owners: f.owners, Now: time.Now}
	if f.snapshot != "" {
		return readSnapshot(f.snapshot, o)
	}
	config, name, err := f.access.Connect(untrusted)
	if err != nil {
		return nil, err
	}
	o.Cluster = name
	return cluster.Read(ctx, config, o)
}

// sparing has garbage collected more often: of a large cluster all objects are
// kept, so that what collects nothing until they have doubled takes twice the room.
func sparing() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
}

func readSnapshot(name string, o cluster.Options) (*cluster.Inventory, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--snapshot: %w", describe(err))
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			return nil, fmt.Errorf("--snapshot: %s: %w", name, err)
		}
	}
	inventory, err := cluster.ReadSnapshot(r, o)
	if err != nil {
		return nil, fmt.Errorf("--snapshot: %s: %w", name, err)
	}
	return inventory, nil
}
