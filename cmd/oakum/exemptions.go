package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/report"
)

func (a *app) policyExemptionsCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "exemptions [PATH...]",
		Short: "print every exemption, and whether it is still needed",
		Long: `Exemptions lists what the annotations and comments of manifests and .oakum.yaml
exempt: needed (it covers a finding), expired (it would, and its day is over),
refused (the policy is strict), unknown (its policy is off or could not be
evaluated) or unneeded (nothing is left that it would cover).`,
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := oneOf("output", output, []string{"table", "json"}); err != nil {
				return err
			}
			p, err := a.open(c.Context(), args)
			if err != nil {
				return err
			}
			defer p.root.Close()
			uses := p.Uses()
			if output == "json" {
				err = report.WriteUses(a.out, uses)
			} else {
				w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "STATE\tFINDINGS\tPOLICY\tWHERE\tREASON")
				for _, u := range uses {
					fmt.Fprintf(w, "%s\t%d\t%s\t%s:%d\t%s\n", u.State, u.Findings, printable(list(u.Policies)),
						printable(u.Position.File), u.Position.Line, printable(u.Exemption.String()))
				}
				err = w.Flush()
			}
			if err != nil {
				return err
			}
			if a.unread(p) {
				return errReported
			}
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "format: table, json")
	return c
}
