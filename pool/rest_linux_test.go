package pool_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
)

// privateMemory is RssAnon of a process, in bytes.
func privateMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, _ := bytes.Cut(status, []byte("RssAnon:"))
	kilobytes, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
	require.NoError(t, err)
	return kilobytes << 10
}

func TestAWorkerAtRestGivesItsGarbageBack(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps memory of its own")
	}
	p := pooltest.New(t, pool.WithWorkers(1))
	_, err := pool.Call(t.Context(), p, benchSuccessor, 1)
	require.NoError(t, err)
	pid := p.Workers()[0].PID
	fresh := privateMemory(t, pid)
	_, err = pool.Map(t.Context(), p, benchSuccessor, make([]int, 500_000))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return privateMemory(t, pid) < fresh+5<<19 }, 20*time.Second, 10*time.Millisecond)
}
