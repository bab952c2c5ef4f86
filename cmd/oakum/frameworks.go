package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/oakum-dev/oakum/detect/compliance"
	"github.com/oakum-dev/oakum/detect/policy"
)

// catalogue gives every framework, joined with all policies. They are loaded
// when somebody first asks: most runs need none.
type catalogue func() (*compliance.Catalogue, error)

// catalogue has the built-in frameworks, those of --frameworks, and those that
// the configuration names by their paths in the tree.
func (a *app) catalogue(all []*policy.Policy, tree fs.FS, configured []string) catalogue {
	return sync.OnceValues(func() (*compliance.Catalogue, error) {
		loaded, err := compliance.LoadFS(compliance.FS())
		if err != nil {
			return nil, fmt.Errorf("loading the built-in frameworks: %w", err)
		}
		for _, name := range a.frameworks {
			more, err := loadFrameworks(os.DirFS(filepath.Dir(name)), filepath.Base(name), filepath.Dir(name))
			if err != nil {
				return nil, fmt.Errorf("loading frameworks: %w", describe(err))
			}
			loaded = append(loaded, more...)
		}
		for _, name := range configured {
			more, err := loadFrameworks(tree, path.Clean(name), ".")
			if err != nil {
				return nil, fmt.Errorf("loading the frameworks that the configuration names: %w", describe(err))
			}
			loaded = append(loaded, more...)
		}
		return compliance.NewCatalogue(loaded, all)
	})
}

// loadFrameworks loads a file of a tree, or all of a directory; their names
// are shown as below dir.
func loadFrameworks(tree fs.FS, name, dir string) ([]*compliance.Framework, error) {
	info, err := fs.Stat(tree, name)
	if err != nil {
		return nil, err
	}
	var loaded []*compliance.Framework
	if info.IsDir() {
		if tree, err = fs.Sub(tree, name); err != nil {
			return nil, err
		}
		dir = filepath.Join(dir, name)
		loaded, err = compliance.LoadFS(tree)
	} else {
		loaded, err = compliance.LoadFile(tree, name)
	}
	for _, f := range loaded {
		f.File = filepath.Join(dir, f.File)
	}
	return loaded, err
}
