//go:build linux

package faults

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

// A Progress function that does not return ends its job, whose tasks nobody waits for any more: Shutdown, at the end of the test, would wait for ever.
func TestAProgressFunctionThatDoesNotReturnEndsItsMap(t *testing.T) {
	for name, leave := range map[string]func(){"panic": func() { panic("no") }, "Goexit": runtime.Goexit} {
		progress := pool.Progress(func(int, int, int) { leave() })
		args := make([]int, 200_000) // more than Map submits at once
		t.Run("Map/"+name, func(t *testing.T) {
			f := start(t, 2)
			done := make(chan any)
			go func() {
				defer close(done)
				defer func() {
					if v := recover(); v != nil {
						done <- v
					}
				}()
				_, _ = pool.Map(t.Context(), f.Pool, double, args, progress)
			}()
			if name == "panic" {
				require.Equal(t, "no", <-done)
			}
			_, more := <-done
			require.False(t, more)
		})
		t.Run("GoMap/"+name, func(t *testing.T) {
			f := start(t, 2)
			future := pool.GoMap(t.Context(), f.Pool, double, args, progress)
			results, err := await(t, future)
			require.ErrorContains(t, err, "Progress")
			require.Len(t, results, len(args))
		})
	}
}
