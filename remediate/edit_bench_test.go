package remediate

import (
	"os"
	"testing"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/policies"
	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/fixers"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

// BenchmarkEdit works out and makes the edits of all fixes of safety review
// over the folder of real manifests, each checked to read as intended, and
// proves nothing else: what a plan costs beside its proof.
func BenchmarkEdit(b *testing.B) {
	dir := corpus.Dir(b)
	all, err := (&policy.Compiler{Analyzers: detect.AnalyzerNames(), Fixers: fixers.Names()}).LoadFS(policies.FS)
	if err != nil {
		b.Fatal(err)
	}
	project, err := ReadProject(os.DirFS(dir), Settings{Config: Config{Safety: policy.Review}, Policies: all, Selected: all})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	fixes := 0
	for b.Loop() {
		p := newPlanner(project.input())
		c := fixerContext(project.Tree, project.Set, project.detect(nil), nil)
		fixes = 0
		for _, f := range bySeverity(project.Result.Findings) {
			if fix, held := fixers.Propose(f, policy.Review, c); held == nil {
				p.add(&fix)
				fixes++
			}
		}
		for p.restart = true; !p.settled(); {
			p.build()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(fixes), "ns/fix")
}
