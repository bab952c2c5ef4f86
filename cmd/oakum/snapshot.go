package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/remediate"
)

func (a *app) snapshotCommand() *cobra.Command {
	var output string
	var from cluster.Flags
	c := &cobra.Command{
		Use:   "snapshot -o FILE [PATH...]",
		Short: "record what oakum reads of a cluster, without the data of secrets",
		Long: `Snapshot reads a cluster as 'oakum scan --live' does and writes it to a file, which
every verb takes with --snapshot: on another machine, at another time. The data
of Secrets is never asked for. A file named .gz is compressed; - is stdout.

With paths it also records the kinds that manifests below them have and no policy
asks for, so that 'oakum diff' can compare all of these.`,
		Example: "  oakum snapshot -o prod.json.gz --context prod\n  oakum scan --snapshot prod.json.gz clusters/prod",
		RunE: func(c *cobra.Command, args []string) error {
			if output == "" {
				return errors.New("say with --output which file is to be written")
			}
			return a.record(c.Context(), &from, output, args)
		},
	}
	from.Bind(c.Flags())
	c.Flags().StringVarP(&output, "output", "o", "", "the file to write")
	return c
}

func (a *app) record(ctx context.Context, from *cluster.Flags, name string, paths []string) error {
	p, o, err := a.prepare(ctx, paths)
	if err != nil {
		return err
	}
	defer p.root.Close()
	wants := o.LiveWants()
	if len(paths) > 0 {
		o.Selected, o.Wants = nil, remediate.Everything
		if p.Project, err = remediate.ReadProject(p.root.FS(), o); err != nil {
			return err
		}
		wants = p.DriftWants()
	}
	config, called, err := from.Connect(p.dir)
	if err != nil {
		return err
	}
	inventory, err := cluster.Read(ctx, config, cluster.Options{
		Cluster: called, Namespace: from.Namespace(), Wants: wants, Owners: true, Now: time.Now,
	})
	if err != nil {
		return err
	}
	a.notRead(inventory)
	if name == "-" {
		return inventory.Write(a.out)
	}
	if err := write(name, inventory); err != nil {
		return err
	}
	if !a.quiet {
		fmt.Fprintf(a.err, "%d objects of cluster %s (Kubernetes %s) are in %s\n", len(inventory.Objects), printable(called), printable(inventory.Kubernetes), name)
	}
	return nil
}

// write makes the file whole or not at all, readable by its owner alone.
func write(name string, inventory *cluster.Inventory) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), ".oakum-snapshot-*")
	if err != nil {
		return fmt.Errorf("writing the snapshot: %w", describe(err))
	}
	defer os.Remove(file.Name())
	w := io.WriteCloser(file)
	if strings.HasSuffix(name, ".gz") {
		w = gzip.NewWriter(file)
	}
	if err := inventory.Write(w); err != nil {
		file.Close()
		return err
	}
	if w != file {
		err = w.Close()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the snapshot: %w", err)
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return fmt.Errorf("writing the snapshot: %w", err)
	}
	return nil
}
