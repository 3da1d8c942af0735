package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

var trial = worker.Register("trial", func(ctx context.Context, n int) (int, error) {
	switch {
	case n < 0:
		return 0, errors.New("<b>negative</b>")
	case n == 1000:
		fmt.Fprintln(os.Stderr, "these are my <i>last</i> words")
		os.Exit(3)
	case n == 2000:
		<-ctx.Done()
	}
	return n, nil
})

func snapshotOf(t *testing.T, url string) *Snapshot {
	t.Helper()
	status, _, body := send(t, url, "GET /snapshot")
	require.Equal(t, http.StatusOK, status)
	s := &Snapshot{}
	require.NoError(t, json.Unmarshal([]byte(body), s))
	return s
}

func TestARealPoolIsShownAsItIs(t *testing.T) {
	p := pooltest.New(t, pool.WithWorkers(2), pool.WithName("real"))
	server := serve(t, Handler(p, AllowKill()))
	ctx := t.Context()
	_, err := pool.Map(ctx, p, trial, []int{1, 2, 3, -1, 1000, 4})
	require.Error(t, err)
	waits, cancel := context.WithCancel(ctx)
	defer cancel()
	long := pool.Go(waits, p, trial, 2000)

	var s *Snapshot
	require.Eventually(t, func() bool {
		s = snapshotOf(t, server.URL)
		return s.Queue.Busy == 1 && s.Queue.Workers == 2
	}, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, "real", s.Pool)
	require.Equal(t, os.Getpid(), s.PID)
	require.Equal(t, 4, s.Totals.Completed)
	require.Equal(t, 2, s.Totals.Failed)
	require.Equal(t, 1, s.Totals.Restarts)
	require.Len(t, s.Functions, 1)
	require.Equal(t, 6, s.Functions[0].Tasks)
	require.Len(t, s.Failures, 2)
	died := s.Failures[slices.IndexFunc(s.Failures, func(r Record) bool { return r.Kind == "exit" })]
	require.Contains(t, died.Stderr, "my <i>last</i> words")
	require.Equal(t, 4, died.Index)

	at := slices.IndexFunc(s.Workers, func(w Worker) bool { return w.Func == "trial" })
	require.GreaterOrEqual(t, at, 0)
	busy := s.Workers[at]
	path := fmt.Sprintf("/workers/%d/", busy.Slot)
	status, _, dump := send(t, server.URL, "GET "+path+"goroutines")
	require.Equal(t, http.StatusOK, status, dump)
	require.Contains(t, dump, "pool_test.go", "the running task is among them")
	status, _, profile := send(t, server.URL, "GET "+path+"profile?kind=heap")
	require.Equal(t, http.StatusOK, status, profile)
	require.True(t, bytes.HasPrefix([]byte(profile), []byte{0x1f, 0x8b}), "it is compressed, as go tool pprof wants it")

	status, _, said := send(t, server.URL, fmt.Sprintf("POST %skill?pid=%d", path, busy.PID))
	require.Equal(t, http.StatusOK, status, said)
	_, err = long.Wait(ctx)
	_, dead := errors.AsType[*pool.ExitError](err)
	require.True(t, dead, err)

	require.NoError(t, p.Shutdown(ctx))
	s = snapshotOf(t, server.URL)
	require.True(t, s.Ended)
	require.Equal(t, 3, s.Totals.Failed)
	require.Len(t, s.Workers, 2)
	last := s.Workers[slices.IndexFunc(s.Workers, func(w Worker) bool { return w.Slot == busy.Slot })]
	require.Equal(t, "ended", last.State)
	require.Empty(t, last.Func)
	require.Positive(t, last.Time.Working, "what it did is known to its end")

	late := snapshotOf(t, serve(t, Handler(p)).URL)
	require.Len(t, late.Workers, 2, "also where nobody has looked before")
}

func TestPoolsOfOneProgramShareARegistry(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	for _, name := range []string{"one", "two"} {
		p := pooltest.New(t, pool.WithWorkers(1), pool.WithName(name), pool.WithSpare(2))
		_, err := pool.Call(t.Context(), p, trial, 1)
		require.NoError(t, err)
		require.NoError(t, r.Register(Collector(p)))
	}
	all, err := r.Gather()
	require.NoError(t, err)
	require.NotEmpty(t, all)
}

func TestAPoolThatIsDroppedIsCollectedThoughItIsWatched(t *testing.T) {
	p, err := pool.New(t.Context(), pool.WithWorkers(1), pool.WithLogger(hclog.NewNullLogger()))
	require.NoError(t, err)
	_, err = pool.Call(t.Context(), p, trial, 1)
	require.NoError(t, err)
	server := serve(t, Handler(p))
	collector := Collector(p)
	done := p.Done()
	in := openStream(t, server.URL+"/")
	event(t, in)
	event(t, in)
	runtime.KeepAlive(p) // until it has been seen once
	require.Eventually(t, func() bool {
		runtime.GC()
		select {
		case <-done:
			return true
		default:
			return false
		}
	}, 30*time.Second, 10*time.Millisecond)
	for name := ""; name != "end"; {
		name, _ = event(t, in)
	}
	_, err = in.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	s := snapshotOf(t, server.URL)
	require.True(t, s.Ended)
	require.Equal(t, 1, s.Totals.Completed, "what it did is known still")
	runtime.KeepAlive(collector)
}
