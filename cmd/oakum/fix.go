package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/remediate"
)

func (a *app) fixCommand() *cobra.Command {
	var output string
	var write bool
	var from clusterFlags
	c := &cobra.Command{
		Use:   "fix [PATH...]",
		Short: "mend what can be mended: print the diff, or edit the files with --write",
		Long: `Fix plans a repair for every finding, proves it, and prints one unified diff
that 'git apply' takes; nothing is changed. With --write the files are edited
instead. What is held back is listed on stderr with the reason. With --live or --snapshot what
runs in a cluster is evidence of what a fix may do.`,
		Example: "  oakum fix\n  oakum fix --safety review | git apply\n  oakum fix apps/shop --write",
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := oneOf("output", output, []string{"diff", "json", "markdown"}); err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"."} // a cluster alone cannot be mended
			}
			p, err := a.openWith(c.Context(), args, &from)
			if err != nil {
				return err
			}
			defer p.root.Close()
			plan, err := p.Plan(c.Context(), nil)
			if err != nil {
				return err
			}
			if write {
				if err := writeChanges(p.root, plan.Changes); err != nil {
					return err
				}
			}
			if err := a.printPlan(p, plan, output, write); err != nil {
				return err
			}
			if a.unread(p) {
				return errReported
			}
			return nil
		},
	}
	a.safetyFlag(c)
	a.reportsFlag(c)
	from.bind(c)
	c.Flags().StringVarP(&output, "output", "o", "diff", "format: diff, json, markdown")
	c.Flags().BoolVar(&write, "write", false, "edit the files in place")
	return c
}

func (a *app) printPlan(p *project, plan *remediate.Plan, output string, written bool) error {
	switch output {
	case "json":
		return plan.WriteJSON(a.out, slices.Concat(p.Set.Errors, p.Result.Errors))
	case "markdown":
		_, err := fmt.Fprint(a.out, plan.Markdown())
		return err
	}
	if !written {
		if _, err := fmt.Fprint(a.out, a.display(plan.Diff())); err != nil {
			return err
		}
	}
	if !a.quiet {
		a.summary(plan, p, written)
	}
	return nil
}

// summary tells on stderr what was planned and what was held back, and why.
func (a *app) summary(plan *remediate.Plan, p *project, written bool) {
	s := plan.Summary()
	verb := "would mend"
	if written {
		verb = "mended"
	}
	fmt.Fprintf(a.err, "%s %d of %d findings in %d files: +%d -%d lines (safety: %s)\n",
		verb, s.Fixes, len(p.Result.Findings), s.Files, s.LinesAdded, s.LinesRemoved, p.Safety())
	if len(plan.Held) == 0 {
		return
	}
	fmt.Fprintf(a.err, "held back %d:\n", len(plan.Held))
	type row struct {
		reason fixers.Reason
		policy string
	}
	var order []row
	first := map[row]fixers.Held{}
	count := map[row]int{}
	for _, h := range plan.Held {
		r := row{h.Reason, h.Finding.Policy.Name}
		if count[r] == 0 {
			order = append(order, r)
			first[r] = h
		}
		count[r]++
		if a.verbose {
			fmt.Fprintf(a.err, "  %s:%d: %s [%s] %s: %s\n", h.Finding.Position.File, h.Finding.Position.Line, printable(h.Finding.Message), h.Finding.Policy.Name, h.Reason, printable(h.Detail))
		}
	}
	if a.verbose {
		return
	}
	for _, r := range order {
		fmt.Fprintf(a.err, "  %4d  %-12s  %-32s  %s\n", count[r], r.reason, r.policy, shorten(printable(first[r].Detail), 120))
	}
	fmt.Fprintln(a.err, "  -v lists each of them")
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// printable keeps the names of strangers from driving the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}

// display is a diff for a person's terminal: coloured, and without control
// characters. For a program it is exact.
func (a *app) display(diff string) string {
	if !terminal(a.out) {
		return diff
	}
	diff = remediate.Visible(diff)
	if a.color(a.out) {
		diff = colorDiff(diff)
	}
	return diff
}

func colorDiff(diff string) string {
	lines := strings.SplitAfter(diff, "\n")
	for i, line := range lines {
		code := ""
		switch {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
			code = "1"
		case strings.HasPrefix(line, "@@"):
			code = "36"
		case strings.HasPrefix(line, "+"):
			code = "32"
		case strings.HasPrefix(line, "-"):
			code = "31"
		default:
			continue
		}
		lines[i] = "\x1b[" + code + "m" + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
	}
	return strings.Join(lines, "")
}

// writeChanges replaces files one by one, each whole or not at all. A file
// that changed since it was read is left alone.
func writeChanges(root *os.Root, changes []remediate.Change) error {
	for _, c := range changes {
		now, err := fs.ReadFile(root.FS(), c.Path)
		if c.Before == nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("writing %s: it exists by now; run oakum again", c.Path)
		}
		if c.Before != nil && (err != nil || !bytes.Equal(now, c.Before)) {
			return fmt.Errorf("writing %s: it changed since it was read; run oakum again", c.Path)
		}
		if err := replaceFile(root, c); err != nil {
			return fmt.Errorf("writing %s: %w", c.Path, err)
		}
	}
	return nil
}

func replaceFile(root *os.Root, c remediate.Change) error {
	mode := fs.FileMode(0o644)
	if info, err := root.Stat(c.Path); err == nil {
		mode = info.Mode().Perm()
	}
	temporary := path.Join(path.Dir(c.Path), "."+path.Base(c.Path)+"."+rand.Text()[:8])
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(c.After)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(temporary, c.Path)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	return nil
}
