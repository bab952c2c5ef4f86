package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oakum-dev/oakum/detect/policy/bundle"
	"github.com/oakum-dev/oakum/remediate/repo"
)

// bundled is a set of policies that does not move.
type bundled struct {
	name string // stands before the names of its files
	tree fs.FS
}

// The forms of --policies that name a bundle.
const (
	gitBundle = "git+"
	ociBundle = "oci:"
)

// openBundles opens those of --policies that are bundles.
func (a *app) openBundles(ctx context.Context) error {
	a.bundles = map[string]bundled{}
	for _, name := range a.policyPaths {
		var b bundled
		var err error
		switch {
		case strings.HasPrefix(name, gitBundle):
			b, err = openGit(ctx, name)
		case strings.HasPrefix(name, ociBundle):
			b, err = openLayout(name)
		default:
			continue
		}
		if err != nil {
			return fmt.Errorf("--policies %s: %w", name, err)
		}
		a.log.Info("opened a bundle of policies", "bundle", name, "as", b.name)
		a.bundles[name] = b
	}
	return nil
}

// openGit opens git+URL@REF#DIR, from the network or from a clone by its path.
func openGit(ctx context.Context, name string) (bundled, error) {
	rest, dir, _ := strings.Cut(strings.TrimPrefix(name, gitBundle), "#")
	i := strings.LastIndexByte(rest, '@')
	if i < 0 || i == len(rest)-1 {
		return bundled{}, fmt.Errorf("it is not pinned: write git+URL@TAG#DIR, or the full hash of a commit for TAG")
	}
	address, ref := strings.TrimPrefix(rest[:i], "file://"), rest[i+1:]
	dir = strings.Trim(path.Clean("/"+dir), "/")
	var r *repo.Repository
	var err error
	if repo.IsURL(address) {
		o := repo.Options{Pinned: ref, Depth: 1}
		if strings.HasPrefix(address, "https://github.com/") { // nobody else is given the token
			o.Token = os.Getenv("GITHUB_TOKEN")
		}
		r, err = repo.Clone(ctx, address, o)
	} else {
		r, err = repo.Open(address)
	}
	if err != nil {
		return bundled{}, err
	}
	commit, err := r.Pinned(ref)
	if err != nil {
		return bundled{}, err
	}
	tree, err := r.FS(commit)
	if err != nil {
		return bundled{}, err
	}
	out := bundled{fmt.Sprintf("%s%s@%s#", gitBundle, rest[:i], commit), tree}
	if dir == "" {
		return out, nil
	}
	out.name += dir + "/"
	if info, err := fs.Stat(tree, dir); err != nil || !info.IsDir() {
		return bundled{}, fmt.Errorf("commit %s has no directory %s", commit, dir)
	}
	out.tree, err = fs.Sub(tree, dir)
	return out, err
}

// openLayout opens oci:DIRECTORY@DIGEST.
func openLayout(name string) (bundled, error) {
	dir, digest, ok := strings.Cut(strings.TrimPrefix(name, ociBundle), "@")
	if !ok {
		return bundled{}, fmt.Errorf("it is not pinned: write oci:DIRECTORY@sha256:DIGEST")
	}
	tree, err := bundle.Read(os.DirFS(dir), digest)
	return bundled{name + "#", tree}, err
}

func (a *app) policyBundleCommand() *cobra.Command {
	var output, tag string
	c := &cobra.Command{
		Use:   "bundle DIR",
		Short: "pack policies as an OCI image layout",
		Long: `Bundle packs the policies below a directory, after loading all of them, as an
OCI image layout, and prints what --policies takes to read it. Any registry
takes the layout (oras cp --from-oci-layout, crane push, skopeo copy oci:). The
same files give the same digest.`,
		Example: "  oakum policy bundle policies -o dist/policies --tag v1.2.0",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if output == "" {
				return fmt.Errorf("name the directory to write with --output")
			}
			digest, err := writeBundle(args[0], output, tag)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s%s@%s\n", ociBundle, output, digest)
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "directory to write, which is not there yet")
	c.Flags().StringVar(&tag, "tag", "", "name of the version in the layout, e.g. v1.2.0")
	return c
}

func writeBundle(dir, output, tag string) (digest string, err error) {
	tree := os.DirFS(dir)
	loaded, err := loadTree(compiler(), tree, dir+"/")
	if err != nil {
		return "", err
	}
	if len(loaded) == 0 {
		return "", fmt.Errorf("%s has no policies", dir)
	}
	files := map[string][]byte{}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !slices.Contains([]string{".yaml", ".yml", ".rego"}, path.Ext(name)) {
			return err
		}
		files[name], err = fs.ReadFile(tree, name)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", dir, describe(err))
	}
	layout, digest, err := bundle.Layout(files, tag)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(output, 0o755); err != nil {
		return "", fmt.Errorf("writing the bundle: %w", describe(err))
	}
	for name, src := range layout {
		at := filepath.Join(output, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return "", fmt.Errorf("writing the bundle: %w", describe(err))
		}
		if err := os.WriteFile(at, src, 0o644); err != nil {
			return "", fmt.Errorf("writing the bundle: %w", describe(err))
		}
	}
	return digest, nil
}
