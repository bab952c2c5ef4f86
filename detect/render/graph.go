package render

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxFiles bounds what one kustomization may read.
const maxFiles = 20_000

// Root is a kustomization that no other one needs to be complete: something
// that a person or a controller builds.
type Root struct {
	Dir   string
	Files []string // every file that a build reads, sorted
	Err   error    // why it cannot be built here; nil if it can
}

// ErrRemote is in the Err of a root that needs something from the network.
var ErrRemote = errors.New("it needs a remote base")

// Roots walks the kustomizations (path -> content) of a tree without building
// them. What a build would take from elsewhere is found here, so that it is
// never attempted: a base on the network, a path outside the tree, a chart or
// a plugin to run.
func Roots(tree fs.FS, kustomizations map[string][]byte) []Root {
	g := graph{tree: tree, byDir: map[string]string{}, src: kustomizations}
	for name := range kustomizations {
		g.byDir[path.Dir(name)] = name
	}
	var out []Root
	for dir, name := range g.byDir {
		k, err := parse(name, kustomizations[name])
		if err == nil && k.Kind == "Component" {
			continue
		}
		w := walk{graph: g, files: map[string]bool{}}
		err = w.dir(dir, nil)
		r := Root{Dir: dir, Err: err}
		for f := range w.files {
			r.Files = append(r.Files, f)
		}
		slices.Sort(r.Files)
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Root) int { return strings.Compare(a.Dir, b.Dir) })
	return out
}

type graph struct {
	tree  fs.FS
	byDir map[string]string // directory -> its kustomization
	src   map[string][]byte
}

type walk struct {
	graph
	files map[string]bool
}

func (w *walk) dir(dir string, above []string) error {
	name, ok := w.byDir[dir]
	if !ok {
		return fmt.Errorf("%s has no kustomization", dir)
	}
	if slices.Contains(above, dir) {
		return fmt.Errorf("%s includes itself", dir)
	}
	if w.files[name] {
		return nil
	}
	w.files[name] = true
	k, err := parse(name, w.src[name])
	if err != nil {
		return err
	}
	if len(k.HelmCharts) > 0 || len(k.HelmInflation) > 0 {
		return fmt.Errorf("%s inflates a Helm chart", name)
	}
	var first error
	for _, e := range k.entries() {
		if err := w.entry(name, dir, e, append(above, dir)); err != nil && first == nil {
			first = err // the other files still belong to the root
		}
	}
	return first
}

func (w *walk) entry(name, dir string, e entry, above []string) error {
	p := path.Join(dir, e.name)
	if path.IsAbs(e.name) || p == ".." || strings.HasPrefix(p, "../") {
		return fmt.Errorf("%s names %q, which lies outside the repository", name, e.name)
	}
	info, err := fs.Stat(w.tree, p)
	switch {
	case err != nil && remote(e.name):
		return fmt.Errorf("%w: %s names %q", ErrRemote, name, e.name)
	case err != nil:
		return fmt.Errorf("%s names %q, which does not exist", name, e.name)
	case info.IsDir():
		return w.dir(p, above)
	case len(w.files) == maxFiles:
		return fmt.Errorf("%s reads more than %d files", above[0], maxFiles)
	}
	w.files[p] = true
	return nil
}

// remote tells what kustomize would fetch (kustomize, "remote targets").
func remote(name string) bool {
	host, _, _ := strings.Cut(name, "/")
	return strings.Contains(name, "://") || strings.HasPrefix(name, "git@") || strings.HasPrefix(name, "git::") ||
		strings.Contains(name, "?ref=") || strings.Contains(name, ".git") || strings.Contains(host, ".") && host != "." && host != ".." && strings.Contains(name, "/")
}
