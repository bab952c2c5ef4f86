package compliance_test

import (
	"testing"

	"github.com/oakum-dev/oakum/detect/compliance"
)

// BenchmarkLoad loads the built-in frameworks, which every run pays that asks
// for controls.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := compliance.LoadFS(compliance.FS()); err != nil {
			b.Fatal(err)
		}
	}
}
