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

// untilEnd ends with its context, and says so, as a function that heeds it does.
var untilEnd = worker.Register("test.untilEnd", func(ctx context.Context, _ struct{}) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
})

// A worker may tell of the end before the parent's own timer does, and another after it.
func TestABroadcastThatEndsWithItsContextSaysSoOfAllWorkersAlike(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(3))
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		results, err := pool.Broadcast(ctx, p, untilEnd, struct{}{})
		cancel()
		require.Equal(t, context.DeadlineExceeded, err)
		require.Len(t, results, 3)
		for _, r := range results {
			require.Equal(t, context.DeadlineExceeded, r.Err)
		}
	}
}
