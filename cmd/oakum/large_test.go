package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oakum-dev/oakum/testdata/fleet"
)

// BenchmarkLarge scans recordings of large clusters, down to the last byte of the report.
func BenchmarkLarge(b *testing.B) {
	for _, objects := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(objects), func(b *testing.B) {
			file := filepath.Join(b.TempDir(), "snapshot.json")
			pods := record(b, file, objects)
			b.ReportAllocs()
			for b.Loop() {
				var errs strings.Builder
				if code := run(context.Background(), []string{"scan", "--snapshot", file, "-o", "json", "--fail-on", "none"}, strings.NewReader(""), io.Discard, &errs); code != 0 {
					b.Fatal(errs.String())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*pods), "ns/pod")
		})
	}
}

// record writes a recording of a large cluster, and says how many pods it has.
func record(b *testing.B, name string, objects int) (pods int) {
	b.Helper()
	file, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	w.WriteString(`{"apiVersion":"oakum.dev/v1alpha1","kind":"Snapshot","cluster":"large","kubernetes":"v1.37.2","items":[`)
	between := "\n"
	for part := range fleet.Of(objects).Parts() {
		for _, o := range part {
			line, err := json.Marshal(o)
			if err != nil {
				b.Fatal(err)
			}
			w.WriteString(between)
			w.Write(line)
			between = ",\n"
			if o["kind"] == "Pod" {
				pods++
			}
		}
	}
	w.WriteString("]}")
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	return pods
}
