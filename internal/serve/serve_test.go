package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/serve"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

func TestABatchRunsInOrderAndIsAnsweredInOrder(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	var args [][]byte
	for i := range 100 {
		args = append(args, []byte{byte(i)})
	}
	first := p.tasks(wire.TasksHead{Func: "echo"}, args...)
	second := p.tasks(wire.TasksHead{Func: "echo"}, args[:3]...)
	all, frames := p.results(103)
	for i, r := range all[:100] {
		require.Equal(t, result{batch: first, offset: i, value: args[i], head: r.head}, r)
	}
	for i, r := range all[100:] {
		require.Equal(t, result{batch: second, offset: i, value: args[i], head: r.head}, r)
	}
	require.Less(t, frames, 20, "results of tiny tasks travel together")
}

var slow = make(chan struct{})

func init() {
	register("slow", func(_ context.Context, arg []byte) ([]byte, error) {
		if arg[0] == 1 {
			<-slow
		}
		return arg, nil
	})
}

func TestAResultDoesNotWaitForALongTaskBehindIt(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	p.tasks(wire.TasksHead{Func: "slow"}, []byte{0}, []byte{1})
	all, _ := p.results(1) // comes although the second task holds execLoop
	require.Equal(t, []byte{0}, all[0].value)
	slow <- struct{}{}
	all, _ = p.results(1)
	require.Equal(t, 1, all[0].offset)
}

func TestLongResultsTravelAloneAndKeepTheirPlace(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	long := append([]byte{0xc6, 0, 1, 0, 0}, make([]byte, 1<<16)...)
	edge := append([]byte{0xc5, 0x3f, 0xfa}, make([]byte, 0x3ffa)...) // an item of just MaxRingItem and a few bytes
	args := [][]byte{{1}, long, {2}, edge, edge[:3], {3}}
	p.tasks(wire.TasksHead{Func: "echo"}, args...)
	all, _ := p.results(len(args))
	for i, r := range all {
		require.Equal(t, i, r.offset)
		require.True(t, bytes.Equal(args[i], r.value))
	}
	// The ring holds the short ones only: that is what the parent counts by.
	require.Less(t, p.page.Published().Bytes(), uint64(2*shm.MaxRingItem))
}

type unprintable struct{}

func (unprintable) String() string { panic("no text either") }

func init() {
	register("leave", func(_ context.Context, arg []byte) ([]byte, error) {
		switch arg[0] {
		case 0:
			panic("out of here")
		case 1:
			runtime.Goexit()
		case 2:
			panic(unprintable{})
		case 3:
			panic(nil) //nolint:govet // what the runtime makes of it is the point
		case 4:
			panic(fmt.Errorf("with %w", errTest))
		}
		return arg, nil
	})
}

func TestHoweverATaskLeavesTheNextOneRuns(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	p.tasks(wire.TasksHead{Func: "leave"}, []byte{0}, []byte{1}, []byte{2}, []byte{3}, []byte{4}, []byte{5})
	p.tasks(wire.TasksHead{Func: "leave"}, []byte{1})
	p.tasks(wire.TasksHead{Func: "echo"}, []byte{6})
	all, _ := p.results(8)
	for i, want := range []string{"out of here", "runtime.Goexit", "cannot be printed", "panic called with nil", "with as it should"} {
		require.Equal(t, wire.Panicked, all[i].outcome)
		value, stack := wire.ParsePanic(all[i].value)
		require.Contains(t, value, want)
		require.Contains(t, stack, "goroutine")
	}
	require.Equal(t, wire.Value, all[5].outcome)
	require.Equal(t, wire.Panicked, all[6].outcome)
	require.Equal(t, []byte{6}, all[7].value)
}

func TestErrorsAndUnknownFunctionsAreAnswers(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{Max: 10})
	p.tasks(wire.TasksHead{Func: "fail"}, []byte{1})
	p.tasks(wire.TasksHead{Func: "nobody"}, []byte{1}, []byte{2})
	p.tasks(wire.TasksHead{Func: "echo"}, append([]byte{0xc4, 20}, make([]byte, 20)...))
	all, _ := p.results(4)
	require.Equal(t, wire.Failed, all[0].outcome)
	require.Equal(t, errTest.Error(), failure(t, all[0]).Message)
	require.Equal(t, wire.Unknown, all[1].outcome)
	require.Equal(t, wire.Unknown, all[2].outcome)
	require.Contains(t, failure(t, all[2]).Message, "nobody")
	require.Equal(t, wire.Unencodable, all[3].outcome)
	require.ErrorIs(t, errors.Join(failure(t, all[3]).Targets()...), wire.ErrTooLarge)
}

// waiting is a task that waits for the end of its context.
var began = make(chan int, 16)

func init() {
	register("wait", func(ctx context.Context, arg []byte) ([]byte, error) {
		began <- int(arg[0])
		<-ctx.Done()
		return nil, ctx.Err()
	})
}

func TestCancelEndsTheContextOfItsTaskAlone(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	id := p.tasks(wire.TasksHead{Func: "wait"}, []byte{0}, []byte{1}, []byte{2})
	for i := range 3 {
		require.Equal(t, i, <-began)
		if i > 0 {
			p.control(wire.Cancel, id, i-1) // answered already: ignored
		}
		p.control(wire.Cancel, id, i)
		all, _ := p.results(1)
		require.Equal(t, i, all[0].offset)
		require.Equal(t, wire.Failed, all[0].outcome)
		require.ErrorIs(t, errors.Join(failure(t, all[0]).Targets()...), context.Canceled)
	}
}

func TestACancelThatComesBeforeItsTaskBeginsIsNotForgotten(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	first := p.tasks(wire.TasksHead{Func: "wait"}, []byte{0})
	<-began
	second := p.tasks(wire.TasksHead{Func: "wait"}, []byte{1})
	p.control(wire.Cancel, second, 0) // while the first one runs
	p.control(wire.Cancel, first, 0)
	all, _ := p.results(2)
	require.Equal(t, second, all[1].batch)
	require.Equal(t, wire.Failed, all[1].outcome)
	<-began
}

func TestAWorkerWithoutAPageAnnouncesItsTasksAndAnswersRecalls(t *testing.T) {
	p := start(t, false, wire.WelcomeBody{})
	id := p.tasks(wire.TasksHead{Func: "wait"}, []byte{0}, []byte{1}, []byte{2})
	f := p.frame()
	require.Equal(t, wire.Started, f.Kind)
	require.Equal(t, uint32(0), f.Arg)
	<-began
	p.control(wire.Recall, id, 2)
	f = p.frame()
	require.Equal(t, wire.Recalled, f.Kind)
	require.Equal(t, uint32(2), f.Arg)
	p.control(wire.Recall, id, 0)
	f = p.frame()
	require.Equal(t, wire.Recalled, f.Kind)
	require.Equal(t, uint32(1), f.Arg, "one task has started")
	p.control(wire.Cancel, id, 0)
	all, frames := p.results(1)
	require.Equal(t, 1, frames)
	require.Equal(t, 0, all[0].offset)
	p.tasks(wire.TasksHead{Func: "echo"}, []byte{7}, []byte{8})
	for i := range 2 { // a notice before each, a frame after each
		require.Equal(t, wire.Started, p.frame().Kind)
		f := p.frame()
		require.Equal(t, wire.Results, f.Kind)
		require.Equal(t, uint32(1), f.Count)
		require.Equal(t, uint32(i), f.Arg)
	}
}

func TestStopEndsTheRunningTaskAndThenTheServer(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	p.tasks(wire.TasksHead{Func: "wait"}, []byte{0})
	<-began
	p.control(wire.Stop, 0, 0)
	all, _ := p.results(1)
	require.Equal(t, wire.Failed, all[0].outcome)
	require.NoError(t, p.ended())
}

func TestPingIsAnsweredWhileATaskRuns(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	id := p.tasks(wire.TasksHead{Func: "wait"}, []byte{0})
	<-began
	p.control(wire.Ping, 0, 0)
	require.Equal(t, wire.Beat, p.frame().Kind)
	p.control(wire.Cancel, id, 0)
	p.results(1)
}

func TestTheEndOfTheInputEndsTheTaskAndStartsNothingMore(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	id := p.tasks(wire.TasksHead{Func: "wait"}, []byte{0}, []byte{1})
	<-began
	p.tasks(wire.TasksHead{Func: "wait"}, []byte{2})
	p.down.end()
	require.ErrorIs(t, p.ended(), serve.ErrParentGone)
	require.Eventually(t, func() bool { return p.page.Started(id) == 1 }, patience, time.Millisecond)
	select {
	case n := <-began:
		t.Fatalf("task %d was started for a parent that is gone", n)
	default:
	}
}

func TestAParentThatBreaksTheProtocolIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		send func(p *peer)
		want string
	}{
		"a kind of the worker's": {func(p *peer) { p.control(wire.Beat, 0, 0) }, "may send"},
		"a second welcome":       {func(p *peer) { p.control(wire.Welcome, 0, 0) }, "unexpected Welcome"},
		"tasks after stop":       {func(p *peer) { p.control(wire.Stop, 0, 0); p.tasks(wire.TasksHead{Func: "echo"}, []byte{1}) }, "after Stop"},
		"a damaged head": {func(p *peer) {
			p.send(append(wire.Header{Kind: wire.Tasks, Count: 1, ID: 1, Length: 1}.Append(nil), 0xc0))
		}, "does not decode"},
		"too few items": {func(p *peer) {
			p.page.Arm(1, 2)
			payload := wire.AppendItem((&wire.TasksHead{Func: "echo"}).Append(nil), []byte{1})
			p.send(append(wire.Header{Kind: wire.Tasks, Count: 2, ID: 1, Length: uint64(len(payload))}.Append(nil), payload...))
		}, "damaged"},
		"no frame at all": {func(p *peer) { p.send([]byte("GET / HTTP/1.1\r\n")) }, "no frame"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, true, wire.WelcomeBody{})
			c.send(p)
			if err := p.ended(); name != "tasks after stop" || err != nil { // Stop may have been obeyed by then
				require.ErrorContains(t, err, c.want)
			}
		})
	}
}

func TestMoreBatchesThanCanWaitAreRefused(t *testing.T) {
	p := start(t, false, wire.WelcomeBody{})
	p.tasks(wire.TasksHead{Func: "wait"}, []byte{0})
	<-began
	for range 5 * wire.MaxBatches {
		p.tasks(wire.TasksHead{Func: "echo"}, []byte{1})
	}
	require.ErrorContains(t, p.ended(), "wait")
}

func TestBatchesThatWereTakenBackWholeDoNotWait(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	p.tasks(wire.TasksHead{Func: "wait"}, []byte{0})
	<-began
	for range 10 * wire.MaxBatches {
		p.page.Arm(2, 0) // taken back before it arrives
		payload := wire.AppendItem((&wire.TasksHead{Func: "echo"}).Append(nil), []byte{1})
		p.send(append(wire.Header{Kind: wire.Tasks, Count: 1, ID: 2, Length: uint64(len(payload))}.Append(nil), payload...))
	}
	p.control(wire.Cancel, 1, 0)
	p.control(wire.Stop, 0, 0)
	require.NoError(t, p.ended())
}

// seen is what a task saw of its context.
type seen struct {
	deadline time.Time
	bounded  bool
	index    int
	attempt  int
	done     <-chan struct{}
	ctx      context.Context // looked at after the task
}

var looked = make(chan seen, 8)

func init() {
	register("look", func(ctx context.Context, arg []byte) ([]byte, error) {
		task := serve.FromContext(context.WithValue(ctx, "a", "b")) //nolint:staticcheck // derived contexts know the task as well
		s := seen{index: task.Index(), attempt: task.Head().Attempt, done: ctx.Done(), ctx: ctx}
		s.deadline, s.bounded = ctx.Deadline()
		if ctx.Err() != nil || ctx.Value("a") != nil || task.PID() != 4711 || task.Slot() != 3 {
			return nil, errTest
		}
		looked <- s
		return arg, nil
	})
}

func TestATasksContextTellsWhatItWasGiven(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{Slot: 3})
	p.tasks(wire.TasksHead{Func: "look", First: 40, Attempt: 2, Flags: wire.WantTiming}, []byte{1}, []byte{2})
	p.tasks(wire.TasksHead{Func: "look", First: -1, Deadline: time.Hour}, []byte{3})
	p.tasks(wire.TasksHead{Func: "look", First: 5, Flags: wire.SameIndex, Deadline: time.Hour, Soft: time.Minute}, []byte{4}, []byte{5})
	all, _ := p.results(5)
	for i, want := range []struct {
		index, attempt int
		within         time.Duration
		timed          bool
	}{{40, 2, 0, true}, {41, 2, 0, true}, {-1, 1, time.Hour, false}, {5, 1, time.Minute, false}, {5, 1, time.Minute, false}} {
		require.Equal(t, wire.Value, all[i].outcome)
		require.Equal(t, want.timed, all[i].timed)
		s := <-looked
		require.Equal(t, want.index, s.index)
		require.Equal(t, want.attempt, s.attempt)
		require.Equal(t, want.within > 0, s.bounded)
		if s.bounded {
			require.InDelta(t, want.within, time.Until(s.deadline), float64(10*time.Second))
		}
		<-s.done // closed when the task has returned
		require.ErrorIs(t, s.ctx.Err(), context.Canceled)
		require.Equal(t, want.index, serve.FromContext(s.ctx).Index(), "contexts are not reused")
	}
	require.Nil(t, serve.FromContext(t.Context()))
}

func TestWhoAsksIsToldWhereTheTimeWent(t *testing.T) {
	for _, shared := range []bool{true, false} {
		for _, size := range []int{1, 2 * shm.MaxRingItem} { // through the ring, and by itself
			p := start(t, shared, wire.WelcomeBody{})
			before := shm.Clock()
			value := make([]byte, size)
			p.tasks(wire.TasksHead{Func: "echo", Flags: wire.WantTiming}, value, value)
			p.tasks(wire.TasksHead{Func: "echo"}, value)
			all, _ := p.results(3)
			for _, r := range all[:2] {
				require.True(t, r.timed)
				require.LessOrEqual(t, r.cost.Decode+r.cost.Encode, r.cost.Exec)
				require.Positive(t, r.cost.Exec)
				require.Positive(t, r.cost.Waiting)
				if !shared { // the clock may be another there
					require.Zero(t, r.head.Arrived+r.head.Sent)
					continue
				}
				require.Less(t, before, r.head.Arrived)
				require.LessOrEqual(t, r.head.Arrived+int64(r.cost.Waiting+r.cost.Exec), r.head.Sent)
				require.Less(t, r.head.Sent, shm.Clock())
			}
			require.GreaterOrEqual(t, all[1].cost.Waiting, all[0].cost.Waiting+all[0].cost.Exec)
			require.False(t, all[2].timed)
			require.Zero(t, all[2].head.Arrived+all[2].head.Sent)
		}
	}
}

func TestADeadlineEndsTheContext(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	p.tasks(wire.TasksHead{Func: "wait", Soft: time.Millisecond}, []byte{0})
	<-began
	all, _ := p.results(1)
	require.ErrorIs(t, errors.Join(failure(t, all[0]).Targets()...), context.DeadlineExceeded)
}

var refused atomic.Bool

func init() {
	register("tell", func(ctx context.Context, arg []byte) ([]byte, error) {
		task := serve.FromContext(ctx)
		task.Log(&wire.LogBody{Level: 3, Msg: "hello", Args: []any{"n", 1}})
		refused.Store(task.Report(make(chan int)) != nil)
		return arg, task.Report("half")
	})
}

func TestReportsAndRecordsNameTheirTask(t *testing.T) {
	for _, listens := range []bool{true, false} {
		p := start(t, true, wire.WelcomeBody{Reports: listens})
		p.tasks(wire.TasksHead{Func: "echo"}, []byte{0})
		p.results(1)
		id := p.tasks(wire.TasksHead{Func: "tell"}, []byte{0})
		f := p.frame()
		require.Equal(t, wire.Header{Kind: wire.Log, ID: id, Length: f.Length}, f.Header)
		record, err := wire.ParseLog(f)
		require.NoError(t, err)
		require.Equal(t, "hello", record.Msg)
		if listens {
			f = p.frame()
			require.Equal(t, wire.Report, f.Kind)
			require.Equal(t, "\xa4half", string(f.Payload))
			require.True(t, refused.Load(), "what cannot be encoded is refused")
		}
		all, _ := p.results(1)
		require.Equal(t, wire.Value, all[0].outcome)
	}
}

var kept = make(chan context.Context, 1)

func init() {
	register("keep", func(ctx context.Context, arg []byte) ([]byte, error) {
		if arg[0]%3 == 0 {
			_ = ctx.Done() // somebody may wait for the end of every third
		}
		kept <- ctx
		return arg, nil
	})
}

// Contexts are made many at a time, and each is a byte of those: none may be taken for another.
func TestEveryTaskOfALongBatchHasAContextOfItsOwn(t *testing.T) {
	const n = 200
	p := start(t, true, wire.WelcomeBody{})
	args := make([][]byte, n)
	for i := range args {
		args[i] = []byte{byte(i)}
	}
	p.tasks(wire.TasksHead{Func: "keep", First: 1000}, args...)
	var all []context.Context
	for range n {
		all = append(all, <-kept)
	}
	p.results(n)
	p.tasks(wire.TasksHead{Func: "keep"}, []byte{0}) // the batch before it is over when this one runs
	<-kept
	for i, ctx := range all {
		require.Equal(t, 1000+i, serve.FromContext(ctx).Index())
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		<-ctx.Done()
	}
}
