package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"
	ignore "github.com/sabhiram/go-gitignore"
)

// maxIgnoreFile bounds a .gitignore, in bytes: every path is matched by every
// line. One that is longer counts for nothing.
const maxIgnoreFile = 256 << 10

// Options say what of a tree is read.
type Options struct {
	Paths     []string               // files and directories, relative to the tree; empty means all of it
	Exclude   []string               // globs over paths, ** crosses directories
	Forms     func(path string) Form // what is known of a file from elsewhere; nil means Plain
	Wants     Wants                  // which kinds are decoded
	Workloads []Workload             // kinds of extensions that have a pod template
	Skipped   func(path, why string) // told of what .gitignore and Exclude leave out; may be nil
	Reuse     Reuse                  // nil: every file is read
}

// Reuse gives a file that was read earlier, or calls read. What a file is read
// to depends on its path, its bytes, the given form, and the other Options; a
// file is never changed once it was read. It is called from several goroutines.
type Reuse func(path string, form Form, read func() (*File, []Error)) (*File, []Error)

// Read walks a tree and parses every manifest in it. What cannot be read is
// listed in the set's Errors; only a path of Options that does not exist is
// an error of the call.
func Read(tree fs.FS, o Options) (*Set, error) {
	w := walker{tree: tree, o: o, ignored: map[string]*ignore.GitIgnore{}}
	paths := o.Paths
	if len(paths) == 0 {
		paths = []string{"."}
	}
	for _, p := range paths {
		if err := w.walk(path.Clean(p)); err != nil {
			return nil, err
		}
	}
	slices.Sort(w.files)
	w.files = slices.Compact(w.files)

	type result struct {
		file *File
		errs []Error
	}
	results := make([]result, len(w.files))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 8) {
		wg.Go(func() {
			for i := range next {
				f, errs := w.parse(w.files[i])
				results[i] = result{f, errs}
			}
		})
	}
	for i := range w.files {
		next <- i
	}
	close(next)
	wg.Wait()

	set := &Set{Errors: w.errs}
	for _, r := range results {
		if r.file != nil {
			set.Files = append(set.Files, r.file)
		}
		set.Errors = append(set.Errors, r.errs...)
	}
	return set, nil
}

type walker struct {
	tree    fs.FS
	o       Options
	files   []string
	errs    []Error
	ignored map[string]*ignore.GitIgnore // by directory, nil where there is none
}

func (w *walker) walk(start string) error {
	info, err := fs.Stat(w.tree, start)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: no such file or directory", start)
		}
		return fmt.Errorf("%s: %w", start, unwrapPath(err))
	}
	if !info.IsDir() {
		w.files = append(w.files, start) // named by the user: read whatever it is called
		return nil
	}
	return fs.WalkDir(w.tree, start, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			w.errs = append(w.errs, Error{File: p, Message: "reading: " + unwrapPath(err).Error()})
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if why := w.excluded(p, d.IsDir()); p != start && why != "" {
			if d.IsDir() {
				return fs.SkipDir
			}
			if w.o.Skipped != nil && isManifestName(p) {
				w.o.Skipped(p, why)
			}
			return nil
		}
		if d.Type().IsRegular() && isManifestName(p) {
			w.files = append(w.files, p)
		}
		return nil
	})
}

func isManifestName(p string) bool {
	switch strings.ToLower(path.Ext(p)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

func (w *walker) excluded(p string, dir bool) string {
	for _, glob := range w.o.Exclude {
		glob = strings.TrimSuffix(glob, "/")
		if ok, _ := doublestar.Match(glob, p); ok {
			return "excluded by " + glob
		}
		if ok, _ := doublestar.Match(glob+"/**", p); ok {
			return "excluded by " + glob
		}
	}
	rel := path.Base(p)
	if dir {
		rel += "/"
	}
	for d := path.Dir(p); ; d = path.Dir(d) {
		if g := w.gitignore(d); g != nil && g.MatchesPath(rel) {
			return "ignored by " + path.Join(d, ".gitignore")
		}
		if d == "." || d == "/" {
			return ""
		}
		rel = path.Base(d) + "/" + rel
	}
}

func (w *walker) gitignore(dir string) *ignore.GitIgnore {
	if g, ok := w.ignored[dir]; ok {
		return g
	}
	var g *ignore.GitIgnore
	name := path.Join(dir, ".gitignore")
	if info, err := fs.Stat(w.tree, name); err != nil || info.Size() > maxIgnoreFile {
		w.ignored[dir] = nil
		return nil
	}
	if b, err := fs.ReadFile(w.tree, name); err == nil {
		g = ignore.CompileIgnoreLines(strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")...)
	}
	w.ignored[dir] = g
	return g
}

func (w *walker) parse(name string) (*File, []Error) {
	form := Plain
	if w.o.Forms != nil {
		form = w.o.Forms(name)
	}
	if form == Plain && w.inChart(name) {
		form = Template // if it has something to fill in
	}
	read := func() (*File, []Error) { return w.read(name, form) }
	if w.o.Reuse != nil {
		return w.o.Reuse(name, form, read)
	}
	return read()
}

func (w *walker) read(name string, form Form) (*File, []Error) {
	info, err := fs.Stat(w.tree, name)
	if err == nil && info.Size() > MaxFileSize {
		return nil, []Error{{File: name, Message: fmt.Sprintf("file is %d MiB, more than the %d MiB that are read", info.Size()>>20, MaxFileSize>>20)}}
	}
	src, err := fs.ReadFile(w.tree, name)
	if err != nil {
		return nil, []Error{{File: name, Message: "reading: " + unwrapPath(err).Error()}}
	}
	if form == Template && !bytes.Contains(src, []byte("{{")) {
		form = Plain
	}
	return Parse(name, src, form, w.o.Wants, w.o.Workloads...)
}

// inChart tells whether a file lies where Helm looks for templates.
func (w *walker) inChart(name string) bool {
	for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if path.Base(dir) == "templates" {
			if _, err := fs.Stat(w.tree, path.Join(path.Dir(dir), "Chart.yaml")); err == nil {
				return true
			}
		}
	}
	return false
}

// unwrapPath drops the path that an *fs.PathError repeats.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
