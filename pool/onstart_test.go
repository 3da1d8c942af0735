package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/attach"
	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

// diary is what happened, in order.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) note(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, what)
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.entries...)
}

// starter is a function for WithOnStart that keeps a diary, and fails if err is set.
func (d *diary) starter(name string, err error) func(*pool.Pool) (func(), error) {
	return func(p *pool.Pool) (func(), error) {
		d.note(fmt.Sprint("start ", name, " with ", p.Stats().Workers))
		return func() { d.note("stop " + name) }, err
	}
}

func quiet() pool.Option { return pool.WithLogger(hclog.NewNullLogger()) }

func TestOnStartIsCalledWhenTheWorkersAreReadyAndItsStopWhenThePoolHasEnded(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*pool.Pool)
	}{
		{"Close", func(p *pool.Pool) { _ = p.Close() }},
		{"Shutdown", func(p *pool.Pool) { _ = p.Shutdown(context.Background()) }},
		{"Shutdown, Close, Close", func(p *pool.Pool) { _ = p.Shutdown(context.Background()); _ = p.Close(); _ = p.Close() }},
		{"many at once", func(p *pool.Pool) {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { _ = p.Close() })
			}
			wg.Wait()
		}},
	} {
		for name, opts := range map[string][]pool.Option{"processes": nil, "inline": {pool.WithInline()}} {
			t.Run(test.name+" "+name, func(t *testing.T) {
				var d diary
				p := pooltest.New(t, append(opts, pool.WithWorkers(2), pool.WithOnStart(d.starter("a", nil)), pool.WithOnStart(d.starter("b", nil)),
					pool.WithOnStart(func(*pool.Pool) (func(), error) { return nil, nil }))...)
				require.Equal(t, []string{"start a with 2", "start b with 2"}, d.all())
				test.end(p)
				require.Equal(t, []string{"start a with 2", "start b with 2", "stop b", "stop a"}, d.all())
			})
		}
	}
}

func TestAnOnStartThatFailsFailsNewAndLeavesNothing(t *testing.T) {
	trouble := errors.New("trouble")
	for _, test := range []struct {
		name string
		bad  func(*pool.Pool) (func(), error)
		want string
	}{
		{"error", func(*pool.Pool) (func(), error) { return nil, trouble }, "trouble"},
		{"panic", func(*pool.Pool) (func(), error) { panic("oh dear") }, "WithOnStart panicked: oh dear"},
	} {
		t.Run(test.name, func(t *testing.T) {
			leaktest.Check(t)
			var d diary
			p, err := pool.New(t.Context(), quiet(), pool.WithWorkers(1),
				pool.WithOnStart(d.starter("a", nil)), pool.WithOnStart(test.bad), pool.WithOnStart(d.starter("c", nil)))
			require.Nil(t, p)
			require.ErrorContains(t, err, test.want)
			require.Equal(t, []string{"start a with 1", "stop a"}, d.all())
		})
	}
	t.Run("with a stop", func(t *testing.T) {
		leaktest.Check(t)
		var d diary
		_, err := pool.New(t.Context(), quiet(), pool.WithWorkers(1), pool.WithOnStart(d.starter("a", trouble)))
		require.ErrorIs(t, err, trouble)
		require.Equal(t, []string{"start a with 1", "stop a"}, d.all())
	})
	t.Run("Goexit", func(t *testing.T) {
		leaktest.Check(t)
		var d diary
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = pool.New(context.Background(), quiet(), pool.WithWorkers(1), pool.WithOnStart(d.starter("a", nil)),
				pool.WithOnStart(func(*pool.Pool) (func(), error) { runtime.Goexit(); return nil, nil }))
		}()
		<-done
		require.Equal(t, []string{"start a with 1", "stop a"}, d.all())
	})
	t.Run("nil", func(t *testing.T) {
		_, err := pool.New(t.Context(), pool.WithOnStart(nil))
		require.ErrorContains(t, err, "WithOnStart(nil)")
	})
}

func TestStopFunctionsThatPanicLeaveOrHangDoNotKeepThePoolFromEnding(t *testing.T) {
	var d diary
	hang, gone := make(chan struct{}), make(chan struct{})
	p := pooltest.New(t, quiet(), pool.WithWorkers(1),
		pool.WithOnStart(func(*pool.Pool) (func(), error) { return func() { <-hang; close(gone) }, nil }),
		pool.WithOnStart(d.starter("a", nil)),
		pool.WithOnStart(func(*pool.Pool) (func(), error) { return func() { panic("oh dear") }, nil }),
		pool.WithOnStart(func(*pool.Pool) (func(), error) { return runtime.Goexit, nil }))
	require.NoError(t, p.Close())
	require.Equal(t, []string{"start a with 1", "stop a"}, d.all())
	close(hang)
	<-gone
}

func TestAPoolThatIsEndedByItsOnStartStopsWhatItBegins(t *testing.T) {
	stopped := make(chan struct{})
	p, err := pool.New(t.Context(), quiet(), pool.WithWorkers(1), pool.WithOnStart(func(p *pool.Pool) (func(), error) {
		return func() { close(stopped) }, p.Close()
	}))
	require.NoError(t, err)
	<-stopped
	_, err = pool.Call(t.Context(), p, worker.Named[int, int]("x"), 1)
	require.ErrorIs(t, err, pool.ErrClosed)
}

func TestWhatOnStartBeganIsStoppedWhenThePoolIsCollected(t *testing.T) {
	leaktest.Check(t)
	stopped := make(chan struct{})
	func() {
		_, err := pool.New(t.Context(), quiet(), pool.WithWorkers(1), pool.WithOnStart(func(*pool.Pool) (func(), error) {
			return func() { close(stopped) }, nil
		}))
		require.NoError(t, err)
	}()
	for {
		runtime.GC()
		select {
		case <-stopped:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestAnAttachedPackageSeesEveryPoolBeforeOnStartDoes(t *testing.T) {
	var d diary
	attach.OnNew = append(attach.OnNew, func(p any) (func(), error) { return d.starter("attached", nil)(p.(*pool.Pool)) })
	t.Cleanup(func() { attach.OnNew = nil })
	p := pooltest.New(t, pool.WithWorkers(1), pool.WithOnStart(d.starter("a", nil)))
	require.NoError(t, p.Close())
	require.Equal(t, []string{"start attached with 1", "start a with 1", "stop a", "stop attached"}, d.all())
}

// A worker of this program has the same packages attached; what they see of its pools is told by this function.
var attached = worker.Register("pool_test.attached", func(ctx context.Context, _ struct{}) (n int, err error) {
	attach.OnNew = append(attach.OnNew, func(any) (func(), error) { n++; return nil, nil })
	p, err := pool.New(ctx, pool.WithWorkers(1), pool.WithInline())
	if err != nil {
		return 0, err
	}
	return n, p.Close()
})

func TestNobodyIsAttachedToThePoolsOfWorkers(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(1))
	n, err := pool.Call(t.Context(), p, attached, struct{}{})
	require.NoError(t, err)
	require.Zero(t, n)
}
