//go:build linux

package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// prepared is the slot that the initializer of this process saw.
var prepared atomic.Int64

var (
	prepare = worker.Register("faults.prepare", func(ctx context.Context, o order) (int, error) {
		prepared.Store(int64(worker.Info(ctx).Slot))
		if o.Gate == "" {
			return 0, perform(ctx, o.Do)
		}
		verb, err := knock(ctx, o.Gate, worker.Info(ctx).Slot)
		if err != nil {
			return 0, err
		}
		return 0, perform(ctx, verb)
	})
	identify = worker.Register("faults.identify", func(ctx context.Context, _ int) (identity, error) {
		line, err := os.ReadFile("/proc/self/cmdline")
		return identity{
			PID: os.Getpid(), Slot: worker.Info(ctx).Slot, Prepared: int(prepared.Load()),
			Shown: strings.TrimRight(string(line), "\x00"), Marked: os.Getenv("PROCPOOL_SLOT"),
		}, err
	})
)

// identity is what a worker says of itself.
type identity struct {
	PID, Slot, Prepared int
	Shown, Marked       string // its command line, and the slot in its environment
}

// startWithSpares returns a pool of n workers whose spares are ready.
func startWithSpares(t *testing.T, n, spares int, opts ...pool.Option) *fixture {
	t.Helper()
	f := start(t, n, append(opts, pool.WithSpare(spares), pool.WithInitializer(prepare, order{}))...)
	f.spares(spares)
	return f
}

// spares waits until so many spares are ready.
func (f *fixture) spares(n int) {
	f.t.Helper()
	eventually(f.t, patience, fmt.Sprint(n, " spares"), func() bool { return f.Stats().Spares == n })
}

// sparePID returns the process of the only spare.
func (f *fixture) sparePID() (pid int) {
	f.t.Helper()
	eventually(f.t, patience, "a spare", func() bool {
		for _, w := range f.Workers() {
			if w.Slot == -1 && w.State == pool.StateSpare {
				pid = w.PID
			}
		}
		return pid != 0
	})
	return pid
}

// slots are the processes of the slots, in their order.
func (f *fixture) slots() (pids []int) {
	for _, w := range f.Workers() {
		if w.Slot >= 0 {
			pids = append(pids, w.PID)
		}
	}
	return pids
}

// Whatever a slot needs a process for, it takes the spare: no other can be started here.
func TestASpareServesWhicheverSlotNeedsAProcess(t *testing.T) {
	for name, c := range map[string]struct {
		opts []pool.Option
		need func(t *testing.T, f *fixture)
		slot int
	}{
		"its worker was killed under a task": {
			need: func(t *testing.T, f *fixture) {
				_, err := call(f, obey, order{Do: "signal 9"}, pool.Key(keyOf(f, 1)))
				fate{signal: syscall.SIGKILL}.check(t, err)
			},
			slot: 1,
		},
		"its worker ended with status 0": {
			need: func(t *testing.T, f *fixture) {
				_, err := call(f, obey, order{Do: "exit 0"}, pool.Key(keyOf(f, 0)))
				fate{code: 0, reason: pool.ReasonExit}.check(t, err)
			},
			slot: 0,
		},
		"its idle worker was killed": {
			need: func(t *testing.T, f *fixture) { require.NoError(t, syscall.Kill(f.slots()[1], syscall.SIGKILL)) },
			slot: 1,
		},
		"its worker is to be renewed": {
			opts: []pool.Option{pool.WithMaxTasksPerWorker(100), pool.WithRecycleJitter(0)}, // more than keyOf needs
			need: func(t *testing.T, f *fixture) {
				key := keyOf(f, 1)
				for range 99 {
					_, err := call(f, double, 1, pool.Key(key))
					require.NoError(t, err)
				}
			},
			slot: 1,
		},
		"it is new": {
			need: func(t *testing.T, f *fixture) { require.NoError(t, f.Resize(t.Context(), 3)); f.n = 3 },
			slot: 2,
		},
		"its task was over its time": {
			need: func(t *testing.T, f *fixture) {
				_, err := call(f, obey, order{Do: "deadlock", Stubborn: true}, pool.Key(keyOf(f, 0)), pool.Timeout(10*time.Millisecond))
				var over *pool.TimeoutError
				require.ErrorAs(t, err, &over)
			},
			slot: 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := startWithSpares(t, 2, 1, c.opts...)
			spare := f.sparePID()
			_, lift := refuse(t, syscall.EAGAIN, 0)
			c.need(t, f)
			eventually(t, patience, "the slot has the spare", func() bool { return len(f.slots()) > c.slot && f.slots()[c.slot] == spare })
			id, err := call(f, identify, 0, pool.Key(keyOf(f, c.slot)))
			require.NoError(t, err)
			number := strconv.Itoa(c.slot)
			assert.Equal(t, identity{PID: spare, Slot: c.slot, Prepared: -1, Shown: os.Args[0] + "\x00procpool-worker\x00" + number}, id)
			assert.Zero(t, f.Stats().Spares)
			lift()
			f.spares(1)
			assert.NotEqual(t, spare, f.sparePID())
		})
	}
}

// keyOf returns a key that belongs to a slot.
func keyOf(f *fixture, slot int) string {
	for i := range 1000 {
		key := strconv.Itoa(i)
		id, err := call(f, identify, 0, pool.Key(key))
		if err == nil && id.Slot == slot {
			return key
		}
	}
	f.t.Fatalf("no key belongs to slot %d", slot)
	return ""
}

func TestASlotThatRestedTakesTheSpare(t *testing.T) {
	f := startWithSpares(t, 1, 1, pool.WithIdleTimeout(0, idle))
	eventually(t, patience, "the slot rests", func() bool { return len(f.slots()) == 0 })
	spare := f.sparePID()
	_, lift := refuse(t, syscall.EAGAIN, 0)
	id, err := call(f, identify, 0)
	require.NoError(t, err)
	assert.Equal(t, spare, id.PID)
	assert.Equal(t, 0, id.Slot)
	lift()
}

// What befalls a spare is no slot's affair: stage by event.
func TestWhatBefallsASpareHarmsNobody(t *testing.T) {
	stages := []string{"initializer", "ready"}
	events := map[string]func(t *testing.T, f *fixture, pid int){
		"signal 9": func(t *testing.T, f *fixture, pid int) { require.NoError(t, syscall.Kill(pid, syscall.SIGKILL)) },
		"signal 15": func(t *testing.T, f *fixture, pid int) {
			require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
		},
		"Close":    func(t *testing.T, f *fixture, pid int) { require.NoError(t, f.Close()); f.spent = true },
		"Shutdown": func(t *testing.T, f *fixture, pid int) { require.NoError(t, f.Shutdown(t.Context())); f.spent = true },
		"Resize": func(t *testing.T, f *fixture, pid int) {
			require.NoError(t, f.Resize(t.Context(), 4))
			require.NoError(t, f.Resize(t.Context(), 2))
		},
		"a worker's death": func(t *testing.T, f *fixture, pid int) {
			_, err := call(f, obey, order{Do: "signal 9"})
			fate{signal: syscall.SIGKILL}.check(t, err)
			f.works()
		},
	}
	for _, stage := range stages {
		for name, happen := range events {
			t.Run(stage+"/"+name, func(t *testing.T) {
				f := startHeld(t, stage)
				happen(t, f.fixture, f.pid)
				if f.spent {
					assert.Empty(t, processState(f.pid))
					return
				}
				f.works()
				f.release(t)
				f.spares(1)
				f.replaced() // here, where somebody answers initializers
			})
		}
	}
}

// held is a pool: its spare is at a stage.
type held struct {
	*fixture
	pid int
	in  *visitor // nil where the spare is ready
}

// startHeld starts a pool of two, and brings its spare to a stage.
func startHeld(t *testing.T, stage string) *held {
	t.Helper()
	leaktest.Check(t)
	g := newGate(t)
	hold := stage == "initializer"
	made := make(chan *held, 1)
	go func() {
		for {
			select {
			case v := <-g.visitors:
				if v.index == -1 && hold {
					hold = false
					made <- &held{pid: v.pid, in: v}
					continue
				}
				v.order("")
			case <-t.Context().Done():
				return
			}
		}
	}()
	f, err := tryStartBeside(t, 2, pool.WithSpare(1), pool.WithInitializer(prepare, order{Gate: g.addr}))
	require.NoError(t, err)
	if stage == "ready" {
		return &held{fixture: f, pid: f.sparePID()}
	}
	h := <-made
	h.fixture = f
	return h
}

// release lets the spare go on, if it is still there.
func (h *held) release(t *testing.T) {
	if h.in != nil && processState(h.pid) != "" {
		h.in.order("")
	}
}

// A spare that cannot be started is tried again, ever more rarely; the slots work.
func TestSparesThatCannotBeStartedDoNotSpin(t *testing.T) {
	f := startWithSpares(t, 2, 2)
	before := f.slots()
	s, lift := refuse(t, syscall.EAGAIN, 0)
	for _, w := range f.Workers() {
		if w.Slot == -1 {
			require.NoError(t, syscall.Kill(w.PID, syscall.SIGKILL))
		}
	}
	for range 2 {
		e := f.exit()
		assert.Equal(t, -1, e.Slot)
		assert.Equal(t, pool.ReasonSignal, e.Reason)
	}
	time.Sleep(500 * time.Millisecond)
	assert.LessOrEqual(t, s.refused.Load(), int64(12), "starts in half a second") // two places, and 100, 200, 400 ms
	f.works()
	assert.Equal(t, before, f.slots())
	assert.Zero(t, f.Stats().Restarts)
	lift()
	f.spares(2)
}

// The initializer fails in spares alone: New and the slots do not hear of it.
func TestAnInitializerThatFailsInASpareFailsNobodyElse(t *testing.T) {
	f := start(t, 2, pool.WithSpare(1), pool.WithInitializer(failSpare, 0))
	eventually(t, patience, "the log says it", func() bool { return strings.Contains(f.log.String(), "a spare failed to start") })
	assert.Contains(t, f.log.String(), "no spare wanted")
	f.works()
	assert.Zero(t, f.Stats().Spares)
}

var failSpare = worker.Register("faults.failSpare", func(ctx context.Context, _ int) (int, error) {
	if worker.Info(ctx).Slot < 0 {
		return 0, fmt.Errorf("no spare wanted")
	}
	return 0, nil
})

// A pool that is broken is healed by a spare: it need not wait out its backoff.
func TestASpareHealsABrokenPool(t *testing.T) {
	f := start(t, 1, pool.WithSpare(1), pool.WithRestartLimit(1, time.Hour))
	f.spares(1)
	_, lift := refuse(t, syscall.EAGAIN, 0)
	for _, w := range f.Workers() {
		require.NoError(t, syscall.Kill(w.PID, syscall.SIGKILL))
	}
	eventually(t, patience, "the pool is broken", func() bool {
		_, err := call(f, double, 1)
		return err != nil
	})
	lift()
	eventually(t, patience, "the pool is healed", func() bool {
		_, err := call(f, double, 1)
		return err == nil
	})
}

func TestAStoppedSpareIsReplaced(t *testing.T) {
	f := startWithSpares(t, 1, 1, pool.WithHeartbeat(time.Second))
	pid := f.sparePID()
	stop(t, pid)
	watchPID(t, pid).ended(t, patience)
	assert.Equal(t, pool.ReasonUnresponsive, f.exit().Reason)
	f.spares(1)
	f.works()
}

func TestASpareGetsOld(t *testing.T) {
	f := startWithSpares(t, 1, 1, pool.WithMaxWorkerAge(300*time.Millisecond), pool.WithRecycleJitter(0))
	pid := f.sparePID()
	watchPID(t, pid).ended(t, patience)
	f.spares(1)
	assert.Zero(t, f.Stats().Restarts)
	f.works()
}

// A finalizer runs where an initializer ran.
func TestASpareIsFinalizedByShutdown(t *testing.T) {
	l := newLedger(t)
	f := start(t, 2, pool.WithSpare(2), pool.WithFinalizer(obey, order{Index: 7, Ledger: l}))
	f.spares(2)
	require.NoError(t, f.Shutdown(t.Context()))
	f.spent = true
	assert.Equal(t, 4, l.read(t).ended[7])
}

func TestASpareRunsOnTheProcessorsOfItsSlot(t *testing.T) {
	if cpus := allowed(t, "/proc/self/status"); cpus == "0" {
		t.Skip("there is one processor")
	}
	f := startWithSpares(t, 2, 1, pool.WithCPUAffinity([]int{0}, []int{1}))
	for _, slot := range []int{1, 0} {
		spare := f.sparePID()
		require.NoError(t, syscall.Kill(f.slots()[slot], syscall.SIGKILL))
		eventually(t, patience, "the slot has the spare", func() bool { return len(f.slots()) == 2 && f.slots()[slot] == spare })
		f.works()
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", spare))
		require.NoError(t, err)
		require.NotEmpty(t, threads)
		for _, path := range threads {
			assert.Equal(t, strconv.Itoa(slot), allowed(t, path), path)
		}
		f.spares(1)
	}
}

// allowed is the processors that a status file in /proc names.
func allowed(t *testing.T, path string) string {
	t.Helper()
	status, err := os.ReadFile(path)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(status), "\nCpus_allowed_list:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

// Under load, with deaths all the time, every task has one answer, from the slot that its error names.
func TestSparesStepInUnderLoad(t *testing.T) {
	n := 300 / raceFactor
	f := startWithSpares(t, 3, 2)
	futures := make([]*pool.Future[answer], n)
	deadly := func(i int) bool { return i%7 == 3 }
	for i := range futures {
		o := order{Index: i}
		if deadly(i) {
			o.Do = []string{"signal 9", "exit 0", "exit 3"}[i%3]
		}
		futures[i] = submit(f, obey, o)
	}
	for i, future := range futures {
		a, err := await(t, future)
		if deadly(i) {
			e := taskError(t, err)
			assert.Contains(t, []int{0, 1, 2}, e.Slot)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, i, a.Index)
		assert.Contains(t, []int{0, 1, 2}, a.Slot)
	}
	f.spares(2)
}
