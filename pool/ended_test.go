package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

var untilTheEnd = worker.Register("until the end", func(ctx context.Context, _ int) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
})

// The worker's clock may be the first to say that the deadline has passed, and the task's answer be here before the parent's says so.
func TestAMapWhoseLastTaskEndedWithTheContextSaysSo(t *testing.T) {
	for name, opt := range map[string]pool.Option{"processes": nil, "inline": pool.WithInline()} {
		p := pooltest.New(t, pool.WithWorkers(1), opt)
		for i := range 300 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
			got, err := pool.Map(ctx, p, untilTheEnd, []int{1})
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, "%s, round %d", name, i)
			require.Equal(t, []int{0}, got)
		}
	}
}
