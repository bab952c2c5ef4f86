package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/oakum-dev/oakum/remediate/store/storetest"
)

var addresses = map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}

// BenchmarkAccept is the time that a delivery takes to be durable, 16 at once.
func BenchmarkAccept(b *testing.B) {
	for name, address := range addresses {
		b.Run(name, func(b *testing.B) {
			s := open(b, address(b), Options{})
			var n atomic.Int64
			b.SetParallelism(8)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					if _, err := s.Accept(b.Context(), delivery(fmt.Sprint(i)), []Task{task(i%200+1, Reconcile, "", `{}`)}); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "accepts/s")
		})
	}
}

// BenchmarkWork is the time that a task takes from the store and back, when the
// task itself takes none.
func BenchmarkWork(b *testing.B) {
	for name, address := range addresses {
		b.Run(name, func(b *testing.B) {
			s := open(b, address(b), Options{Workers: 8})
			for i := range b.N {
				if err := s.Add(b.Context(), 0, task(int64(i%200)+1, Preview, fmt.Sprint(i+1), `{}`)); err != nil {
					b.Fatal(err)
				}
			}
			var n atomic.Int64
			done := make(chan struct{})
			b.ReportAllocs()
			b.ResetTimer()
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error)
			go func() {
				ended <- s.Work(ctx, func(context.Context, Repository, Task) error {
					if n.Add(1) == int64(b.N) {
						close(done)
					}
					return nil
				})
			}()
			<-done
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
			cancel()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		})
	}
}
