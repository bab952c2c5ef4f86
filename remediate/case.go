package remediate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
)

// caseDay is the day on which every case is judged, so that no case ages.
var caseDay = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// RunCase runs a test case of policies, a txtar archive: it judges the files
// of the archive, which is a repository with or without a configuration, and
// returns the archive as it should be. The section findings has what is found,
// a line each; fixes has what becomes of each of them at safety review; below
// fixed/ stands every file that the fixes change. Files in vulnerabilities/ are
// reports of image scanners.
func RunCase(ctx context.Context, src []byte, o Settings) ([]byte, error) {
	in := txtar.Parse(src)
	out := &txtar.Archive{Comment: in.Comment}
	for _, f := range in.Files {
		if !written(f.Name) {
			out.Files = append(out.Files, f)
		}
	}
	p, err := caseProject(in, o)
	if err != nil {
		return nil, err
	}
	plan, err := p.Plan(ctx, nil)
	if err != nil {
		return nil, err
	}
	var findings, fates strings.Builder
	for _, e := range slices.Concat(p.Set.Errors, p.Result.Errors) {
		fmt.Fprintf(&findings, "%s:%d:%d: error: %s\n", e.File, e.Line, e.Column, e.Message)
	}
	for _, err := range p.Result.NotEvaluated {
		fmt.Fprintf(&findings, "not evaluated: %v\n", err)
	}
	for _, f := range p.Result.Findings {
		at := f.Position
		fmt.Fprintf(&findings, "%s:%d:%d: %s [%s]\n", at.File, at.Line, at.Column, f.Message, f.Policy.Name)
		fmt.Fprintf(&fates, "%s:%d: %s [%s]\n", at.File, at.Line, plan.fate(f), f.Policy.Name)
	}
	for _, f := range p.Result.Exempted {
		at := f.Position
		fmt.Fprintf(&findings, "%s:%d:%d: exempted: %s [%s] (%s)\n", at.File, at.Line, at.Column, f.Message, f.Policy.Name, f.Exemption)
	}
	out.Files = append(out.Files,
		txtar.File{Name: "findings", Data: []byte(findings.String())}, txtar.File{Name: "fixes", Data: []byte(fates.String())})
	for _, c := range plan.Changes {
		out.Files = append(out.Files, txtar.File{Name: "fixed/" + c.Path, Data: c.After})
	}
	return txtar.Format(out), nil
}

// written tells the sections that RunCase writes.
func written(name string) bool {
	return name == "findings" || name == "fixes" || strings.HasPrefix(name, "fixed/")
}

// caseProject reads the repository that a case holds, and judges it.
func caseProject(in *txtar.Archive, o Settings) (*Project, error) {
	o.Today = caseDay
	tree := fstest.MapFS{}
	for _, f := range in.Files {
		if !written(f.Name) {
			tree[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	if len(tree) == 0 {
		return nil, fmt.Errorf("the case has no input: give it a section -- input.yaml --")
	}
	if f, ok := tree[ConfigName]; ok {
		var err error
		if o.Config, err = ParseConfig(ConfigName, f.Data); err != nil {
			return nil, err
		}
		if o.Kubernetes, err = o.Config.Minor(); err != nil {
			return nil, err
		}
		if o.Policies, err = o.Config.Apply(o.Policies); err != nil {
			return nil, err
		}
		o.Selected = slices.DeleteFunc(slices.Clone(o.Policies), func(p *policy.Policy) bool {
			return !slices.ContainsFunc(o.Selected, func(s *policy.Policy) bool { return s.Name == p.Name })
		})
	}
	o.Config.Safety = policy.Review
	o.Config.Vulnerabilities = append(slices.Clone(o.Config.Vulnerabilities), "vulnerabilities/*")
	return ReadProject(tree, o)
}

// fate is what a plan makes of a finding: the fix, how bold it is and why, or
// why it is held.
func (p *Plan) fate(f *detect.Finding) string {
	for _, c := range p.Changes {
		for _, fix := range c.Fixes {
			if fix.Finding == f {
				return fmt.Sprintf("%s: %s (%s)", fix.Safety, fix.Title, because(fix))
			}
		}
	}
	for _, h := range p.Held {
		if h.Finding == f {
			return fmt.Sprintf("held, %s: %s", h.Reason, h.Detail)
		}
	}
	return "nothing"
}

func because(fix *fixers.Fix) string {
	var out []string
	for _, e := range fix.Evidence {
		out = append(out, e.Text)
	}
	return strings.Join(out, "; ")
}
