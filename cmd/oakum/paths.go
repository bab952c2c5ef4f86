package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/report"
)

func (a *app) pathsCommand() *cobra.Command {
	var output, failOn string
	var limit int
	var from clusterFlags
	c := &cobra.Command{
		Use:   "paths [PATH...]",
		Short: "say who reaches what, step by step, and which fixes close it",
		Long: `Paths looks for the ways that lead from a pod that is taken over, or from nobody
in particular, to the rights of cluster-admin, to a node, and to Secrets: by
service accounts and what they may do, and by what pods can break out of.

First come the fixes that together cost the least and close all paths to
cluster-admin, then the paths: those that begin outside before the others.

In a tree nobody knows which pods run on which node, so that any may meet any
other there; with --live or --snapshot it is known.

A path to cluster-admin counts as a critical finding, one to a node as a high
one, one to Secrets as a medium one.`,
		Example: "  oakum paths\n  oakum paths --live --context prod clusters/prod\n  oakum paths -o dot | dot -Tsvg > paths.svg",
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := oneOf("output", output, report.PathFormats()); err != nil {
				return err
			}
			if limit < 1 {
				return errors.New("--limit: give at least 1")
			}
			p, err := a.openWith(c.Context(), args, &from)
			if err != nil {
				return err
			}
			defer p.root.Close()
			threshold, err := failure(failOn, p.Settings.Config.FailOn)
			if err != nil {
				return err
			}
			propose := p.Proposer()
			r := report.NewPaths(p.Graph, p.Result, func(f *detect.Finding) (fixers.Fix, *fixers.Held) { return propose(f, policy.Review) }, p.place)
			if err := r.Write(a.out, output, limit, report.Options{Color: a.color(a.out), Version: version}); err != nil {
				return fmt.Errorf("writing the paths: %w", err)
			}
			for _, err := range p.Result.NotEvaluated {
				a.log.Warn("not evaluated", "error", err)
			}
			if a.unread(p) {
				return errReported
			}
			if worst := r.Worst(); worst != "" && threshold != "" && worst.AtLeast(threshold) {
				return errFindings
			}
			return nil
		},
	}
	from.bind(c)
	c.Flags().StringVarP(&output, "output", "o", "table", "format: "+list(report.PathFormats()))
	c.Flags().IntVar(&limit, "limit", 10, "how many paths to each goal are shown; JSON has all")
	c.Flags().StringVar(&failOn, "fail-on", "", "exit with 1 for paths that count as this severity and worse, or none (default high)")
	return c
}

// place is where a person would look for a field: in the tree, if that decides
// the object.
func (p *project) place(r *manifest.Resource, path manifest.Path) manifest.Position {
	if p.Live != nil {
		if s := p.Live.Sources[r]; s.Resource != nil && s.Owner == "" {
			return s.Resource.Position(path)
		}
	}
	return r.Position(path)
}
