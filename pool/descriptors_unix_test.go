//go:build unix

package pool_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

func TestMoreWorkersThanThereAreDescriptorsForAreRefusedAtOnce(t *testing.T) {
	began := time.Now()
	_, err := pool.New(t.Context(), pool.WithWorkers(1<<30), pool.WithLogger(hclog.NewNullLogger()))
	var start *pool.StartError
	require.ErrorAs(t, err, &start)
	require.Equal(t, "spawn", start.Stage)
	require.ErrorIs(t, err, syscall.EMFILE)
	require.ErrorContains(t, err, "WithWorkers(1073741824): each takes")
	require.ErrorContains(t, err, "ulimit -n")
	require.Less(t, time.Since(began), time.Minute, "none was started")
}
