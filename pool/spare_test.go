package pool_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

var whichSlot = worker.Register("pool_test.whichSlot", func(ctx context.Context, _ int) (int, error) { return worker.Info(ctx).Slot, nil })

func TestANegativeNumberOfSparesIsRefused(t *testing.T) {
	_, err := pool.New(t.Context(), pool.WithSpare(-1))
	require.ErrorContains(t, err, "WithSpare(-1)")
}

func TestAnInlinePoolNamesWhatItIgnores(t *testing.T) {
	var log bytes.Buffer
	p, err := pool.New(t.Context(), pool.WithInline(), pool.WithBlobThreshold(4096), pool.WithLogger(hclog.New(&hclog.LoggerOptions{Output: &log})))
	require.NoError(t, err)
	require.Contains(t, log.String(), "WithBlobThreshold")
	require.NoError(t, p.Close())
}

func TestAnInlinePoolHasNoSpares(t *testing.T) {
	var log bytes.Buffer
	p, err := pool.New(t.Context(), pool.WithInline(), pool.WithWorkers(2), pool.WithSpare(1), pool.WithLogger(hclog.New(&hclog.LoggerOptions{Output: &log})))
	require.NoError(t, err)
	require.Contains(t, log.String(), "WithSpare")
	require.Len(t, p.Workers(), 2)
	slot, err := pool.Call(t.Context(), p, whichSlot, 0)
	require.NoError(t, err)
	require.GreaterOrEqual(t, slot, 0)
	require.NoError(t, p.Close())
}
