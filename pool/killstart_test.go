package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

var slowStart = worker.Register("pool_test.slowStart", func(context.Context, int) (int, error) {
	time.Sleep(20 * time.Millisecond)
	return 0, nil
})

// That somebody kills workers says nothing about whether workers can be started.
func TestAPoolWhoseStartingWorkersAreKilledAgainAndAgainIsNotBroken(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithInitializer(slowStart, 0), pool.WithRestartLimit(2, time.Minute))
	ready := p.Workers()[0]
	require.NoError(t, p.KillWorker(ready.Slot, ready.PID))
	require.Eventually(t, func() bool { return p.Workers()[0].PID != ready.PID }, time.Minute, time.Millisecond)
	call := pool.Go(t.Context(), p, inspectTiny, 1)
	killed := map[int]bool{}
	for len(killed) < 6 {
		w := p.Workers()[0]
		require.NotEqual(t, pool.StateBroken, w.State)
		if w.State == pool.StateStarting && w.PID != 0 && p.KillWorker(w.Slot, w.PID) == nil {
			killed[w.PID] = true
		}
		if w.State == pool.StateIdle { // it was too fast
			_ = p.KillWorker(w.Slot, w.PID)
		}
	}
	_, err := call.Wait(t.Context())
	require.NotErrorIs(t, err, pool.ErrBroken)
	got, err := pool.Call(t.Context(), p, inspectTiny, 1)
	require.NoError(t, err)
	require.Equal(t, 2, got)
}

func TestAnInitializerThatDoesNotReturnIsNamed(t *testing.T) {
	_, err := pool.New(t.Context(), pool.WithWorkers(1), pool.WithStartTimeout(time.Second), pool.WithInitializer(nap, time.Hour), pool.WithLogger(hclog.NewNullLogger()))
	var failed *pool.StartError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "init", failed.Stage)
	require.ErrorContains(t, err, "the initializer "+nap.Name()+" has not returned")
}
