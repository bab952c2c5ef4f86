package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/report"
	cases "github.com/oakum-dev/oakum/testdata/policies"
)

func (a *app) policyShowCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "show ID",
		Short: "print what a policy asks for, why, and how it is mended",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := oneOf("output", output, []string{"text", "markdown"}); err != nil {
				return err
			}
			all, err := a.library()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(p *policy.Policy) bool { return p.Name == args[0] })
			if i < 0 {
				return fmt.Errorf("no policy is called %q%s; 'oakum policy list' prints them", args[0], nearest(args[0], all))
			}
			frameworks, err := a.catalogue(all, nil, nil)()
			if err != nil {
				return err
			}
			example, err := policyExample(c.Context(), all[i])
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(a.out, report.PolicyPage(all[i], frameworks.Controls(all[i].Name), example, output == "markdown"))
			return err
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "format: text, markdown")
	return c
}

// policyExample is what a policy finds in its test case: the built-in one or,
// for a policy of the user, NAME.txtar beside its file. Nil: there is none.
func policyExample(ctx context.Context, p *policy.Policy) (*report.PolicyExample, error) {
	src, err := cases.FS.ReadFile(p.Name + ".txtar")
	if errors.Is(err, fs.ErrNotExist) {
		src, err = os.ReadFile(strings.TrimSuffix(p.File, filepath.Ext(p.File)) + ".txtar")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading the test case of policy %s: %w", p.Name, err)
	}
	only := []*policy.Policy{p}
	e, err := remediate.ShowCase(ctx, src, remediate.Settings{Policies: only, Selected: only})
	if err != nil || e == nil {
		return nil, err
	}
	at := e.Finding.Position
	return &report.PolicyExample{Message: e.Finding.Message, File: at.File, Line: at.Line, Diff: e.Diff, Around: e.Around, Mark: e.Mark}, nil
}
