package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/oakum-dev/oakum/testdata/fleet"
)

var sizes = []int{1_000, 10_000, 100_000}

// recording is a large cluster as a snapshot has it.
func recording(tb testing.TB, objects int) (src []byte, pods int) {
	tb.Helper()
	var b bytes.Buffer
	_, pods, err := fleet.Of(objects).Record(&b)
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes(), pods
}

// BenchmarkRead reads a large cluster as it is read of an API server: what is
// kept of it, by pod with all that comes with one.
func BenchmarkRead(b *testing.B) {
	for _, objects := range sizes {
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
			report(b, before, pods)
			b.ReportMetric(float64(len(src))/float64(pods), "JSON-B/pod")
			runtime.KeepAlive(src)
			runtime.KeepAlive(kept)
		})
	}
}

// BenchmarkWatch takes in a large cluster as a watcher does: what it keeps, by
// pod with all that comes with one.
func BenchmarkWatch(b *testing.B) {
	for _, objects := range sizes {
		b.Run(fmt.Sprint(objects), func(b *testing.B) {
			told, pods := watched(b, objects)
			var w *Watcher
			before := heap()
			for b.Loop() {
				w = newWatcher(Options{Now: time.Now})
				for k, src := range told {
					f := w.newFollower(context.Background(), k, false)
					w.kinds[k.String()] = f
					e := &events{f, io.NopCloser(nil), stream{from: bytes.NewReader(src)}}
					for {
						_, o, err := e.Decode()
						if err == io.EOF {
							break
						}
						if err != nil {
							b.Fatal(err)
						}
						if err := f.Add(o); err != nil {
							b.Fatal(err)
						}
					}
				}
				clear(w.pending) // somebody asked
			}
			report(b, before, pods)
			runtime.KeepAlive(told)
			runtime.KeepAlive(w)
		})
	}
}

// watched is a large cluster as watches tell of it.
func watched(tb testing.TB, objects int) (told map[kind][]byte, pods int) {
	tb.Helper()
	told = map[kind][]byte{}
	for part := range fleet.Of(objects).Parts() {
		for _, o := range part {
			line, err := json.Marshal(map[string]any{"type": "ADDED", "object": o})
			if err != nil {
				tb.Fatal(err)
			}
			k := kindOf(o)
			told[k] = append(told[k], line...)
			if k.name == "Pod" {
				pods++
			}
		}
	}
	return told, pods
}

// report reports what is kept and how long it took, both by pod.
func report(b *testing.B, before int64, pods int) {
	b.ReportMetric(float64(heap()-before)/float64(pods), "B/pod")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*pods), "ns/pod")
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
