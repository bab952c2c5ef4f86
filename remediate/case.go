package remediate

import (
	"context"
	"fmt"
	"strings"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/oakum-dev/oakum/detect/policy"
)

// RunCase runs a test case of policies, a txtar archive: it judges the files
// of the archive and returns the archive as it should be, with the section
// findings, and, where the fixes of safety review change something, each
// changed file again below fixed/.
func RunCase(ctx context.Context, src []byte, o Settings) ([]byte, error) {
	in := txtar.Parse(src)
	out := &txtar.Archive{Comment: in.Comment}
	tree := fstest.MapFS{}
	for _, f := range in.Files {
		if f.Name == "findings" || strings.HasPrefix(f.Name, "fixed/") {
			continue
		}
		tree[f.Name] = &fstest.MapFile{Data: f.Data}
		out.Files = append(out.Files, f)
	}
	if len(tree) == 0 {
		return nil, fmt.Errorf("the case has no input: give it a section -- input.yaml --")
	}
	o.Config.Safety = policy.Review
	p, err := ReadProject(tree, o)
	if err != nil {
		return nil, err
	}
	var findings strings.Builder
	for _, e := range p.Set.Errors {
		fmt.Fprintf(&findings, "%s:%d:%d: error: %s\n", e.File, e.Line, e.Column, e.Message)
	}
	for _, err := range p.Result.NotEvaluated {
		fmt.Fprintf(&findings, "not evaluated: %v\n", err)
	}
	for _, f := range p.Result.Findings {
		fmt.Fprintf(&findings, "%s:%d:%d: %s [%s]\n", f.Position.File, f.Position.Line, f.Position.Column, f.Message, f.Policy.Name)
	}
	plan, err := p.Plan(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, h := range plan.Held {
		fmt.Fprintf(&findings, "%s:%d: held: %s: %s [%s]\n", h.Finding.Position.File, h.Finding.Position.Line, h.Reason, h.Detail, h.Finding.Policy.Name)
	}
	out.Files = append(out.Files, txtar.File{Name: "findings", Data: []byte(findings.String())})
	for _, c := range plan.Changes {
		out.Files = append(out.Files, txtar.File{Name: "fixed/" + c.Path, Data: c.After})
	}
	return txtar.Format(out), nil
}
