// Package remediate turns findings into proved changes, and changes into pull
// requests: plan, prove, publish.
package remediate

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/detect/render"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/fixers/yamledit"
)

// Input is what a plan is made from: a tree as it was read and judged.
type Input struct {
	Tree           fs.FS             // the whole repository
	Kustomizations map[string][]byte // the kustomizations in it, by path
	Set            *manifest.Set
	Findings       []*detect.Finding // those to be mended
	Detect         detect.Options    // what the proof judges by: every policy, also those without a finding here
	Safety         policy.Safety     // how bold
	Live           *Live             // what a cluster says of the set; nil: none was read

	hardened map[*detect.Finding]hardening // that the cluster has mended
}

// Plan is every fix that was proved, as changes of files, and why the others
// are held back.
type Plan struct {
	Changes []Change // by path
	Held    []fixers.Held
	secrets []string // what the changed files hold that must not be shown to others
}

// Change is one file before and after.
type Change struct {
	Path   string
	Before []byte // nil for a new file
	After  []byte
	Edits  []yamledit.Edit
	Fixes  []*fixers.Fix
	Proof  Proof
}

// Proof says what was checked of a change: "ok", or "none" where there was
// nothing to check it with.
type Proof struct {
	Parse  string `json:"parse"`
	Rescan string `json:"rescan"`
	Render string `json:"render"`
	DryRun string `json:"dryRun"`
}

// MakePlan plans the fixes of every finding and proves them. It writes nothing.
func MakePlan(ctx context.Context, in Input) (*Plan, error) {
	p := newPlanner(in)
	propose := proposer(fixerContext(in.Tree, in.Set, in.Detect, in.Live), in.hardened)
	for _, f := range bySeverity(in.Findings) {
		fix, held := propose(f, in.Safety)
		if held != nil {
			p.held = append(p.held, *held)
			continue
		}
		p.add(&fix)
	}
	// Rendering what is there keeps one core busy while the others edit.
	rendered := make(chan struct{})
	go func() {
		defer close(rendered)
		p.renderBefore(ctx, slices.Sorted(maps.Keys(p.files)))
	}()
	defer func() { <-rendered }()
	// Whatever fails its proof is dropped whole, and the rest is made again
	// without it: what remains was proved together.
	for {
		p.build()
		if p.settled() && p.rescan() {
			<-rendered
			ok, err := p.render(ctx)
			if err != nil {
				return nil, err
			}
			if ok {
				return p.plan(), nil
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// bySeverity puts the worst first: where two fixes contradict, it wins.
func bySeverity(findings []*detect.Finding) []*detect.Finding {
	return slices.SortedStableFunc(slices.Values(findings), func(a, b *detect.Finding) int {
		return cmp.Compare(slices.Index(policy.Severities, a.Severity), slices.Index(policy.Severities, b.Severity))
	})
}

type planner struct {
	in    Input
	forms map[string]*manifest.File
	files map[string]*fileChange
	held  []fixers.Held

	was      map[string]bool // findings before, by place, of the files in scanned
	scanned  map[string]bool
	roots    []render.Root
	builds   map[string]built  // before, by directory, of the roots that a fix reaches
	rendered map[string]string // what of a root's files was proved, by directory
	restart  bool              // a fix was dropped since the last build
}

func newPlanner(in Input) *planner {
	p := &planner{
		in: in, files: map[string]*fileChange{}, forms: map[string]*manifest.File{}, was: map[string]bool{}, scanned: map[string]bool{},
		builds: map[string]built{}, rendered: map[string]string{},
	}
	for _, f := range in.Set.Files {
		p.forms[f.Path] = f
	}
	return p
}

// part is the changes of a plan that chosen picks, proved once more without
// the others: nothing that they mend may depend on those. ok is false where it does.
func part(in Input, whole *Plan, chosen func(Change) bool) (plan *Plan, ok bool) {
	p := newPlanner(in)
	for _, c := range whole.Changes {
		if chosen(c) {
			p.files[c.Path] = &fileChange{
				path: c.Path, file: p.forms[c.Path], fixes: slices.Clone(c.Fixes), built: true,
				before: c.Before, after: c.After, edits: c.Edits, proof: c.Proof,
			}
		}
	}
	if !p.rescan() {
		return nil, false
	}
	return p.plan(), true
}

// add lists a fix with every file it touches.
func (p *planner) add(fix *fixers.Fix) {
	if len(fix.Edits) > 0 {
		p.file(fix.Finding.Resource.File.Path).add(fix)
	}
	for _, n := range fix.Create {
		p.file(n.Path).add(fix)
	}
	for _, r := range fix.Register {
		p.file(r.Kustomization).add(fix)
	}
}

func (p *planner) file(name string) *fileChange {
	f, ok := p.files[name]
	if !ok {
		f = &fileChange{path: name, file: p.forms[name]}
		p.files[name] = f
	}
	return f
}

// drop holds a fix back, in every file that it touches.
func (p *planner) drop(fix *fixers.Fix, reason fixers.Reason, format string, args ...any) {
	p.held = append(p.held, fixers.Held{Finding: fix.Finding, Reason: reason, Detail: fix.Title + ": " + fmt.Sprintf(format, args...)})
	p.restart = true
	for _, f := range p.files {
		f.remove(fix)
	}
}

func (p *planner) settled() bool { return !p.restart }

// build makes every file whose fixes changed.
func (p *planner) build() {
	p.restart = false
	var todo []*fileChange
	for _, f := range p.changed() {
		if !f.built {
			f.built, f.judged = true, false
			todo = append(todo, f)
		}
	}
	bad := make([][]dropped, len(todo))
	each(len(todo), func(i int) { bad[i] = todo[i].make(p) })
	for _, d := range slices.Concat(bad...) {
		p.drop(d.fix, d.reason, "%s", d.detail)
	}
}

// each calls f with every number below n, as many at once as there are cores.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// changed lists the files that the plan changes, in order.
func (p *planner) changed() []*fileChange {
	var out []*fileChange
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		if f := p.files[name]; len(f.fixes) > 0 {
			out = append(out, f)
		}
	}
	return out
}

func (p *planner) plan() *Plan {
	out := &Plan{Held: p.held, secrets: p.secrets()}
	for _, f := range p.changed() {
		out.Changes = append(out.Changes, Change{Path: f.path, Before: f.before, After: f.after, Edits: f.edits, Fixes: f.fixes, Proof: f.proof})
	}
	out.sort()
	return out
}

// sort puts what is held back in the order of the files.
func (p *Plan) sort() {
	slices.SortStableFunc(p.Held, func(a, b fixers.Held) int {
		return cmp.Or(cmp.Compare(a.Finding.Position.File, b.Finding.Position.File), cmp.Compare(a.Finding.Position.Line, b.Finding.Position.Line),
			cmp.Compare(a.Finding.Policy.Name, b.Finding.Policy.Name))
	})
}

// read is the content of a file of the repository.
func (p *planner) read(name string) ([]byte, error) {
	if f := p.forms[name]; f != nil {
		return f.Source, nil
	}
	return fs.ReadFile(p.in.Tree, name)
}

// neighbours is how many files next to a new one are asked for their style.
const neighbours = 8

// style is how the manifests next to a new file are written.
func (p *planner) style(name string) yamledit.Style {
	var samples []yamledit.Sample
	for _, f := range p.in.Set.Files {
		if path.Dir(f.Path) != path.Dir(name) || f.Form != manifest.Plain || path.Ext(f.Path) == ".json" || len(f.Resources) == 0 {
			continue
		}
		s := yamledit.Sample{Text: f.Text}
		for _, r := range f.Resources {
			if r.Decoded() && !slices.Contains(s.Roots, r.Root) {
				s.Roots = append(s.Roots, r.Root)
			}
		}
		if samples = append(samples, s); len(samples) == neighbours {
			break
		}
	}
	return yamledit.DetectStyle(samples...)
}
