package serve

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAWorkerThatHasComeToRestGivesMemoryBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trims := 0
		tr := newTrimmer(func() { trims++ })
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		pass(time.Hour)
		require.Zero(t, trims, "nothing has come yet")

		var b *batch
		for range 10 { // it is not at rest while batches come
			b = &batch{}
			b.over.Store(true)
			tr.touch(b)
			pass(trimAfter / 2)
		}
		require.Zero(t, trims)

		running := &batch{}
		tr.touch(running)
		pass(time.Minute)
		require.Zero(t, trims, "a task runs")
		running.over.Store(true)
		pass(2 * trimAfter)
		require.Equal(t, 1, trims)
		pass(time.Hour)
		require.Equal(t, 1, trims, "there is nothing more to give back")
		require.Nil(t, tr.seen, "the batch is not kept")

		tr.touch(b)
		pass(2 * trimAfter)
		require.Equal(t, 2, trims)
	})
}

func TestAServerWithoutTrimNeverGivesMemoryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrimmer(nil)
		tr.touch(&batch{})
		time.Sleep(time.Hour)
		require.False(t, tr.armed.Load())
	})
}
