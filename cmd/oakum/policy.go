package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "the policy library: built-in and yours"}
	c.AddCommand(a.policyListCommand(), a.policyShowCommand(), a.policyTestCommand(), a.policyExportCommand())
	return c
}

func (a *app) policyListCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "list",
		Short: "print every policy, the worst first",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := oneOf("output", output, []string{"table", "json"}); err != nil {
				return err
			}
			all, err := a.library()
			if err != nil {
				return err
			}
			if all, err = a.selected(all); err != nil {
				return err
			}
			slices.SortStableFunc(all, func(x, y *policy.Policy) int {
				return cmp.Or(cmp.Compare(slices.Index(policy.Severities, x.Severity), slices.Index(policy.Severities, y.Severity)), cmp.Compare(x.Name, y.Name))
			})
			if output == "json" {
				return printPolicies(a.out, all)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "POLICY\tSEVERITY\tCATEGORY\tFIX\tTITLE")
			for _, p := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.Severity, p.Category, boldest(p), p.Title)
			}
			return w.Flush()
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "format: table, json")
	return c
}

// boldest says at which safety a policy may mend at the earliest.
func boldest(p *policy.Policy) policy.Safety {
	if level, ok := p.Parameters[policy.SafetyParameter].Default.(string); ok && p.Language != "" {
		return policy.Safety(level)
	}
	if p.Fix == nil || len(p.Fix.Edits) == 0 && p.Fix.Fixer == "" {
		return policy.Manual
	}
	best := policy.Manual
	for _, s := range p.Fix.Safety {
		if slices.Index(policy.Safeties, s.Level) < slices.Index(policy.Safeties, best) {
			best = s.Level
		}
	}
	if best == policy.Manual && p.Fix.Fixer != "" {
		return policy.Evidence
	}
	return best
}

func printPolicies(w io.Writer, all []*policy.Policy) error {
	type entry struct {
		Name     string              `json:"name"`
		Title    string              `json:"title"`
		Severity policy.Severity     `json:"severity"`
		Category string              `json:"category"`
		Fix      policy.Safety       `json:"fix"`
		Controls map[string][]string `json:"controls"`
		File     string              `json:"file"`
	}
	out := make([]entry, len(all))
	for i, p := range all {
		out[i] = entry{p.Name, p.Title, p.Severity, p.Category, boldest(p), p.Controls, p.File}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func (a *app) policyShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "print what a policy asks for, why, and how it is mended",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := a.library()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(p *policy.Policy) bool { return p.Name == args[0] })
			if i < 0 {
				return fmt.Errorf("no policy is called %q%s; 'oakum policy list' prints them", args[0], nearest(args[0], all))
			}
			showPolicy(a.out, all[i])
			return nil
		},
	}
}

func showPolicy(w io.Writer, p *policy.Policy) {
	fmt.Fprintf(w, "%s: %s\n%s, %s\n\n%s\n", p.Name, p.Title, p.Severity, p.Category, strings.TrimSpace(p.Description))
	if p.Language == "" {
		fmt.Fprintf(w, "\nlooks at   %s", strings.Join(p.Match.Kinds, ", "))
		if p.Match.Each != "" {
			fmt.Fprintf(w, ", each of %s", p.Match.Each)
		}
		fmt.Fprintln(w)
	} else {
		fmt.Fprintf(w, "\njudged by  %s of %s\n", p.Language, p.File)
	}
	if p.Unjudged != "" {
		fmt.Fprintf(w, "not judged %s\n", p.Unjudged)
	}
	if p.Match.Where != "" {
		fmt.Fprintf(w, "where      %s\n", oneLine(p.Match.Where))
	}
	for _, v := range p.Variables {
		fmt.Fprintf(w, "with       %s = %s\n", v.Name, oneLine(v.Expression))
	}
	if p.Require != "" {
		fmt.Fprintf(w, "requires   %s\n", oneLine(p.Require))
	} else if p.Analyzer != "" {
		fmt.Fprintf(w, "judged by  %s\n", p.Analyzer)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		fmt.Fprintf(w, "parameter  %s = %v  %s\n", name, p.Parameters[name].Default, p.Parameters[name].Description)
	}
	for _, framework := range slices.Sorted(maps.Keys(p.Controls)) {
		fmt.Fprintf(w, "answers    %s %s\n", framework, strings.Join(p.Controls[framework], ", "))
	}
	if p.Fix == nil {
		return
	}
	if p.Fix.Title != "" {
		fmt.Fprintf(w, "\nfix        %s\n", p.Fix.Title)
	}
	for _, s := range p.Fix.Safety {
		fmt.Fprintf(w, "  %-9s%s\n", s.Level, oneLine(s.Because))
		if s.When != "" {
			fmt.Fprintf(w, "           when %s\n", oneLine(s.When))
		}
	}
	for _, e := range p.Fix.Edits {
		switch {
		case e.Set != "":
			fmt.Fprintf(w, "  set      %s = %v\n", e.Set, value(e))
		case e.Append != "":
			fmt.Fprintf(w, "  append   %s += %v\n", e.Append, value(e))
		default:
			fmt.Fprintf(w, "  remove   %s\n", e.Remove)
		}
	}
	if p.Fix.Advice != "" {
		fmt.Fprintf(w, "advice     %s\n", oneLine(p.Fix.Advice))
	}
}

func value(e policy.EditRule) any {
	if e.Expression != "" {
		return oneLine(e.Expression)
	}
	return e.Value
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func (a *app) policyTestCommand() *cobra.Command {
	var update bool
	c := &cobra.Command{
		Use:   "test PATH...",
		Short: "run the test cases of policies",
		Long: `Test runs txtar files: the files in one are judged by the policy it is named
after, or by those of --policy. Its section findings says what is found, fixes
what becomes of each finding at safety review, and below fixed/ stands each file
as the fixes leave it. A difference is printed as a diff; --update writes what is.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			all, err := a.library()
			if err != nil {
				return err
			}
			var files []string
			for _, arg := range args {
				err := filepath.WalkDir(arg, func(name string, d os.DirEntry, err error) error {
					if err == nil && !d.IsDir() && (filepath.Ext(name) == ".txtar" || name == arg) {
						files = append(files, name)
					}
					return err
				})
				if err != nil {
					return describe(err)
				}
			}
			if len(files) == 0 {
				return fmt.Errorf("no *.txtar file in %s", strings.Join(args, ", "))
			}
			failed := 0
			for _, name := range files {
				ok, err := a.testPolicy(c, all, name, update)
				if err != nil {
					return err
				}
				if !ok {
					failed++
				}
			}
			fmt.Fprintf(a.out, "%d passed, %d failed\n", len(files)-failed, failed)
			if failed > 0 {
				return errFindings
			}
			return nil
		},
	}
	c.Flags().BoolVar(&update, "update", false, "write what is into the files instead of comparing")
	return c
}

func (a *app) testPolicy(c *cobra.Command, all []*policy.Policy, name string, update bool) (bool, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return false, describe(err)
	}
	only := a.only
	if len(only) == 0 {
		only = []string{strings.TrimSuffix(filepath.Base(name), ".txtar")}
	}
	b := *a
	b.only = only
	selected, err := b.selected(all)
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	got, err := remediate.RunCase(c.Context(), src, remediate.Settings{Policies: selected, Selected: selected})
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	if string(got) == string(src) {
		return true, nil
	}
	if update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			return false, describe(err)
		}
		return true, nil
	}
	fmt.Fprintf(a.out, "FAIL %s\n%s", name, udiff.Unified("want", "got", string(src), string(got)))
	return false, nil
}
