//go:build linux

package faults

import (
	"fmt"
	"os"
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

// A task that waits for a slot that is just starting is taken by one at rest if that start fails; if none can be started, it is told so.
func TestRow041ASlotAtRestStepsInForOneThatCannotStart(t *testing.T) {
	for name, heals := range map[string]bool{"it can start": true, "it cannot either": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, program := dir+"/verb", dir+"/program"
			self, err := os.Executable()
			require.NoError(t, err)
			require.NoError(t, os.Symlink(self, program))
			f := start(t, 2, pool.WithCommand(program), pool.WithIdleTimeout(1, idle), pool.WithInitializer(asTheFileSays, path))
			f.spent = true // one slot stays broken
			eventually(t, patience, "one slot rests", func() bool { return len(f.Workers()) == 1 && len(f.exits) == 1 })
			sick := f.Workers()[0]
			g := newGate(t)
			require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "%d later-wait %s", sick.Slot, g.addr), 0o666))
			_, err = call(f, obey, order{Do: "signal 9"})
			fate{signal: syscall.SIGKILL}.check(t, err)
			starting := watchPID(t, g.next(t).pid)
			future := submit(f, double, 21)
			if heals {
				require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "%d exit 1", sick.Slot), 0o666))
			} else {
				require.NoError(t, os.Remove(program))
			}
			starting.signal(t, syscall.SIGKILL)
			twice, err := await(t, future)
			if !heals {
				require.ErrorIs(t, err, pool.ErrBroken)
				return
			}
			require.NoError(t, err)
			require.Equal(t, 42, twice)
		})
	}
}
