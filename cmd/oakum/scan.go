package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/report"
)

func (a *app) scanCommand() *cobra.Command {
	var output, failOn string
	c := &cobra.Command{
		Use:   "scan [PATH...]",
		Short: "say what is wrong with manifests, and where",
		Long: `Scan judges every manifest below the paths (default: the current directory).
Paths in the output are relative to the repository root, as git's are.`,
		Example: "  oakum scan\n  oakum scan apps/shop --severity high\n  oakum scan -o sarif > oakum.sarif",
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(report.Formats(), output) {
				return fmt.Errorf("--output is %q, want one of %s", output, list(report.Formats()))
			}
			p, err := a.open(args)
			if err != nil {
				return err
			}
			defer p.root.Close()
			threshold, err := failure(failOn, p.Settings.Config.FailOn)
			if err != nil {
				return err
			}
			propose := p.Proposer()
			r := report.New(p.Result, p.Set, func(f *detect.Finding) (fixers.Fix, *fixers.Held) { return propose(f, policy.Review) })
			err = r.Write(a.out, output, report.Options{Color: a.color(a.out), Version: version})
			if err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
			return a.verdict(p, threshold)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "format: "+list(report.Formats()))
	c.Flags().StringVar(&failOn, "fail-on", "", "exit with 1 for findings of this severity and worse, or none (default high)")
	return c
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
func (a *app) verdict(p *project, threshold policy.Severity) error {
	for _, err := range p.Result.NotEvaluated {
		a.log.Warn("not evaluated", "error", err)
	}
	if a.unread(p) {
		return errReported
	}
	for _, f := range p.Result.Findings {
		if threshold != "" && f.Policy.Severity.AtLeast(threshold) {
			return errFindings
		}
	}
	return nil
}

// unread lists on stderr what could not be read, and tells whether there is any.
func (a *app) unread(p *project) bool {
	for _, e := range p.Set.Errors {
		where := e.File
		if e.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
		}
		fmt.Fprintf(a.err, "oakum: %s: %s\n", printable(where), printable(e.Message))
	}
	return len(p.Set.Errors) > 0
}
