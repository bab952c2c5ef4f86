package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/policy/admission"
	"github.com/oakum-dev/oakum/remediate"
)

func (a *app) policyExportCommand() *cobra.Command {
	var format, action, kept string
	var everything bool
	c := &cobra.Command{
		Use:   "export ID...",
		Short: "print policies for the API server or Gatekeeper to enforce",
		Long: `Export writes policies in the language of the API server: for each a
ValidatingAdmissionPolicy and the binding that puts it in force, or, for
Gatekeeper, a ConstraintTemplate and its constraint. The verdict is the one of a
scan. What looks across resources cannot be expressed there: it is
an error, or is left out and named on stderr with --all and --kept.`,
		Example: "  oakum policy export privileged-container --action deny | kubectl apply -f -\n  oakum policy export --kept . --action deny > enforced.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := oneOf("format", format, admission.Formats); err != nil {
				return err
			}
			if _, err := oneOf("action", action, admission.Actions); err != nil {
				return err
			}
			ways := 0
			for _, given := range []bool{len(args) > 0, everything, kept != ""} {
				if given {
					ways++
				}
			}
			if ways != 1 {
				return errors.New("name the policies to export, or give --all, or --kept with a path")
			}
			a.only = args
			var selected []*policy.Policy
			var kubernetes int
			var err error
			if kept != "" {
				selected, kubernetes, err = a.kept(c.Context(), kept)
			} else {
				selected, kubernetes, err = a.asked()
			}
			if err != nil {
				return err
			}
			return a.export(selected, cmp.Or(kubernetes, detect.LatestKubernetes), format, action, len(args) == 0)
		},
	}
	c.Flags().StringVar(&format, "format", "vap", "vap (ValidatingAdmissionPolicy), gatekeeper (ConstraintTemplate in CEL)")
	c.Flags().StringVar(&action, "action", "warn", "what is done with what breaks the policy: deny, warn, audit")
	c.Flags().BoolVar(&everything, "all", false, "export every policy that can be expressed")
	c.Flags().StringVar(&kept, "kept", "", "export every policy that all manifests below this path keep")
	return c
}

// asked are the policies that flags and arguments name.
func (a *app) asked() ([]*policy.Policy, int, error) {
	all, err := a.library()
	if err != nil {
		return nil, 0, err
	}
	kubernetes, err := (remediate.Config{Kubernetes: a.kubernetes}).Minor()
	if err != nil {
		return nil, 0, err
	}
	selected, err := a.selected(all, a.catalogue(all, nil, nil))
	return selected, kubernetes, err
}

// kept are the policies that nothing below a path breaks, though something
// could: what they would refuse tomorrow is not there today.
func (a *app) kept(ctx context.Context, path string) ([]*policy.Policy, int, error) {
	p, err := a.open(ctx, []string{path})
	if err != nil {
		return nil, 0, err
	}
	defer p.root.Close()
	var out []*policy.Policy
	for _, q := range p.Settings.Selected {
		if p.Result.Kept(q) {
			out = append(out, q)
		}
	}
	return out, p.Settings.Kubernetes, nil
}

// export prints policies one after the other. With skip, those that cannot be
// expressed are named and left out; without, nothing is printed.
func (a *app) export(selected []*policy.Policy, kubernetes int, format, action string, skip bool) error {
	var out []byte
	for _, p := range selected {
		x, err := admission.NewExport(p, kubernetes)
		if err != nil {
			if !skip {
				return err
			}
			fmt.Fprintf(a.err, "left out: %v\n", err)
			continue
		}
		text, err := x.YAML(format, action)
		if err != nil {
			return err
		}
		if len(out) > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, text...)
	}
	_, err := a.out.Write(out)
	return err
}
