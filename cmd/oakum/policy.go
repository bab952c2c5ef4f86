package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/compliance"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
)

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "the policy library: built-in and yours"}
	c.AddCommand(a.policyListCommand(), a.policyShowCommand(), a.policyTestCommand(), a.policyNewCommand(), a.policySchemaCommand(), a.policyExportCommand(), a.policyBundleCommand(), a.policyExemptionsCommand())
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
			frameworks := a.catalogue(all, nil, nil)
			if all, err = a.selected(all, frameworks); err != nil {
				return err
			}
			slices.SortStableFunc(all, func(x, y *policy.Policy) int {
				return cmp.Or(cmp.Compare(slices.Index(policy.Severities, x.Severity), slices.Index(policy.Severities, y.Severity)), cmp.Compare(x.Name, y.Name))
			})
			if output == "json" {
				c, err := frameworks()
				if err != nil {
					return err
				}
				return printPolicies(a.out, all, c)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "POLICY\tSEVERITY\tCATEGORY\tFIX\tTITLE")
			for _, p := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.Severity, p.Category, p.Boldest(), p.Title)
			}
			return w.Flush()
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "format: table, json")
	return c
}

func printPolicies(w io.Writer, all []*policy.Policy, c *compliance.Catalogue) error {
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
		out[i] = entry{p.Name, p.Title, p.Severity, p.Category, p.Boldest(), c.Controls(p.Name), p.File}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

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
	selected, err := b.selected(all, a.catalogue(all, nil, nil))
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
