package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/compliance"
	"github.com/oakum-dev/oakum/remediate/repo"
	"github.com/oakum-dev/oakum/report"
)

func (a *app) reportCommand() *cobra.Command {
	var output, failOn string
	var from clusterFlags
	c := &cobra.Command{
		Use:   "report [PATH...]",
		Short: "say what manifests mean to frameworks such as CIS and NIST",
		Long: `Report judges every manifest below the paths (default: the current directory)
and gives a verdict for each control of the frameworks of --framework, with the
findings that it rests on. Without --framework people get a table of all
frameworks; formats for programs have every control.

A control passes only where something was looked at. Fail: something was found.
Exempted: all that was found has an exemption. Manual: a person must judge. Not
evaluated: nothing can be said, for the reason given.`,
		Example: "  oakum report\n  oakum report --framework cis-kubernetes-1.12,pss\n  oakum report --framework soc2 -o html > soc2.html",
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := oneOf("output", output, report.ComplianceFormats()); err != nil {
				return err
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
			frameworks, err := p.catalogue()
			if err != nil {
				return err
			}
			chosen, err := frameworks.Find(a.framework)
			if err != nil {
				return fmt.Errorf("--framework: %w", err)
			}
			scan := compliance.Scan{Result: p.Result, Policies: p.Settings.Selected, Kubernetes: p.Settings.Kubernetes}
			if p.Live != nil {
				scan.Provider = p.Live.Inventory.Provider()
			}
			assessed := frameworks.Judge(chosen, scan)
			found := p.report()
			r := report.NewCompliance(assessed, found, a.commit(p), len(a.framework) == 0)
			if err := r.Write(a.out, output, report.Options{Color: a.color(a.out), Version: version, Time: time.Now()}); err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
			return a.verdict(p, found, threshold)
		},
	}
	from.bind(c)
	c.Flags().StringVarP(&output, "output", "o", "table", "format: "+list(report.ComplianceFormats()))
	c.Flags().StringVar(&failOn, "fail-on", "", "exit with 1 for findings of this severity and worse, or none (default high)")
	return c
}

// commit is the commit that HEAD names, and which of the files that were
// judged differ from it; nil where the project is in no repository.
func (a *app) commit(p *project) *report.Commit {
	if !exists(filepath.Join(p.dir, ".git")) {
		return nil
	}
	c, err := judged(p)
	if err != nil {
		a.log.Warn("the report names no commit", "error", err)
		return nil
	}
	return c
}

func judged(p *project) (*report.Commit, error) {
	r, err := repo.Open(p.dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	id, err := r.Resolve("HEAD")
	if err != nil {
		return nil, err
	}
	tree, err := r.FS(id)
	if err != nil {
		return nil, err
	}
	c := &report.Commit{ID: id, Changed: []string{}}
	for _, f := range p.Set.Files {
		if src, err := fs.ReadFile(tree, f.Path); err != nil || !bytes.Equal(src, f.Source) {
			c.Changed = append(c.Changed, f.Path)
		}
	}
	slices.Sort(c.Changed)
	return c, nil
}
