//go:build linux

package faults

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

// idle is after which time workers without a task end, in the pools under test.
const idle = 100 * time.Millisecond

// A slot whose worker is on its way out for want of tasks is needed again: what that wakes must not wake it once more when it is at rest
// the next time. A worker that nobody called would be there, and the next task with a key would wait for another.
func TestRow106ASlotThatIsNeededWhileItsWorkerLeavesRestsAfterwards(t *testing.T) {
	f := start(t, 1, pool.WithIdleTimeout(0, idle))
	pid := f.pidAt(0)
	stop(t, pid)
	rests := func() bool { return len(f.Workers()) == 0 }
	eventually(t, patience, "the worker is told to leave", rests)
	future := submit(f, double, 21)
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	twice, err := await(t, future)
	require.NoError(t, err)
	require.Equal(t, 42, twice)

	eventually(t, patience, "the slot rests again", func() bool { return rests() && len(f.exits) == 2 })
	time.Sleep(2 * idle)
	assert.Empty(t, children(t))
	_, err = call(f, double, 21, pool.Key("k"))
	require.NoError(t, err)
}
