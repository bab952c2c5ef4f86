//go:build unix

package detect_test

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/oakum-dev/oakum/detect"
	"github.com/oakum-dev/oakum/detect/cluster"
	"github.com/oakum-dev/oakum/testdata/fleet"
)

// BenchmarkMonitor judges a large cluster for the first time, and says how much
// memory its objects and what was said of them take, by pod with all that comes
// with one.
func BenchmarkMonitor(b *testing.B) {
	o := detect.Options{Policies: library(b)}
	for _, objects := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(objects), func(b *testing.B) {
			before := inUse()
			inventory, pods := large(b, fleet.Of(objects), o)
			view := inventory.View()
			set := view.Set()
			var m *detect.Monitor
			for b.Loop() {
				m = detect.NewMonitor(set, o)
			}
			set = nil
			b.ReportMetric(float64(inUse()-before)/float64(pods), "B/pod")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(inventory.Objects)), "ns/object")
			runtime.KeepAlive(view)
			runtime.KeepAlive(m)
		})
	}
}

// BenchmarkChange has one object of a cluster of 10,000 pods change: what that
// takes of all processors.
func BenchmarkChange(b *testing.B) {
	o := detect.Options{Policies: library(b)}
	inventory, _ := large(b, fleet.Cluster{Seed: 1, Pods: 10_000, Namespaces: 200}, o)
	objects := map[string][]map[string]any{}
	for _, object := range inventory.Objects {
		kind, _ := object["kind"].(string)
		objects[kind] = append(objects[kind], object)
	}
	view := inventory.View()
	m := detect.NewMonitor(view.Set(), o)
	for _, change := range []struct {
		kind   string
		change func(object map[string]any, n int) map[string]any // nil: it goes
	}{
		{"Deployment", func(object map[string]any, n int) map[string]any {
			return with(object, n%2 == 0, "spec", "template", "spec", "hostNetwork")
		}},
		{"Pod", func(object map[string]any, n int) map[string]any {
			return with(object, fmt.Sprint(n), "status", "phase")
		}},
		{"Service", func(object map[string]any, n int) map[string]any {
			return with(object, []string{"LoadBalancer", "ClusterIP"}[n%2], "spec", "type")
		}},
		{"ServiceAccount", func(object map[string]any, n int) map[string]any {
			return with(object, n%2 == 0, "automountServiceAccountToken")
		}},
		{"NetworkPolicy", func(object map[string]any, n int) map[string]any {
			if n%2 == 0 {
				return nil
			}
			return object
		}},
		{"RoleBinding", func(object map[string]any, n int) map[string]any {
			return with(object, []string{"admin", "edit"}[n%2], "roleRef", "name")
		}},
		{"Namespace", func(object map[string]any, n int) map[string]any {
			return with(object, []any{"baseline", "restricted"}[n%2], "metadata", "labels", "pod-security.kubernetes.io/enforce")
		}},
	} {
		b.Run(change.kind, func(b *testing.B) {
			list, n, findings := objects[change.kind], 0, 0
			began := used(b)
			for b.Loop() {
				i := n / 2 % len(list) // each changes, and changes back
				is := change.change(list[i], n)
				d := m.Apply(view.Apply(inventory.Kubernetes, []cluster.Change{{Old: list[i], New: is}}))
				findings += len(d.Appeared) + len(d.Gone) + len(d.Changed)
				n++
			}
			b.ReportMetric(float64(used(b)-began)/float64(n), "cpu-ns/op")
			b.ReportMetric(float64(findings)/float64(n), "findings/op")
		})
	}
}

// large is a large cluster as it is read.
func large(b *testing.B, c fleet.Cluster, o detect.Options) (inventory *cluster.Inventory, pods int) {
	b.Helper()
	var recording bytes.Buffer
	_, pods, err := c.Record(&recording)
	if err != nil {
		b.Fatal(err)
	}
	inventory, err = cluster.ReadSnapshot(&recording, cluster.Options{Wants: o.Wants})
	if err != nil {
		b.Fatal(err)
	}
	return inventory, pods
}

// with is an object with another value at a path; the rest is the same.
func with(o map[string]any, v any, path ...string) map[string]any {
	out := maps.Clone(o)
	if out == nil {
		out = map[string]any{}
	}
	if len(path) == 1 {
		out[path[0]] = v
	} else {
		below, _ := o[path[0]].(map[string]any)
		out[path[0]] = with(below, v, path[1:]...)
	}
	return out
}

// used is the time that this process had of all processors.
func used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inUse is how much of the heap is in use.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
