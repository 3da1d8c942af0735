//go:build linux

package faults

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// drip writes a byte at a time.
func (p *puppet) drip(data []byte) {
	for i := range data {
		p.write(data[i : i+1])
		time.Sleep(2 * time.Millisecond)
	}
}

func TestRow078HelloThatDripsIsAStartErrorInTime(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	_, opts := puppets(t, func(p *puppet) {
		p.write(p.cookie)
		p.drip(wire.Header{Kind: wire.Hello, Length: wire.MaxControlBytes}.Append(nil))
		p.drip(make([]byte, wire.MaxControlBytes)) // half an hour for all of it
	})
	const limit = 300 * time.Millisecond * raceFactor
	begin := time.Now()
	_, err := pool.New(t.Context(), helperOptions(1, append(opts, pool.WithStartTimeout(limit))...)...)
	assert.GreaterOrEqual(t, time.Since(begin), limit)
	assert.Less(t, time.Since(begin), limit+killing)
	var failed *pool.StartError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "hello", failed.Stage)
}

// A result that drips is one that has not come: its neighbours are not held up, its caller may leave, and then it has the grace
// of a task that was cancelled.
func TestRow078ResultThatDripsHoldsUpNobodyElse(t *testing.T) {
	const short = 200 * time.Millisecond
	s := newSpoilers(t, 2, pool.WithStopGrace(short))
	dripping := make(chan struct{})
	s.spoil(func(p *puppet, j job) {
		p.write(j.started(0))
		close(dripping)
		p.drip(j.results(0, wire.Value, pack(bytes.Repeat([]byte("x"), 1<<20))))
	})
	ctx, cancel := context.WithCancel(t.Context())
	doomed := pool.Go(ctx, s.Pool, double, 21)
	follow(s.fixture, doomed)
	recv(t, dripping)
	for range 50 {
		s.works()
	}
	begin := time.Now()
	cancel()
	_, err := await(t, doomed)
	cancelled(t, err, begin)
	e := s.exit()
	assert.Less(t, time.Since(begin), short+killing)
	assert.Equal(t, pool.ReasonCancelled, e.Reason)
}

// Frames that are valid and that nobody waits for are thrown away as fast as they come.
func TestRow079EndlessReportsAndRecordsCostNoMemoryAndHoldUpNobody(t *testing.T) {
	flooding, enough := make(chan struct{}), make(chan struct{})
	var sent atomic.Int64
	consume := make(chan struct{})
	s := newSpoilers(t, 2,
		pool.WithOnReport(func(worker.TaskInfo, worker.Raw) { <-consume }),
		pool.WithLogger(hclog.NewNullLogger()))
	t.Cleanup(func() { close(consume) })
	s.works()
	before := heap()
	s.spoil(func(p *puppet, j job) {
		p.write(j.started(0))
		block := floodOf(t, j)
		close(flooding)
		for {
			select {
			case <-enough:
				p.write(j.results(0, wire.Value, pack(42)))
				return
			default:
				p.write(block)
				sent.Add(int64(len(block)))
			}
		}
	})
	future := submit(s.fixture, double, 21)
	recv(t, flooding)
	eventually(t, patience, "a MiB has come", func() bool { return sent.Load() > 1<<20 })
	begin := time.Now()
	for range 200 {
		s.works() // the neighbour does
	}
	assert.Less(t, time.Since(begin), patience/2, "two hundred calls beside the flood")
	eventually(t, patience, "4 MiB have come", func() bool { return sent.Load() > 4<<20 })
	close(enough)
	n, err := await(t, future)
	assert.NoError(t, err)
	assert.Equal(t, 42, n)
	assert.Positive(t, s.Stats().ReportsDropped)
	// Only now: beside the flood the collector counts what came while it marked.
	assert.Less(t, heap(), before+4<<20, "heap, with a consumer that has taken nothing")
}

// floodOf is a block of small frames that a worker may send while it runs a task.
func floodOf(t testing.TB, j job) (block []byte) {
	record, err := wire.AppendMap(nil, wire.Log, j.ID, 0, &wire.LogBody{Level: 3, Msg: "still here"})
	if err != nil {
		t.Error(err)
	}
	for len(block) < 32<<10 {
		block = append(append(block, record...), control(wire.Report, j.ID, 0, pack(len(block)))...)
	}
	return block
}

// While a worker does not read, what was written to it waits in the parent, and nobody waits for the write.
func TestRow086WorkerThatDoesNotReadHoldsUpNobodyElse(t *testing.T) {
	deaf, listening := make(chan struct{}), make(chan struct{})
	s := newSpoilers(t, 2)
	s.spoil(func(p *puppet, j job) {
		p.write(j.started(0))
		close(deaf)
		<-listening // it works
		p.write(j.results(0, wire.Value, pack(42)))
	})
	first := submit(s.fixture, double, 21)
	recv(t, deaf)
	arg := bytes.Repeat([]byte("x"), 1<<20)
	var futures []*pool.Future[[]byte]
	begin := time.Now()
	for range 8 { // more than the pipe holds, whichever worker they go to
		futures = append(futures, submit(s.fixture, echo, arg))
	}
	assert.Less(t, time.Since(begin), patience/2, "nobody who submits waits for a worker")
	for range 50 {
		s.works()
	}
	ctx, cancel := context.WithCancel(t.Context())
	given := pool.Go(ctx, s.Pool, echo, arg)
	follow(s.fixture, given)
	cancel()
	begin = time.Now()
	if _, err := await(t, given); err != nil { // it may have been done
		cancelled(t, err, begin)
	}
	close(listening)
	n, err := await(t, first)
	assert.NoError(t, err)
	assert.Equal(t, 42, n)
	for _, future := range futures {
		got, err := await(t, future)
		assert.NoError(t, err)
		assert.True(t, bytes.Equal(arg, got))
	}
}

// A worker that does not read is no reason for Close to wait.
func TestRow086CloseDoesNotWaitForAWorkerThatDoesNotRead(t *testing.T) {
	f := start(t, 1)
	f.spent = true
	stop(t, f.pidAt(0))
	future := submit(f, echo, make([]byte, 8<<20))
	eventually(t, patience, "the parent waits in write", func() bool { return pipesFull(f.pidAt(0), 0) })
	begin := time.Now()
	require.NoError(t, f.Close())
	assert.Less(t, time.Since(begin), killing)
	_, err := await(t, future)
	closed(t, err)
}
