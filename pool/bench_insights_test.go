package pool_test

import (
	"testing"

	"github.com/procpool/procpool/pool"
)

// BenchmarkInsights is what sampling costs; what is written down without it is in all other benchmarks.
func BenchmarkInsights(b *testing.B) {
	for _, mode := range []struct {
		name string
		opt  pool.Option
	}{{"off", nil}, {"on", pool.WithInsights()}} {
		b.Run("Call/"+mode.name, func(b *testing.B) {
			p := benchPool(b, pool.WithWorkers(1), mode.opt)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pool.Call(b.Context(), p, benchSuccessor, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Stream/"+mode.name, func(b *testing.B) {
			const n = 1_000_000
			p := benchPool(b, mode.opt)
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range pool.Stream(b.Context(), p, benchSuccessor, upTo(n)) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			perSecond(b, n)
		})
	}
	b.Run("Insights", func(b *testing.B) {
		p := benchPool(b, pool.WithInsights())
		for range 2000 {
			if _, err := pool.Call(b.Context(), p, benchSuccessor, 1); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			p.Insights()
		}
	})
}
