package render

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
)

// Bounds of one root. Directories count as often as a build would enter them:
// a few that include each other twice can spell out more than any machine has.
const (
	maxFiles       = 20_000
	maxBytes       = 64 << 20
	maxDirectories = 2_000
)

// Root is a kustomization that no other one needs to be complete: something
// that a person or a controller builds.
type Root struct {
	Dir   string
	Files []string // every file that a build reads, sorted
	Err   error    // why it cannot be built here; nil if it can

	manifests map[string]Role // those of Files that kustomize parses as resources or patches
}

// ErrRemote is in the Err of a root that needs something from the network.
var ErrRemote = errors.New("it needs a remote base")

// Roots walks the kustomizations (path -> content) of a tree without building
// them. What a build would take from elsewhere is found here, so that it is
// never attempted: a base on the network, a path outside the tree, a chart or
// a plugin to run.
func Roots(tree fs.FS, kustomizations map[string][]byte) []Root {
	byDir := directories(kustomizations)
	var out []Root
	for dir, names := range byDir {
		if k, err := parse(names[0], kustomizations[names[0]]); err == nil && k.Kind == types.ComponentKind {
			continue
		}
		out = append(out, rootAt(tree, kustomizations, byDir, dir))
	}
	slices.SortFunc(out, func(a, b Root) int { return strings.Compare(a.Dir, b.Dir) })
	return out
}

// directories are the kustomizations by their directories.
func directories(kustomizations map[string][]byte) map[string][]string {
	out := map[string][]string{}
	for name := range kustomizations {
		out[path.Dir(name)] = append(out[path.Dir(name)], name)
	}
	return out
}

func rootAt(tree fs.FS, kustomizations map[string][]byte, byDir map[string][]string, dir string) Root {
	w := walk{tree: tree, byDir: byDir, src: kustomizations, files: map[string]bool{}, manifests: map[string]Role{}, entered: map[string]int{}}
	_, err := w.dir(dir, nil)
	return Root{Dir: dir, Files: slices.Sorted(maps.Keys(w.files)), Err: err, manifests: w.manifests}
}

type walk struct {
	tree      fs.FS
	byDir     map[string][]string // directory -> its kustomizations, of which there may be one
	src       map[string][]byte
	files     map[string]bool
	manifests map[string]Role // files parsed as resources or patches; patches where they are both
	bytes     int64
	entered   map[string]int // directory walked -> directories that a build of it enters
}

// dir walks a kustomization and tells how many directories a build of it enters.
// After an error it goes on: the other files still belong to the root.
func (w *walk) dir(dir string, above []string) (int, error) {
	names := w.byDir[dir]
	switch {
	case len(names) == 0:
		return 0, fmt.Errorf("%s has no kustomization", dir)
	case len(names) > 1:
		return 0, fmt.Errorf("%s has several kustomizations: %s", dir, strings.Join(slices.Sorted(slices.Values(names)), ", "))
	case slices.Contains(above, dir):
		return 0, fmt.Errorf("%s includes itself", dir)
	}
	if n, ok := w.entered[dir]; ok {
		return n, nil
	}
	w.entered[dir] = 1
	name := names[0]
	first := w.file(name, int64(len(w.src[name])))
	k, err := parse(name, w.src[name])
	if err != nil {
		return 1, err
	}
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	if len(k.HelmCharts) > 0 || len(k.HelmChartInflationGenerator) > 0 {
		note(fmt.Errorf("%s inflates a Helm chart", name))
	}
	above = append(above, dir)
	total := 1
	for _, e := range entries(k) {
		n, err := w.entry(name, e, above)
		note(err)
		total += n
	}
	for _, p := range plugins(k) {
		note(w.plugin(name, p))
	}
	if total > maxDirectories {
		total = maxDirectories + 1 // further sums must not overflow
		note(fmt.Errorf("%s enters more than %d directories", name, maxDirectories))
	}
	w.entered[dir] = total
	return total, first
}

func (w *walk) entry(name string, e entry, above []string) (int, error) {
	if remote(e.name) {
		return 0, fmt.Errorf("%w: %s names %q", ErrRemote, name, e.name)
	}
	if e.role == PatchRole && strings.Contains(e.name, "\n") {
		return 0, nil // YAML written inline
	}
	p, err := inside(name, e.name)
	if err != nil {
		return 0, err
	}
	info, err := fs.Stat(w.tree, p)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s names %q, which does not exist", name, e.name)
	case info.IsDir() && e.role == ResourceRole:
		return w.dir(p, above)
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s names %q, which is not a file", name, e.name)
	}
	if e.role != InputRole && w.manifests[p] != PatchRole {
		w.manifests[p] = e.role
	}
	return 0, w.file(p, info.Size())
}

func (w *walk) file(name string, size int64) error {
	if w.files[name] {
		return nil
	}
	w.files[name] = true
	w.bytes += size
	if len(w.files) > maxFiles || w.bytes > maxBytes {
		return fmt.Errorf("it reads more than %d files or %d MiB", maxFiles, maxBytes>>20)
	}
	return nil
}

// inside is the path in the tree of what a kustomization names.
func inside(kustomization, name string) (string, error) {
	p := path.Join(path.Dir(kustomization), name)
	if path.IsAbs(name) || p == ".." || strings.HasPrefix(p, "../") {
		return "", fmt.Errorf("%s names %q, which lies outside the repository", kustomization, name)
	}
	return p, nil
}

// userHost is how kustomize knows user@host:path.
var userHost = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*@`)

// remote tells what kustomize might fetch, whether or not the tree has a file
// of that name: kustomize asks in that order (kustomize, IsRemoteFile and
// NewRepoSpecFromURL; a little wider than these).
func remote(name string) bool {
	n := strings.ToLower(name)
	n = strings.TrimPrefix(n, "git::")
	for _, prefix := range []string{"http:", "https:", "ssh:", "file:", "github.com/", "github.com:"} {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return strings.Contains(n, "://") || userHost.MatchString(n)
}
