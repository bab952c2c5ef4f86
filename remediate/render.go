package remediate

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/render"
	"github.com/oakum-dev/oakum/fixers"
)

// overlay is a tree with some files replaced or added.
type overlay struct {
	fs.FS
	names map[string]bool
	over  fs.FS
}

func newOverlay(tree fs.FS, files map[string][]byte) (overlay, error) {
	a := &txtar.Archive{}
	o := overlay{FS: tree, names: map[string]bool{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		a.Files = append(a.Files, txtar.File{Name: name, Data: files[name]})
		o.names[name] = true
	}
	var err error
	o.over, err = txtar.FS(a)
	return o, err
}

// Open opens the replacement where there is one.
func (o overlay) Open(name string) (fs.File, error) {
	if o.names[name] {
		return o.over.Open(name)
	}
	return o.FS.Open(name)
}

// render builds every kustomization that reads a changed file, before and
// after: what is rendered may change only as the fixes mean it to. It tells
// whether nothing was dropped.
func (p *planner) render(ctx context.Context) (bool, error) {
	files := map[string][]byte{}
	kustomizations := maps.Clone(p.in.Kustomizations)
	for _, f := range p.changed() {
		files[f.path] = f.after
		if _, ok := kustomizations[f.path]; ok {
			kustomizations[f.path] = f.after
		}
	}
	after, err := newOverlay(p.in.Tree, files)
	if err != nil {
		return false, fmt.Errorf("preparing the proof: %w", err)
	}
	rootsAfter := map[string]render.Root{}
	for _, r := range render.Roots(after, kustomizations) {
		rootsAfter[r.Dir] = r
	}
	intended := p.intended()
	for _, root := range p.roots {
		if root.Err != nil {
			continue
		}
		version := p.version(root)
		if version == "" || p.rendered[root.Dir] == version {
			continue
		}
		was := p.builds[root.Dir]
		if was.err != nil {
			continue // it could not be built before either: it proves nothing
		}
		is, err := render.Build(ctx, after, rootsAfter[root.Dir])
		p.judgeRender(root, render.Compare(was.objects, is), err, intended)
		if err := ctx.Err(); err != nil || p.restart {
			return false, err
		}
		p.rendered[root.Dir] = version
	}
	for _, f := range p.changed() {
		if slices.ContainsFunc(p.roots, func(r render.Root) bool {
			return p.rendered[r.Dir] != "" && slices.Contains(r.Files, f.path)
		}) {
			f.proof.Render = "ok"
		}
	}
	return true, nil
}

// version identifies the changed files that a root reads; empty: there are none.
func (p *planner) version(root render.Root) string {
	h := sha256.New()
	changed := false
	for _, f := range p.changed() {
		if _, ok := slices.BinarySearch(root.Files, f.path); ok {
			changed = true
			fmt.Fprintf(h, "%s\x00%d\x00", f.path, len(f.after))
			h.Write(f.after)
		}
	}
	if !changed {
		return ""
	}
	return string(h.Sum(nil))
}

// renderBefore finds the roots, and builds those that read one of the files, as they are.
func (p *planner) renderBefore(ctx context.Context, files []string) {
	p.roots = render.Roots(p.in.Tree, p.in.Kustomizations)
	for _, root := range p.roots {
		if root.Err == nil && slices.ContainsFunc(files, func(f string) bool { _, ok := slices.BinarySearch(root.Files, f); return ok }) {
			var b built
			b.objects, b.err = render.Build(ctx, p.in.Tree, root)
			p.builds[root.Dir] = b
		}
	}
}

type built struct {
	objects []render.Object
	err     error
}

// judgeRender drops the fixes of a root's files when its rendering changes in
// a way that they do not mean to, or fails with them.
func (p *planner) judgeRender(root render.Root, changes []render.Change, failed error, intended map[string]bool) {
	why := ""
	if failed != nil {
		why = failed.Error()
		changes = nil
	}
	for _, d := range changes {
		if !p.adds(d) && !intended[intention(d.Object.Origin, d.Object.Kind, d.Path, d.After)] {
			why = fmt.Sprintf("%s of %s would change in the rendering of %s", d.Path, d.Object.ID(), root.Dir)
			break
		}
	}
	if why == "" {
		return
	}
	var suspects []*fixers.Fix
	for _, f := range p.changed() {
		if slices.Contains(root.Files, f.path) {
			suspects = append(suspects, f.fixes...)
		}
	}
	// A new file disturbs a build sooner than a changed field does.
	if adding := slices.DeleteFunc(slices.Clone(suspects), func(f *fixers.Fix) bool { return len(f.Create) == 0 }); len(adding) > 0 {
		suspects = adding
	}
	for _, fix := range suspects {
		p.drop(fix, fixers.HeldUnproved, "%s", why)
	}
}

// adds tells a change of a rendering that comes from a file which is new, or
// an object that is new in a file which gets more documents.
func (p *planner) adds(c render.Change) bool {
	f := p.files[c.Object.Origin]
	return f != nil && len(f.fixes) > 0 && (f.before == nil || len(f.more()) > 0 && c.Path == "" && c.Before == nil)
}

// intended lists the field changes that the plan means to make, by file.
func (p *planner) intended() map[string]bool {
	out := map[string]bool{}
	for _, f := range p.changed() {
		if f.file == nil {
			continue
		}
		if f.parsed == nil {
			continue
		}
		was := map[string]*manifest.Resource{}
		for _, r := range f.file.Resources {
			was[identity(r)] = r
		}
		for _, r := range f.parsed.Resources {
			b := was[identity(r)]
			if b == nil || !b.Decoded() || !r.Decoded() {
				continue
			}
			for _, d := range render.Differences(b.Value, r.Value) {
				out[intention(f.path, r.Kind, d.Path, d.After)] = true
			}
		}
	}
	return out
}

// intention identifies a change of a field across renderings: kustomize may
// rename the object, so only file, kind, field and value count.
func intention(file, kind, path string, after any) string {
	value, err := json.Marshal(after)
	if err != nil {
		value = fmt.Append(nil, after)
	}
	return strings.Join([]string{file, kind, path, string(value)}, "\x00")
}
