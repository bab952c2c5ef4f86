package remediate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/manifest"
	"github.com/oakum-dev/oakum/fixers"
)

// rescan judges the files as they would be: every mended finding must be
// gone, nothing new may appear, and what a fix needs of the finished resource
// must hold. What fails is dropped; it tells whether nothing was. A file that
// stayed as it was since it was last judged is not judged again.
func (p *planner) rescan() bool {
	after := &manifest.Set{}
	mended := map[string]*manifest.File{}
	fresh := map[string]bool{}
	changed := p.changed()
	errs := make([][]manifest.Error, len(changed))
	each(len(changed), func(i int) {
		if f := changed[i]; !f.judged {
			errs[i] = p.parse(f)
		}
	})
	for i, f := range changed {
		for _, fix := range slices.Clone(f.fixes) {
			if len(errs[i]) > 0 {
				p.drop(fix, fixers.HeldUnproved, "the edited file does not parse: line %d: %s", errs[i][0].Line, errs[i][0].Message)
			}
		}
		fresh[f.path] = !f.judged
		mended[f.path] = f.parsed
	}
	if p.restart {
		return false
	}
	for _, f := range p.in.Set.Files {
		if m := mended[f.Path]; m != nil {
			f = m
			delete(mended, f.Path)
		}
		after.Files = append(after.Files, f)
	}
	for _, name := range slices.Sorted(maps.Keys(mended)) {
		if m := mended[name]; m != nil { // new
			after.Files = append(after.Files, m)
		}
	}

	p.findingsBefore(fresh)
	still := map[string]*detect.Finding{}
	for _, f := range detect.ScanFiles(after, p.in.Detect, fresh).Findings {
		still[place(f)] = f
	}
	resources := map[string]*manifest.Resource{}
	for r := range after.Resources {
		if fresh[r.File.Path] {
			resources[identity(r)] = r
		}
	}
	for _, f := range p.changed() {
		if !fresh[f.path] {
			continue
		}
		f.judged = true
		for _, fix := range slices.Clone(f.fixes) {
			p.judge(fix, still, resources)
		}
	}
	for _, where := range slices.Sorted(maps.Keys(still)) {
		// What is only worth knowing is no reason to leave something worse.
		if f := still[where]; !p.was[where] && f.Severity != "info" {
			p.blame(f)
		}
	}
	return !p.restart
}

// parse reads a file as it would be; it must be as readable as before.
func (p *planner) parse(f *fileChange) []manifest.Error {
	form := manifest.Plain
	if f.file != nil {
		form = f.file.Form
	} else if f.before != nil {
		form = manifest.Other // a kustomization
	}
	parsed, errs := manifest.Parse(f.path, f.after, form, p.in.Detect.Wants, p.in.Detect.Workloads...)
	f.parsed = parsed
	return errs
}

// findingsBefore remembers what every policy found in files as they are.
func (p *planner) findingsBefore(files map[string]bool) {
	unknown := map[string]bool{}
	for name := range files {
		if !p.scanned[name] {
			unknown[name], p.scanned[name] = true, true
		}
	}
	for _, f := range detect.ScanFiles(p.in.Set, p.in.Detect, unknown).Findings {
		p.was[place(f)] = true
	}
}

// judge drops a fix that does not mend its finding, or whose condition the
// finished resource does not meet.
func (p *planner) judge(fix *fixers.Fix, still map[string]*detect.Finding, resources map[string]*manifest.Resource) {
	f := fix.Finding
	if again := still[place(f)]; again != nil && !(fix.Lessens && len(again.Violation.Vulnerabilities) < len(f.Violation.Vulnerabilities)) {
		p.drop(fix, fixers.HeldUnproved, "the finding is still there after the edit")
		return
	}
	r, ok := resources[identity(f.Resource)]
	if !ok {
		if len(fix.Edits) > 0 {
			p.drop(fix, fixers.HeldUnproved, "the resource is not found after the edit")
		}
		return
	}
	ok, err := f.Violation.HoldsAfter(r)
	switch {
	case err != nil:
		p.drop(fix, fixers.HeldUnproved, "%v", err)
	case !ok:
		p.drop(fix, fixers.HeldUnproved, "it helps only together with another fix of this resource, which is held back")
	}
}

// blame drops the fix that causes a new finding: the one without which it
// does not appear. Where no single one does, all of the resource's go.
func (p *planner) blame(f *detect.Finding) {
	file := p.files[f.Position.File]
	var suspects []*fixers.Fix
	for _, fix := range file.fixes {
		if identity(fix.Finding.Resource) == identity(f.Resource) {
			suspects = append(suspects, fix)
		}
	}
	if len(suspects) == 0 {
		suspects = slices.Clone(file.fixes)
	}
	for _, fix := range suspects {
		if !p.appearsWithout(fix, file, f) {
			suspects = []*fixers.Fix{fix}
			break
		}
	}
	for _, fix := range suspects {
		p.drop(fix, fixers.HeldUnproved, "a new finding would appear: %s [%s]", f.Message, f.Policy.Name)
	}
}

// appearsWithout tells whether a finding appears in the file also when one fix is left out.
func (p *planner) appearsWithout(fix *fixers.Fix, file *fileChange, f *detect.Finding) bool {
	trial := &fileChange{path: file.path, file: file.file, fixes: slices.Clone(file.fixes)}
	trial.remove(fix)
	if len(trial.make(p)) > 0 {
		return true
	}
	parsed, _ := manifest.Parse(file.path, trial.after, f.Resource.File.Form, p.in.Detect.Wants, p.in.Detect.Workloads...)
	if parsed == nil {
		return true
	}
	set := &manifest.Set{}
	for _, other := range p.in.Set.Files {
		if other.Path == file.path {
			other = parsed
		}
		set.Files = append(set.Files, other)
	}
	again := detect.ScanFiles(set, p.in.Detect, map[string]bool{file.path: true})
	return slices.ContainsFunc(again.Findings, func(g *detect.Finding) bool { return place(g) == place(f) })
}

// place identifies a finding within one reading of the tree.
func place(f *detect.Finding) string {
	return f.Policy.Name + "\x00" + identity(f.Resource) + "\x00" + f.Violation.Place.String()
}

func identity(r *manifest.Resource) string {
	return fmt.Sprintf("%s\x00%d\x00%s\x00%s", r.File.Path, r.Document, r.Group(), r.ID())
}
