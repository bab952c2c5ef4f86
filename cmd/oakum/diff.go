package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/detect/drift"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/trace"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/repo"
	"github.com/oakum-dev/oakum/report"
)

func (a *app) diffCommand() *cobra.Command {
	var output, failOn string
	var fix, dryRun bool
	var from clusterFlags
	c := &cobra.Command{
		Use:   "diff [PATH...] --live",
		Short: "say where a cluster is not as Git says, who did it, and whether it weakens security",
		Long: `Diff compares every object of a cluster with the resource that decides it, as
kustomize renders it: the fields that Git has, and what people are known to
have added. Defaults, autoscalers, controllers and webhooks are no drift, and
the ignore rules of Flux and Argo CD count. It needs the right to read.

A drift weakens if the cluster breaks a policy that Git keeps; it strengthens if
it is the other way round. With --fix diff prints, instead of a table, the change
of the files that brings what strengthens into Git, as 'oakum fix' would.`,
		Example: "  oakum diff --live\n  oakum diff clusters/prod --live --context prod --fail-on critical\n  oakum diff --snapshot prod.json.gz -o markdown\n  oakum diff --live --fix | git apply",
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := oneOf("output", output, report.DriftFormats()); err != nil {
				return err
			}
			if !from.given() {
				return errors.New("say with --live or --snapshot which cluster is to be compared")
			}
			if dryRun && !from.live {
				return errors.New("--server-dry-run asks the API server: it needs --live")
			}
			p, within, err := a.openAll(c.Context(), args, &from)
			if err != nil {
				return err
			}
			defer p.root.Close()
			threshold, err := failure(failOn, p.Settings.Config.FailOn)
			if err != nil {
				return err
			}
			o := remediate.DriftOptions{Within: within}
			done := p.history(&o)
			defer done()
			if dryRun {
				if o.Apply, err = from.dryRun(c.Context(), p.dir); err != nil {
					return err
				}
			}
			result, err := p.Drift(c.Context(), o)
			if err != nil {
				return err
			}
			if fix {
				return a.harden(c.Context(), p, result)
			}
			r := report.NewDrift(p.Live.Inventory.Cluster, result, slices.Concat(p.Set.Errors, p.Result.Errors))
			if err := r.Write(a.out, output, report.Options{Color: a.color(a.out)}); err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
			return a.drifted(p, r, threshold)
		},
	}
	a.safetyFlag(c)
	from.bind(c)
	c.Flags().StringVarP(&output, "output", "o", "table", "format: "+list(report.DriftFormats()))
	c.Flags().StringVar(&failOn, "fail-on", "", "exit with 1 for drift that makes findings of this severity and worse, or none (default high)")
	c.Flags().BoolVar(&fix, "fix", false, "print the diff that brings hardening of the cluster into Git")
	c.Flags().BoolVar(&dryRun, "server-dry-run", false, "have the API server complete what Git says, by dry runs: needs the right to patch, see deploy/dry-run.yaml")
	return c
}

// openAll reads all of a tree, whatever policies ask for, and of the cluster
// what the tree has; within are the paths that count.
func (a *app) openAll(ctx context.Context, paths []string, from *clusterFlags) (p *project, within []string, err error) {
	p, o, err := a.prepare(ctx, paths)
	if err != nil {
		return nil, nil, err
	}
	if err := a.readAll(ctx, p, o, from); err != nil {
		p.root.Close()
		return nil, nil, err
	}
	within = slices.DeleteFunc(o.Paths, func(p string) bool { return p == "." })
	if len(within) > 0 {
		outside := func(e manifest.Error) bool {
			return !slices.ContainsFunc(within, func(p string) bool { return e.File == p || strings.HasPrefix(e.File, p+"/") })
		}
		p.Set.Errors = slices.DeleteFunc(p.Set.Errors, outside)
	}
	return p, within, nil
}

func (a *app) readAll(ctx context.Context, p *project, o remediate.Settings, from *clusterFlags) (err error) {
	o.Paths = nil // an overlay needs its bases
	o.Wants = remediate.Everything
	if p.Project, err = remediate.ReadProject(p.root.FS(), o); err != nil {
		return err
	}
	from.owners = true
	inventory, err := a.inventory(ctx, from, p.dir, p.DriftWants())
	if err != nil {
		return err
	}
	if minor := inventory.Minor(); o.Kubernetes == 0 && minor > 0 {
		p.Settings.Kubernetes = minor
		p.Judge()
	}
	return p.Join(ctx, inventory, address(p.dir))
}

// everything wants every kind.
// history tells a comparison which commit the tree is, and how to read others;
// nothing where the project is no repository.
func (p *project) history(o *remediate.DriftOptions) (done func()) {
	r, err := repo.Open(p.dir)
	if err != nil {
		return func() {}
	}
	if o.Commit, err = r.Resolve("HEAD"); err != nil {
		o.Commit = ""
	}
	o.At = func(commit string) (fs.FS, error) {
		full, err := r.Resolve(commit)
		if err != nil {
			return nil, err
		}
		return r.FS(full)
	}
	return func() { r.Close() }
}

// dryRun asks the API server what it would make of what Git says.
func (f *clusterFlags) dryRun(ctx context.Context, untrusted string) (func(trace.Desired, *manifest.Resource) (map[string]any, error), error) {
	config, name, err := f.access.Connect(untrusted)
	if err != nil {
		return nil, err
	}
	d, err := cluster.NewDryRun(config, name)
	if err != nil {
		return nil, err
	}
	return func(desired trace.Desired, live *manifest.Resource) (map[string]any, error) {
		return d.Apply(ctx, desired.Value, live)
	}, nil
}

// harden prints the change that brings what strengthens into Git.
func (a *app) harden(ctx context.Context, p *project, result *drift.Result) error {
	plan, err := p.Harden(ctx, result)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(a.out, a.display(plan.Diff())); err != nil {
		return err
	}
	if !a.quiet {
		a.hardening(plan)
	}
	if a.unread(p) {
		return errReported
	}
	return nil
}

func (a *app) hardening(plan *remediate.Plan) {
	s := plan.Summary()
	fmt.Fprintf(a.err, "would mend %d findings in %d files as the cluster has it: +%d -%d lines\n", s.Fixes, s.Files, s.LinesAdded, s.LinesRemoved)
	for _, h := range plan.Held {
		fmt.Fprintf(a.err, "  held back: %s:%d: %s [%s] %s: %s\n", printable(h.Finding.Position.File), h.Finding.Position.Line, printable(h.Finding.Message), h.Finding.Policy.Name, h.Reason, printable(h.Detail))
	}
}

// drifted turns what differs into the exit code, and says what was left out.
func (a *app) drifted(p *project, r *report.Drift, threshold policy.Severity) error {
	if !a.quiet {
		a.leftOut(r.NotCompared)
	}
	if a.unread(p) {
		return errReported
	}
	for _, d := range r.Drifts {
		if threshold != "" && d.Severity != "" && d.Severity.AtLeast(threshold) {
			return errFindings
		}
	}
	return nil
}

// leftOut says why objects were not compared: each reason once, or with -v
// each object.
func (a *app) leftOut(all []report.NotCompared) {
	count := map[string]int{}
	for _, n := range all {
		if count[n.Reason]++; a.verbose {
			fmt.Fprintf(a.err, "oakum: %s was left out: %s\n", printable(n.Resource.String()), printable(n.Reason))
		}
	}
	if a.verbose {
		return
	}
	for _, n := range all {
		if c := count[n.Reason]; c > 0 {
			count[n.Reason] = 0
			fmt.Fprintf(a.err, "oakum: %d left out: %s\n", c, printable(n.Reason))
		}
	}
}
