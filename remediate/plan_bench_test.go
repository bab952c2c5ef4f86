package remediate_test

import (
	"os"
	"testing"

	"github.com/oakum-dev/oakum/detect/policy"
	"github.com/oakum-dev/oakum/remediate"
	"github.com/oakum-dev/oakum/testdata/corpus"
)

// BenchmarkPlan plans and proves every fix of safety review over the folder of
// real manifests. Reading and judging them is not counted.
func BenchmarkPlan(b *testing.B) {
	dir := corpus.Dir(b)
	all := library(b)
	p, err := remediate.ReadProject(os.DirFS(dir), remediate.Settings{
		Config: remediate.Config{Safety: policy.Review}, Policies: all, Selected: all,
	})
	if err != nil {
		b.Fatal(err)
	}
	fixes := 0
	b.ReportAllocs()
	for b.Loop() {
		plan, err := p.Plan(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		fixes = 0
		for _, c := range plan.Changes {
			fixes += len(c.Fixes)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(fixes), "ns/fix")
}
