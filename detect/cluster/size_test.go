package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/oakum-dev/oakum/testdata/fleet"
)

// recording is a large cluster as a snapshot has it.
func recording(tb testing.TB, objects int) (src []byte, pods int) {
	tb.Helper()
	var b bytes.Buffer
	b.WriteString(`{"apiVersion":"oakum.dev/v1alpha1","kind":"Snapshot","cluster":"large","kubernetes":"v1.37.2","items":[`)
	first := true
	for part := range fleet.Of(objects).Parts() {
		for _, o := range part {
			if !first {
				b.WriteByte(',')
			}
			first = false
			line, err := json.Marshal(o)
			if err != nil {
				tb.Fatal(err)
			}
			b.Write(line)
			if o["kind"] == "Pod" {
				pods++
			}
		}
	}
	b.WriteString("]}")
	return b.Bytes(), pods
}

// BenchmarkRead reads a large cluster as it is read of an API server: what is
// kept of it, by pod with all that comes with one.
func BenchmarkRead(b *testing.B) {
	for _, objects := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(objects), func(b *testing.B) {
			src, pods := recording(b, objects)
			b.SetBytes(int64(len(src)))
			var kept []map[string]any
			before := heap()
			for b.Loop() {
				kept = nil
				_, err := readList(bytes.NewReader(src), newDecoder(false), func(o map[string]any) error {
					kept = append(kept, trim(kindOf(o), o, false))
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(heap()-before)/float64(pods), "B/pod")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*pods), "ns/pod")
			b.ReportMetric(float64(len(src))/float64(pods), "JSON-B/pod")
			runtime.KeepAlive(src)
			runtime.KeepAlive(kept)
		})
	}
}

// heap is how much of the heap is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func kindOf(o map[string]any) kind {
	k := kind{name: text(o["kind"])}
	gv, _ := schema.ParseGroupVersion(text(o["apiVersion"]))
	k.Group, k.Version = gv.Group, gv.Version
	return k
}
