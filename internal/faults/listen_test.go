//go:build linux

package faults

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

// Callers of short calls take their answers from the page. Whatever comes between, nobody misses anything.

// hurry makes calls that are known to be short.
func hurry(t *testing.T, f *fixture) {
	t.Helper()
	for i := range 20 {
		got, err := pool.Call(t.Context(), f.Pool, echo, []byte{byte(i)})
		require.NoError(t, err)
		require.Equal(t, []byte{byte(i)}, got)
	}
}

func TestBetweenTwoQuickCallsNothingIsMissed(t *testing.T) {
	for name, between := range map[string]func(t *testing.T, f *fixture){
		"the worker dies": func(t *testing.T, f *fixture) {
			require.NoError(t, syscall.Kill(f.Workers()[0].PID, syscall.SIGKILL))
			f.exit()
		},
		"a future": func(t *testing.T, f *fixture) {
			got, err := await(t, submit(f, echo, []byte("later")))
			require.NoError(t, err)
			require.Equal(t, "later", string(got))
		},
		"a map": func(t *testing.T, f *fixture) {
			got, err := pool.Map(t.Context(), f.Pool, echo, make([][]byte, 100))
			require.NoError(t, err)
			require.Len(t, got, 100)
		},
		"a long answer": func(t *testing.T, f *fixture) {
			got, err := pool.Call(t.Context(), f.Pool, echo, make([]byte, 1<<20))
			require.NoError(t, err)
			require.Len(t, got, 1<<20)
		},
		"a task that takes its time": func(t *testing.T, f *fixture) {
			_, err := call(f, obey, order{Do: "sleep 20000000"})
			require.NoError(t, err)
		},
		"a task that kills its worker": func(t *testing.T, f *fixture) {
			_, err := call(f, obey, order{Do: "signal 9"})
			fate{signal: syscall.SIGKILL, reason: pool.ReasonSignal}.check(t, err)
		},
		"a call that is cancelled": func(t *testing.T, f *fixture) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			defer cancel()
			begin := time.Now()
			_, err := pool.Call(ctx, f.Pool, obey, order{Do: "wait"})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Less(t, time.Since(begin), grace)
		},
		"nothing": func(*testing.T, *fixture) { time.Sleep(5 * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, 1)
			for range 5 {
				hurry(t, f)
				between(t, f)
			}
			hurry(t, f)
		})
	}
}

func TestShutdownBehindQuickCallsEnds(t *testing.T) {
	for range 10 {
		f := start(t, 1)
		f.spent = true
		hurry(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		require.NoError(t, f.Shutdown(ctx))
		cancel()
	}
}

// Many callers at once, and more than may wait for pages.
func TestManyQuickCallersAreAllAnswered(t *testing.T) {
	for _, callers := range []int{1, 2, 3, 8} {
		f := start(t, 1+callers%2) // with one worker, one's answer is left in the page while the next one's comes by the pipe
		var all sync.WaitGroup
		for c := range callers {
			all.Go(func() {
				for i := range 2000 {
					ctx, cancel := context.WithCancel(t.Context())
					if i%97 == c {
						go cancel()
					}
					got, err := pool.Call(ctx, f.Pool, echo, []byte{byte(i), byte(c)})
					cancel()
					if err == nil && (len(got) != 2 || got[0] != byte(i) || got[1] != byte(c)) {
						t.Errorf("another's answer: %v", got)
					}
					if err != nil && i%97 != c {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	}
}
