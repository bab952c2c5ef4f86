package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/remediate/repo"
)

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "the configuration of a repository: its schema, and whether one is right",
	}
	c.AddCommand(&cobra.Command{
		Use:   "schema",
		Short: "print the JSON schema of .oakum.yaml, for editors",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(remediate.ConfigSchema)
			return err
		},
	}, &cobra.Command{
		Use:   "check [FILE]",
		Short: "say whether a configuration can be read, with all that it extends",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := remediate.ConfigName
			if len(args) > 0 {
				name = args[0]
			}
			src, err := readFile(name, remediate.MaxConfig)
			if err != nil {
				return describe(err)
			}
			config, err := a.loadConfig(c.Context(), name, src)
			if err != nil {
				return err
			}
			all, err := a.library()
			if err != nil {
				return err
			}
			if _, err := config.Apply(all); err != nil {
				return err
			}
			if _, err := config.Minor(); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s is right\n", printable(name))
			return nil
		},
	})
	return c
}

// loadConfig reads a configuration with its presets, which are at hand if
// --presets names them or the verb talks to GitHub anyway.
func (a *app) loadConfig(ctx context.Context, name string, src []byte) (remediate.Config, error) {
	presets := a.remotePresets
	if a.presets != "" {
		presets = a.localPreset
	}
	c, err := remediate.LoadConfig(ctx, name, src, presets)
	if errors.Is(err, remediate.ErrNoPresets) {
		err = fmt.Errorf("%w: give --presets DIR, where DIR/owner/repository/%s is the file", err, "oakum.yaml")
	}
	return c, err
}

// localPreset reads a preset below the directory of --presets. It is there as
// it is, whatever ref was asked for.
func (a *app) localPreset(_ context.Context, p remediate.Preset) ([]byte, error) {
	root, err := os.OpenRoot(a.presets)
	if err != nil {
		return nil, fmt.Errorf("--presets: %w", describe(err))
	}
	defer root.Close()
	f, err := root.Open(filepath.Join(filepath.FromSlash(p.Repository), filepath.FromSlash(p.File)))
	if err != nil {
		return nil, fmt.Errorf("--presets %s: %w", a.presets, describe(err))
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, remediate.MaxConfig+1))
}

// presetsOf reads presets from where a repository is. The token is for presets of
// the same owner: what a repository names must not be read for it elsewhere.
func presetsOf(web, owner, token string) remediate.Presets {
	return func(ctx context.Context, p remediate.Preset) ([]byte, error) {
		access := repo.Access{MaxBytes: 64 << 20}
		if of, _, _ := strings.Cut(p.Repository, "/"); strings.EqualFold(of, owner) {
			access.Token = token
		}
		return repo.ReadFile(ctx, strings.TrimSuffix(web, "/")+"/"+p.Repository+".git", access, p.Ref, p.File, remediate.MaxConfig)
	}
}

// readFile reads a file of at most some bytes.
func readFile(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(src)) > most {
		err = fmt.Errorf("%s has more than the %d bytes that are read", name, most)
	}
	return src, err
}
