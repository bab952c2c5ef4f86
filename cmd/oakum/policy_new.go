package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/policy"
)

// newPolicy is what a policy begins with: it compiles, and its case passes
// once it is run with --update.
const newPolicy = `# yaml-language-server: $schema=policy.schema.json
apiVersion: oakum.dev/v1alpha1
kind: Policy
metadata:
  name: %[1]s
spec:
  title: Workload has no owner
  description: >-
    Say what a breach leads to, for somebody who has to decide.
  severity: low              # critical, high, medium, low or info
  category: workload
  match:
    kinds: [Pod]             # Pod also means the pod template of every workload
  parameters:
    label:
      description: label that says whose it is
      default: team
  require: object.?metadata.?labels[?params.label].hasValue()
  at: "object:metadata.labels"
  message: no label {params.label} says whose it is
  fix:
    advice: Add the label {params.label} with the name of the team.
`

const newCase = `Say here what the case shows.
-- input.yaml --
apiVersion: apps/v1
kind: Deployment
metadata:
  name: found
spec:
  template:
    spec:
      containers:
        - name: web
          image: shop/web:1
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: left-alone
  labels:
    team: shop
spec:
  template:
    spec:
      containers:
        - name: web
          image: shop/web:1
`

var policyName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func (a *app) policyNewCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:     "new NAME",
		Short:   "begin a policy of your own: its file, a test case, and the schema for editors",
		Args:    cobra.ExactArgs(1),
		Example: "  oakum policy new owner-label\n  oakum policy test --policies policies policies --update",
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			if !policyName.MatchString(name) {
				return fmt.Errorf("name %q is not in kebab-case, such as owner-label", name)
			}
			all, err := a.library()
			if err != nil {
				return err
			}
			for _, p := range all {
				if p.Name == name {
					return fmt.Errorf("policy %s is there already, in %s: choose another name", name, p.File)
				}
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return describe(err)
			}
			for _, f := range []struct{ name, content string }{
				{name + ".yaml", fmt.Sprintf(newPolicy, name)}, {name + ".txtar", newCase}, {"policy.schema.json", string(policy.Schema)},
			} {
				path := filepath.Join(dir, f.name)
				err := create(path, f.content)
				if errors.Is(err, fs.ErrExist) && f.name == "policy.schema.json" {
					continue
				}
				if err != nil {
					return fmt.Errorf("writing %s: %w", path, err)
				}
				fmt.Fprintln(a.out, path)
			}
			if !a.quiet {
				fmt.Fprintf(a.err, "next: edit it, then run 'oakum policy test --policies %[1]s %[1]s --update' and read what the case says\n", dir)
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", "policies", "directory of your policies")
	return c
}

// create writes a file that must not be there yet.
func create(name, content string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Close())
}

func (a *app) policySchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "print the JSON schema of a policy, for editors",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(policy.Schema)
			return err
		},
	}
}
