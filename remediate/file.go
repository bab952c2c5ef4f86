package remediate

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/source"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/fixers/yamledit"
)

// fileChange is one file of a plan in the making.
type fileChange struct {
	path   string
	file   *manifest.File // nil for new files and kustomizations
	fixes  []*fixers.Fix
	built  bool           // after holds every fix
	judged bool           // and was judged by rescan
	parsed *manifest.File // after, read again; nil where it has no resources
	before []byte
	after  []byte
	edits  []yamledit.Edit
	proof  Proof
}

// dropped is a fix that cannot be made, and why.
type dropped struct {
	fix    *fixers.Fix
	reason fixers.Reason
	detail string
}

func (f *fileChange) add(fix *fixers.Fix) {
	if !slices.Contains(f.fixes, fix) {
		f.fixes, f.built = append(f.fixes, fix), false
	}
}

func (f *fileChange) remove(fix *fixers.Fix) {
	if i := slices.Index(f.fixes, fix); i >= 0 {
		f.fixes, f.built = slices.Delete(f.fixes, i, i+1), false
	}
}

// make writes the file with all its fixes, or says which of them cannot be made.
func (f *fileChange) make(p *planner) []dropped {
	f.proof = Proof{Parse: "ok", Rescan: "ok", Render: "none", DryRun: "none"}
	more := f.more()
	if f.file == nil && len(more) > 0 {
		f.after = p.style(f.path).Encode(more...)
		return nil
	}
	src, err := p.read(f.path)
	if err != nil {
		return f.all(fixers.HeldUnproved, err)
	}
	f.before = src
	text := source.New(src)
	if f.file != nil {
		text = f.file.Text
	}
	want := map[int]*yaml.Node{}
	f.edits = nil
	for _, d := range f.documents(text) {
		if d.err != nil {
			return f.all(fixers.HeldUnproved, d.err)
		}
		if bad := d.claimed(text, p.in.Safety); len(bad) > 0 {
			return bad
		}
		after, bad := d.merge()
		if len(bad) > 0 {
			return bad
		}
		edits, err := yamledit.Rewrite(text, d.root, after)
		if err != nil {
			return d.culprits(text, err)
		}
		want[d.index] = after
		f.edits = append(f.edits, edits...)
	}
	if len(more) > 0 {
		edits, err := yamledit.AppendDocuments(text, more...)
		if err != nil {
			return f.all(reason(err), err)
		}
		for i, n := range more {
			want[len(text.Documents())+i] = n
		}
		f.edits = append(f.edits, edits...)
	}
	if f.after, err = yamledit.Apply(src, f.edits); err != nil {
		return f.all(fixers.HeldUnproved, err)
	}
	if err := yamledit.Verify(src, f.after, want); err != nil {
		return f.all(reason(err), err)
	}
	return nil
}

// more is the documents that the first of the fixes which have any adds.
func (f *fileChange) more() []*yaml.Node {
	for _, fix := range f.fixes {
		for _, n := range fix.Create {
			if n.Path == f.path {
				return n.Documents
			}
		}
	}
	return nil
}

func (f *fileChange) all(why fixers.Reason, err error) []dropped {
	var out []dropped
	for _, fix := range f.fixes {
		out = append(out, dropped{fix, why, err.Error()})
	}
	return out
}

// document is one document of a file with the fixes made in it.
type document struct {
	index int
	root  *yaml.Node
	err   error
	edits []edit
}

// edit is what one fix does to a copy of the document's root.
type edit struct {
	fix    *fixers.Fix
	expand func(root *yaml.Node)
	make   func(root *yaml.Node) error
	prune  func(root *yaml.Node)
}

// documents sorts the fixes of the file by the document they change.
func (f *fileChange) documents(text *source.Text) []*document {
	var out []*document
	byIndex := map[int]*document{}
	get := func(index int, root *yaml.Node) *document {
		d, ok := byIndex[index]
		if !ok {
			d = &document{index: index, root: root}
			byIndex[index] = d
			out = append(out, d)
		}
		return d
	}
	for _, fix := range f.fixes {
		if r := fix.Finding.Resource; r.File == f.file && len(fix.Edits) > 0 {
			d := get(r.Document, r.Root)
			at := route(r.Root, r.Node)
			d.edits = append(d.edits, edit{
				fix,
				func(root *yaml.Node) { fixers.Expand(follow(root, at), fix.Edits) },
				func(root *yaml.Node) error { return fixers.Desired(follow(root, at), fix.Edits) },
				func(root *yaml.Node) { fixers.Prune(follow(root, at), fix.Edits) },
			})
		}
		for _, reg := range fix.Register {
			if reg.Kustomization != f.path {
				continue
			}
			d := get(0, nil)
			if d.root == nil && d.err == nil {
				if docs := text.Documents(); len(docs) != 1 {
					d.err = fmt.Errorf("%s has %d documents, a kustomization has one", f.path, len(docs))
				} else {
					d.root, d.err = text.Parse(docs[0])
				}
			}
			d.edits = append(d.edits, edit{
				fix,
				func(*yaml.Node) {},
				func(root *yaml.Node) error { return fixers.AddResource(root, reg.Resource) },
				func(*yaml.Node) {},
			})
		}
	}
	slices.SortFunc(out, func(a, b *document) int { return a.index - b.index })
	return out
}

// merge makes every edit on one copy of the document. Fixes are siblings on
// one baseline: one that contradicts an earlier one is dropped whole.
func (d *document) merge() (*yaml.Node, []dropped) {
	baseline := yamledit.Clone(d.root)
	for _, e := range d.edits {
		e.expand(baseline)
	}
	if bad := d.contradictions(baseline); len(bad) > 0 {
		return nil, bad
	}
	// Made one after the other, they put their keys where a person would.
	for _, e := range d.edits {
		if err := e.make(baseline); err != nil {
			return nil, []dropped{{e.fix, fixers.HeldUnproved, err.Error()}}
		}
	}
	for _, e := range d.edits {
		e.prune(baseline)
	}
	return baseline, nil
}

// contradictions are the fixes that want something else than an earlier one.
// Only edits of which one path leads to the other are compared by what they do.
func (d *document) contradictions(baseline *yaml.Node) []dropped {
	if !d.meet() {
		return nil
	}
	var bad []dropped
	var siblings [][]yamledit.Change
	for _, e := range d.edits {
		alone := yamledit.Clone(baseline)
		if err := e.make(alone); err != nil {
			bad = append(bad, dropped{e.fix, fixers.HeldUnproved, err.Error()})
			continue
		}
		siblings = append(siblings, yamledit.Diff(baseline, alone))
	}
	if len(bad) > 0 {
		return bad
	}
	for _, c := range yamledit.Conflicts(siblings) {
		bad = append(bad, dropped{
			d.edits[c.Index].fix, fixers.HeldConflict,
			fmt.Sprintf("contradicts %q at %s", d.edits[c.With].fix.Title, c.Path),
		})
	}
	return bad
}

// meet tells whether edits of different fixes meet somewhere in the document.
func (d *document) meet() bool {
	for i, a := range d.edits {
		for _, b := range d.edits[:i] {
			if a.fix.Finding.Resource == b.fix.Finding.Resource && !apart(a.fix.Edits, b.fix.Edits) {
				return true
			}
		}
	}
	return false
}

// apart tells whether no path of some edits leads to one of the others, or they
// are the same edit.
func apart(some, others []policy.Edit) bool {
	for _, a := range some {
		for _, b := range others {
			if a.Path.Meets(b.Path) && !(a.Op == b.Op && len(a.Path) == len(b.Path) && reflect.DeepEqual(a.Value, b.Value)) {
				return false
			}
		}
	}
	return true
}

// claimed makes the fixes that touch a line which a comment claims for another
// tool a matter of review, or drops them where that is too bold.
func (d *document) claimed(text *source.Text, limit policy.Safety) []dropped {
	if !yamledit.HasClaims(text.Bytes()) {
		return nil
	}
	var out []dropped
	for _, e := range d.edits {
		alone := yamledit.Clone(d.root)
		if e.make(alone) != nil {
			continue
		}
		e.prune(alone)
		edits, err := yamledit.Rewrite(text, d.root, alone)
		lines := yamledit.Claimed(text, edits)
		if err != nil || len(lines) == 0 || e.fix.Safety == policy.Review {
			continue
		}
		why := fmt.Sprintf("a comment says that another tool writes or reads line %d", lines[0])
		if !policy.Review.Within(limit) {
			out = append(out, dropped{e.fix, fixers.HeldSafety, "safety is review (" + why + ")"})
			continue
		}
		e.fix.Safety = policy.Review
		e.fix.Evidence = append(e.fix.Evidence, fixers.Evidence{Level: "declared", Text: why})
	}
	return out
}

// culprits finds the fixes whose own edit is refused; when none is by itself,
// all of them are.
func (d *document) culprits(text *source.Text, all error) []dropped {
	var out []dropped
	for _, e := range d.edits {
		alone := yamledit.Clone(d.root)
		if e.make(alone) != nil {
			continue
		}
		e.prune(alone)
		if _, err := yamledit.Rewrite(text, d.root, alone); err != nil {
			out = append(out, dropped{e.fix, reason(err), err.Error()})
		}
	}
	if len(out) == 0 {
		for _, e := range d.edits {
			out = append(out, dropped{e.fix, reason(all), all.Error()})
		}
	}
	return out
}

func reason(err error) fixers.Reason {
	var r *yamledit.Refusal
	if errors.As(err, &r) {
		return fixers.Reason(r.Reason)
	}
	return fixers.HeldUnproved
}

// route is the way from root down to n, as indexes of Content.
func route(root, n *yaml.Node) []int {
	if root == n {
		return []int{}
	}
	for i, c := range root.Content {
		if way := route(c, n); way != nil {
			return append([]int{i}, way...)
		}
	}
	return nil
}

func follow(root *yaml.Node, way []int) *yaml.Node {
	for _, i := range way {
		root = root.Content[i]
	}
	return root
}
