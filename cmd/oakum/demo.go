package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/repo"
	"github.com/oakum-dev/oakum/report"
	"github.com/oakum-dev/oakum/testdata/shop"
)

func (a *app) demoCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "demo",
		Short: "show the main job on a small shop: no account and no cluster needed",
		Long: `Demo makes a repository of a small online shop with realistic mistakes, scans
it, shows the diff of what it mends, commits each group of fixes on a branch of
its own, and writes the text of the pull request that would be opened.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), dir) },
	}
	a.safetyFlag(c)
	c.Flags().StringVar(&dir, "dir", "", "where to put the repository (default: a new temporary directory)")
	return c
}

func (a *app) demo(ctx context.Context, dir string) error {
	if a.safety == "" {
		a.safety = string(policy.Review) // show all that oakum can do; pull requests say what to judge
	}
	if dir == "" {
		made, err := os.MkdirTemp("", "oakum-demo-")
		if err != nil {
			return fmt.Errorf("making a directory for the demo: %w", err)
		}
		dir = made
	}
	clone := filepath.Join(dir, "shop")
	files, err := fs.Sub(shop.FS, "repo")
	if err != nil {
		return fmt.Errorf("reading the demo's files: %w", err)
	}
	repository, err := repo.Create(clone, files, "shop: manifests", time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	if err != nil {
		return err
	}
	r := &remediation{app: a}
	base, commit, err := repository.Head()
	if err != nil {
		return err
	}
	p, err := r.read(ctx, repository, commit)
	if err != nil {
		return err
	}

	a.heading("1. scan: what is wrong, and where")
	err = p.report().Write(a.out, "table", report.Options{Color: a.color(a.out), Version: version})
	if err != nil {
		return err
	}
	a.unread(&p)

	a.heading("2. fix: what would change, and not a line more")
	plan, err := p.Plan(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, a.display(plan.Diff()))
	s := plan.Summary()
	fmt.Fprintf(a.out, "%d of %d findings mended in %d files: +%d -%d lines; %d held back with a reason\n",
		s.Fixes, len(p.Result.Findings), s.Files, s.LinesAdded, s.LinesRemoved, s.Held)

	a.heading("3. remediate: one branch and one pull request for each directory")
	return a.demoBranches(ctx, &p, repository, dir, base, commit)
}

func (a *app) demoBranches(ctx context.Context, p *project, repository *repo.Repository, dir, base, commit string) error {
	groups, err := p.Groups(ctx, cmp.Or(p.Settings.Config.PullRequests.GroupBy, remediate.Groupings[0]))
	if err != nil {
		return err
	}
	local := repository.Local()
	for i, g := range groups {
		proposal := g.Proposal(base, commit, nil)
		tip, err := local.Tip(ctx, proposal.Branch)
		if err != nil {
			return err
		}
		hash, err := local.Commit(ctx, proposal, tip)
		if err != nil {
			return err
		}
		text := filepath.Join(dir, fmt.Sprintf("pull-request-%d.md", i+1))
		if err := os.WriteFile(text, []byte("# "+proposal.Title+"\n\n"+proposal.Body), 0o644); err != nil {
			return fmt.Errorf("writing the pull request's text: %w", err)
		}
		fmt.Fprintf(a.out, "%s\n  branch  %s (%.10s)\n  text    %s\n", proposal.Title, proposal.Branch, hash, text)
	}
	clone := filepath.Join(dir, "shop")
	fmt.Fprintf(a.out, "\nlook at it:\n  git -C %s log --all --oneline --graph\n  oakum scan %s\n", clone, clone)
	return nil
}

func (a *app) heading(text string) {
	if a.color(a.out) {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	fmt.Fprintf(a.out, "\n%s\n\n", text)
}
