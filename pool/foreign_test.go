package pool_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/pooltest"
	"github.com/procpool/procpool/worker"
)

// Functions of testdata/worker.py, which was written from the wire's specification alone.
var (
	pyUpper  = worker.Named[string, string]("upper")
	pyAdd    = worker.Named[worker.Args2[int, int], int]("add")
	pyEcho   = worker.Named[any, any]("echo")
	pyNarrow = worker.Named[int, int8]("echo")
	pyFail   = worker.Named[string, int]("fail")
	pyDie    = worker.Named[int, int]("die")
	pySleep  = worker.Named[float64, any]("sleep")
	pyPID    = worker.Named[struct{}, int]("pid")
	pySay    = worker.Named[string, any]("say")
	pyNone   = worker.Named[int, int]("no such function")
)

func python(t *testing.T, opts ...pool.Option) *pool.Pool {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here, and the worker in another language is written in Python")
	}
	return pooltest.New(t, append([]pool.Option{pool.WithCommand(path, "../testdata/worker.py"), pool.WithWorkers(2)}, opts...)...)
}

// A program that says so in its hello can be a spare, though it has no page.
func TestAWorkerInPythonCanBeASpare(t *testing.T) {
	p := python(t, pool.WithSpare(1))
	spare := func() (pid int) {
		for _, w := range p.Workers() {
			if w.State == pool.StateSpare {
				pid = w.PID
			}
		}
		return pid
	}
	require.Eventually(t, func() bool { return spare() != 0 }, 20*time.Second, time.Millisecond)
	pid := spare()
	require.NoError(t, p.Resize(t.Context(), 3))
	require.Equal(t, pid, p.Workers()[2].PID)
	seen, err := pool.Broadcast(t.Context(), p, pyPID, struct{}{})
	require.NoError(t, err)
	require.Len(t, seen, 3)
	require.Equal(t, pid, seen[2].Value)
}

func TestAWorkerInPythonServesCallsMapsAndStreams(t *testing.T) {
	p := python(t)
	ctx := t.Context()
	s, err := pool.Call(ctx, p, pyUpper, "hello")
	require.NoError(t, err)
	require.Equal(t, "HELLO", s)

	args := make([]worker.Args2[int, int], 500)
	for i := range args {
		args[i] = worker.Pack2(i, -2*i)
	}
	sums, err := pool.Map(ctx, p, pyAdd, args)
	require.NoError(t, err)
	n := 0
	for sum, err := range pool.Stream(ctx, p, pyAdd, func(yield func(worker.Args2[int, int]) bool) {
		for _, a := range args {
			if !yield(a) {
				return
			}
		}
	}) {
		require.NoError(t, err)
		require.Equal(t, -n, sum)
		require.Equal(t, -n, sums[n])
		n++
	}
	require.Equal(t, len(args), n)
}

func TestValuesOfAWorkerInPythonAreChecked(t *testing.T) {
	p := python(t)
	ctx := t.Context()
	value := map[string]any{"a": []any{int64(1), -2.5, "x", nil, true, []byte{1, 2}}, "b": map[string]any{}}
	got, err := pool.Call(ctx, p, pyEcho, any(value))
	require.NoError(t, err)
	require.Equal(t, any(value), got)
	_, err = pool.Call(ctx, p, pyNarrow, 1<<40)
	var decode *pool.DecodeError
	require.ErrorAs(t, err, &decode)
	require.Equal(t, "parent", decode.Side)
	n, err := pool.Call(ctx, p, pyNarrow, -7)
	require.NoError(t, err)
	require.EqualValues(t, -7, n)
}

func TestErrorsOfAWorkerInPythonNameTheirType(t *testing.T) {
	p := python(t)
	_, err := pool.Call(t.Context(), p, pyFail, "twelve")
	var task *pool.TaskError
	require.ErrorAs(t, err, &task)
	var remote *pool.RemoteError
	require.ErrorAs(t, err, &remote)
	require.Equal(t, "ValueError", remote.Type)
	require.Contains(t, remote.Message, "twelve")
	_, err = pool.Call(t.Context(), p, pyNone, 1)
	require.ErrorIs(t, err, pool.ErrNotRegistered)
}

func TestAWorkerInPythonThatDiesCostsItsTaskAlone(t *testing.T) {
	p := python(t)
	codes := []int{0, 7}
	for _, code := range codes {
		_, err := pool.Call(t.Context(), p, pyDie, code)
		var exit *pool.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, code, exit.Code)
		require.Equal(t, pool.ReasonExit, exit.Reason)
	}
	pid, err := pool.Call(t.Context(), p, pyPID, struct{}{})
	require.NoError(t, err)
	require.NotZero(t, pid)
}

func TestCancellingATaskInPythonFreesTheSlotWithinTheGrace(t *testing.T) {
	p := python(t, pool.WithWorkers(1), pool.WithStopGrace(200*time.Millisecond))
	before, err := pool.Call(t.Context(), p, pyPID, struct{}{})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = pool.Call(ctx, p, pySleep, 60.0)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	after, err := pool.Call(t.Context(), p, pyPID, struct{}{}) // waits for the slot
	require.NoError(t, err)
	require.NotEqual(t, before, after)
	require.False(t, leaktest.Alive(before))
}

func TestShutdownEndsWorkersInPythonInGoodOrder(t *testing.T) {
	var out syncbuf.Buffer
	exits := make(chan pool.WorkerExit, 2)
	p := python(t, pool.WithStderr(&out), pool.WithOnExit(func(e pool.WorkerExit) { exits <- e }))
	_, err := pool.Call(t.Context(), p, pySay, "printed, not sent")
	require.NoError(t, err)
	require.NoError(t, p.Shutdown(t.Context()))
	for range 2 {
		select {
		case e := <-exits:
			require.Equal(t, pool.ReasonStopped, e.Reason)
			require.True(t, e.State.Success(), e.State.String())
		case <-time.After(10 * time.Second):
			t.Fatal("a worker's end was not reported")
		}
	}
	require.Contains(t, out.String(), "printed, not sent\n")
}
