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

var lingerOnThird = worker.Register("workers.lingerOnThird", func(ctx context.Context, n int) (int, error) {
	if n == 3 {
		<-ctx.Done()
	}
	return n, nil
})

func TestWorkersTellWhichItemTheyRun(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	require.Equal(t, -1, p.Workers()[0].Index)
	for _, chunk := range []int{1, 8} {
		ctx, cancel := context.WithCancel(t.Context())
		all := pool.GoMap(ctx, p, lingerOnThird, []int{0, 1, 2, 3, 4, 5}, pool.Chunk(chunk))
		require.Eventually(t, func() bool { return p.Workers()[0].Index == 3 }, 10*time.Second, time.Millisecond, "chunk %d", chunk)
		require.Equal(t, "workers.lingerOnThird", p.Workers()[0].Func)
		cancel()
		_, err := all.Wait(t.Context())
		require.ErrorIs(t, err, context.Canceled)
		require.Eventually(t, func() bool { return p.Workers()[0].Index == -1 }, 10*time.Second, time.Millisecond)
	}
}
