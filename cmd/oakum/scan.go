package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/repo"
	"github.com/oakum-dev/oakum/report"
)

func (a *app) scanCommand() *cobra.Command {
	var output, failOn, baseline string
	var from clusterFlags
	var w watching
	c := &cobra.Command{
		Use:   "scan [PATH...]",
		Short: "say what is wrong with manifests, and where",
		Long: `Scan judges every manifest below the paths (default: the current directory).
Paths in the output are relative to the repository root, as git's are.

With --live or --snapshot it judges the objects of a cluster; with paths as well
both, joined: each finding of the cluster points to the resource that decides it.

With --watch it goes on after that and tells what comes (+), changes (~) and goes
(-) as the cluster changes, until it is interrupted, also of several clusters. While
the API server cannot be reached it says since when what is not known. In JSON
each is a line: {"type": "ADDED", "cluster": "prod", "finding": {...}}.`,
		Example: "  oakum scan\n  oakum scan apps/shop --severity high\n  oakum scan -o sarif > oakum.sarif\n  oakum scan --live --context prod clusters/prod\n  oakum scan --live --watch --contexts prod-eu,prod-us --severity high",
		RunE: func(c *cobra.Command, args []string) error {
			if w.on {
				w.from, w.output = &from, output
				return a.watch(c, args, w)
			}
			if len(w.contexts) > 0 {
				return errors.New("--contexts: only --watch looks at several clusters; give --context")
			}
			if !slices.Contains(report.Formats(), output) {
				return fmt.Errorf("--output is %q, want one of %s", output, list(report.Formats()))
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
			r := p.report()
			if baseline != "" {
				b, err := a.baseline(p, baseline)
				if err != nil {
					return err
				}
				r.Compare(b)
			}
			if report.ShowsControls(output) {
				c, err := p.catalogue()
				if err != nil {
					return err
				}
				r.Answer(c.Controls)
			}
			err = r.Write(a.out, output, report.Options{Color: a.color(a.out), Version: version, Time: time.Now()})
			if err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
			return a.verdict(p, r, threshold)
		},
	}
	a.reportsFlag(c)
	from.bind(c)
	w.bind(c)
	c.Flags().StringVarP(&output, "output", "o", "table", "format: "+list(report.Formats()))
	c.Flags().StringVar(&baseline, "baseline", "", "show and fail on only what is new since then: a report of 'scan -o json', or a commit, branch or tag")
	c.Flags().StringVar(&failOn, "fail-on", "", "exit with 1 for findings of this severity and worse, or none (default high)")
	return c
}

// report says what was found, and how it could be mended.
func (p *project) report() *report.Report {
	propose := p.Proposer()
	set := p.Set
	if p.Live != nil {
		set = &manifest.Set{Files: slices.Concat(set.Files, p.Live.Set.Files), Errors: set.Errors}
	}
	return report.New(p.Result, set, func(f *detect.Finding) (fixers.Fix, *fixers.Held) { return propose(f, policy.Review) })
}

// baseline is the findings of a report in a file or, where there is no such
// file, those of another commit of the repository, judged in the same way.
func (a *app) baseline(p *project, name string) (report.Baseline, error) {
	src, err := os.ReadFile(name)
	if err == nil {
		b, err := report.ReadBaseline(src)
		if err != nil {
			return nil, fmt.Errorf("reading the baseline %s: %w", name, err)
		}
		return b, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the baseline: %w", describe(err))
	}
	repository, err := repo.Open(p.dir)
	if err != nil {
		return nil, fmt.Errorf("--baseline %s is no file, and %s no repository that could have such a commit: %w", name, p.dir, err)
	}
	defer repository.Close()
	commit, err := repository.Resolve(name)
	if err != nil {
		return nil, fmt.Errorf("--baseline %s is neither a file nor a commit: %w", name, err)
	}
	tree, err := repository.FS(commit)
	if err != nil {
		return nil, fmt.Errorf("reading the baseline %s: %w", name, err)
	}
	o := p.Settings
	o.Paths = slices.DeleteFunc(slices.Clone(o.Paths), func(name string) bool {
		_, err := fs.Stat(tree, name)
		return errors.Is(err, fs.ErrNotExist)
	})
	if len(o.Paths) == 0 && len(p.Settings.Paths) > 0 {
		return report.Baseline{}, nil // all of it is new
	}
	then, err := remediate.ReadProject(tree, o)
	if err != nil {
		return nil, fmt.Errorf("reading the baseline %s: %w", name, err)
	}
	return (&project{Project: then}).report().Baseline(), nil
}

// failure is the severity from which findings fail a run; empty for none.
func failure(flag, config string) (policy.Severity, error) {
	for _, v := range []string{flag, config, "high"} {
		switch v {
		case "":
			continue
		case "none":
			return "", nil
		}
		return oneOf("fail-on", v, policy.Severities)
	}
	return "", nil
}

// verdict turns what was found into the exit code. Errors outweigh findings.
func (a *app) verdict(p *project, r *report.Report, threshold policy.Severity) error {
	for _, err := range p.Result.NotEvaluated {
		a.log.Warn("not evaluated", "error", err)
	}
	if a.unread(p) {
		return errReported
	}
	for _, f := range r.Open() {
		if threshold != "" && f.Severity.AtLeast(threshold) {
			return errFindings
		}
	}
	return nil
}

// unread lists on stderr what could not be read, and tells whether there is any.
func (a *app) unread(p *project) bool {
	errs := slices.Concat(p.Set.Errors, p.Result.Errors)
	for _, e := range errs {
		where := e.File
		if e.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
		}
		fmt.Fprintf(a.err, "oakum: %s: %s\n", printable(where), printable(e.Message))
	}
	return len(errs) > 0
}
