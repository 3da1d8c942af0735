//go:build linux

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// Ways in which a parent can end without closing its pool. Those that begin with "signal" are
// done to it, the others it does itself.
var waysToDie = []string{
	"signal 9", "signal 15", "signal 1", "signal 2", "signal 3", "signal 11",
	"panic", "os.Exit", "log.Fatal", "return", "wild", "overflow",
}

// The owner is a helper whose workers wait at a gate until the test has put them where it wants
// them. Two are left idle.
var _ = role("owner", func() int {
	const busy = 5
	p, err := pool.New(context.Background(), helperOptions(busy+2, pool.WithWorkerProcs(1))...)
	if err != nil {
		report(judged(err))
		return 1
	}
	defer runtime.KeepAlive(p) // a pool that is dropped is closed
	for i := range busy {
		pool.Go(context.Background(), p, obey, order{Index: i, Gate: os.Getenv(gateVar)})
	}
	var pids []int
	for _, w := range p.Workers() {
		pids = append(pids, w.PID)
	}
	report(pids)
	return die(listen())
})

// die ends a helper in a way of its own.
func die(way string) int {
	switch way {
	case "panic":
		panic("the parent panics")
	case "os.Exit":
		os.Exit(3)
	case "log.Fatal":
		log.Fatal("the parent gives up")
	case "wild":
		wild(context.Background(), "")
	case "overflow":
		overflow(context.Background(), "")
	}
	return 0
}

func TestRow049To052And054And057NoWorkerOutlivesItsParentHoweverItDies(t *testing.T) {
	for _, way := range waysToDie {
		t.Run(way, func(t *testing.T) {
			if number := signalOf(way); number != 0 {
				deliverable(t, number)
			}
			bounded(t, time.Minute)
			leaktest.Check(t)
			g := newGate(t)
			tag := fmt.Sprintf("%s=owner-%d-%d", tagVar, os.Getpid(), rand.Int())
			h := startHelper(t, "owner", gateVar+"="+g.addr, tag)
			var pids []int
			h.hear(&pids)
			idle := slices.Clone(pids)
			visitors := g.gather(t, 5)
			for _, v := range visitors {
				idle = slices.DeleteFunc(idle, func(pid int) bool { return pid == v.pid })
			}
			require.Len(t, idle, 2)
			var watches []watch
			for _, pid := range pids {
				watches = append(watches, watchPID(t, pid))
			}

			visitors[0].order("deadlock")
			visitors[1].order("spin")
			busy(t, visitors[1].pid)
			visitors[2].order("pause")
			visitors[3].order("grandchild " + g.addr)
			watches = append(watches, watchPID(t, g.next(t).index))
			stop(t, visitors[4].pid)
			stop(t, idle[1])

			h.end(way)
			for _, w := range watches {
				w.ended(t, orphaning)
			}
			h.wait()
			assert.Empty(t, marked(tag))
		})
	}
}

// end makes a helper end in one of waysToDie.
func (h *helper) end(way string) {
	h.t.Helper()
	if number := signalOf(way); number != 0 {
		require.NoError(h.t, h.cmd.Process.Signal(number))
	} else {
		h.tell(way)
	}
}

// signalOf returns the signal of a way to die, 0 where it is none.
func signalOf(way string) (number syscall.Signal) {
	_, _ = fmt.Sscanf(way, "signal %d", &number)
	return number
}

// busy waits until a process has been seen to compute.
func busy(t testing.TB, pid int) {
	t.Helper()
	before := ticks(pid)
	eventually(t, patience, "the process computes", func() bool { return ticks(pid) > before+2 })
}

// ticks returns the user time of a process in clock ticks.
func ticks(pid int) int {
	var n int
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	for i, field := range splitStat(string(stat)) {
		if i == 11 { // utime, counted from the state
			n, _ = strconv.Atoi(field)
		}
	}
	return n
}

var largeResult = worker.Register("faults.largeResult", func(ctx context.Context, gate string) ([]byte, error) {
	_, err := knock(ctx, gate, 0)
	return make([]byte, 64<<20), err
})

// A mover is a helper with one worker: 64 MiB are under way, in one direction or the other, when it dies.
var _ = role("mover", func() int {
	ctx := context.Background()
	p, err := pool.New(ctx, helperOptions(1)...)
	if err != nil {
		report(judged(err))
		return 1
	}
	report(p.Workers()[0].PID)
	if listen() == "result" {
		pool.Call(ctx, p, largeResult, os.Getenv(gateVar))
	} else {
		pool.Call(ctx, p, echo, make([]byte, 64<<20))
	}
	return 0
})

func TestRow050ParentDiesWhileAPipeIsFull(t *testing.T) {
	for _, direction := range []string{"result", "argument"} {
		t.Run(direction, func(t *testing.T) {
			bounded(t, time.Minute)
			leaktest.Check(t)
			g := newGate(t)
			h := startHelper(t, "mover", gateVar+"="+g.addr)
			var pid int
			h.hear(&pid)
			w := watchPID(t, pid)
			if direction == "result" {
				h.tell("result")
				v := g.next(t)
				stop(t, h.pid())
				v.order("")
				eventually(t, patience, "the worker waits in write", func() bool { return pipesFull(pid, os.O_WRONLY) })
			} else {
				stop(t, pid)
				h.tell("argument")
				eventually(t, patience, "the parent waits in write", func() bool { return pipesFull(pid, os.O_RDONLY) })
			}
			require.NoError(t, h.cmd.Process.Signal(syscall.SIGKILL))
			w.ended(t, orphaning)
			h.wait()
		})
	}
}

// holdVar names a gate at which a worker of this binary waits before it says a word.
const holdVar = "FAULTS_HOLD"

func init() {
	if addr := os.Getenv(holdVar); addr != "" && slices.Contains(os.Args, "procpool-worker") {
		if verb, err := knock(context.Background(), addr, 0); err == nil {
			perform(context.Background(), verb)
		}
	}
}

var _ = role("starter", func() int {
	for ctx := context.Background(); ; {
		p, err := pool.New(ctx, helperOptions(3, pool.WithEnv(holdVar+"="+os.Getenv(gateVar)))...)
		report(judged(err))
		if err != nil {
			return 1
		}
		p.Close()
	}
})

func TestRow053ParentKilledBetweenForkAndHandshakeLeavesNoWorker(t *testing.T) {
	t.Run("all workers wait before their hello", func(t *testing.T) {
		bounded(t, time.Minute)
		leaktest.Check(t)
		g := newGate(t)
		h := startHelper(t, "starter", gateVar+"="+g.addr)
		var watches []watch
		for _, v := range g.gather(t, 3) {
			watches = append(watches, watchPID(t, v.pid))
		}
		stop(t, watches[0].pid)
		require.NoError(t, h.cmd.Process.Signal(syscall.SIGKILL))
		for _, w := range watches {
			w.ended(t, orphaning)
		}
		h.wait()
	})
	t.Run("at any moment", func(t *testing.T) {
		bounded(t, time.Minute)
		leaktest.Check(t)
		for range 15 * envInt("FAULTS_ROUNDS", 1) {
			tag := fmt.Sprintf("%s=starter-%d-%d", tagVar, os.Getpid(), rand.Int())
			h := startHelper(t, "starter", tag)
			var v verdict
			h.hear(&v)
			require.Empty(t, v.Err)
			time.Sleep(rand.N(30 * time.Millisecond)) // any moment of the next starts and ends will do
			require.NoError(t, h.cmd.Process.Signal(syscall.SIGKILL))
			h.wait()
			eventually(t, orphaning, "all its workers are gone", func() bool { return len(marked(tag)) == 0 })
		}
	})
}

// The thread on which a pool is made or used may end: no worker may be tied to it.
func TestRow055ThreadThatMadeThePoolOrSubmittedMayEnd(t *testing.T) {
	onDoomedThread := func(work func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			work()
		}()
		<-done
	}
	t.Run("New", func(t *testing.T) {
		for range 10 {
			bounded(t, time.Minute)
			var p *pool.Pool
			var err error
			onDoomedThread(func() { p, err = pool.New(t.Context(), helperOptions(2)...) })
			require.NoError(t, err)
			before := p.Workers()
			for range 20 { // give the thread time to end and its death signal time to arrive
				onDoomedThread(func() {})
				_, err := pool.Call(t.Context(), p, double, 1)
				require.NoError(t, err)
			}
			for i, w := range p.Workers() {
				assert.Equal(t, before[i].PID, w.PID)
				assert.EqualValues(t, 0, w.Restarts)
			}
			require.NoError(t, p.Close())
		}
	})
	t.Run("Call", func(t *testing.T) {
		f := start(t, 2)
		before := f.meet(2)
		for range 1000 {
			onDoomedThread(func() {
				_, err := call(f, double, 1)
				assert.NoError(t, err)
			})
		}
		assert.ElementsMatch(t, before, f.meet(2))
	})
	t.Run("Resize and restart", func(t *testing.T) {
		f := start(t, 1)
		f.n = 3
		onDoomedThread(func() { require.NoError(t, f.Resize(t.Context(), 3)) })
		onDoomedThread(func() {
			_, err := call(f, obey, order{Do: "signal 9"})
			fate{signal: syscall.SIGKILL}.check(t, err)
		})
		before := f.meet(3)
		assert.ElementsMatch(t, before, f.meet(3))
	})
}

var _ = role("interruptible", func() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p, err := pool.New(context.Background(), helperOptions(2)...)
	if err != nil {
		report(judged(err))
		return 1
	}
	running := pool.Go(context.Background(), p, obey, order{Index: 7, Gate: os.Getenv(gateVar), Do: ""})
	<-ctx.Done()
	report("interrupted")
	err = p.Shutdown(context.Background())
	a, taskErr := running.Wait(context.Background())
	report(judged(err))
	report(judged(taskErr))
	report(a.Index)
	return 0
})

func TestRow056InterruptOfTheGroupReachesTheParentAlone(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	g := newGate(t)
	h := startHelper(t, "interruptible", gateVar+"="+g.addr) // a session of its own, so its group is its alone
	v := g.next(t)
	require.NoError(t, syscall.Kill(-h.pid(), syscall.SIGINT))
	var word string
	h.hear(&word)
	assert.Equal(t, "interrupted", word)
	assert.NotContains(t, []string{"", "Z"}, processState(v.pid), "the worker")
	v.order("")
	var shutdown, task verdict
	h.hear(&shutdown)
	h.hear(&task)
	assert.Empty(t, shutdown.Err)
	assert.Empty(t, task.Err)
	var index int
	h.hear(&index)
	assert.Equal(t, 7, index)
	assert.True(t, h.wait().Success())
	assert.Empty(t, h.stderr.String(), "no worker has anything to say")
}

// reportVar names the file for the report of a helper that has no stdout.
const reportVar = "FAULTS_REPORT"

// The mute prints, logs and loses workers while nobody can hear it.
var _ = role("mute", func() int {
	if os.Getenv("FAULTS_CLOSE") != "" {
		os.Stdout.Close()
		os.Stderr.Close()
	}
	v := mute()
	text, _ := json.Marshal(v)
	if os.WriteFile(os.Getenv(reportVar), text, 0o666) != nil {
		return 1
	}
	return 0
})

func mute() verdict {
	ctx := context.Background()
	hclog.L().SetLevel(hclog.Trace)
	opts := []pool.Option{pool.WithWorkers(2)} // with the default writers and logger: that is the point
	if os.Getenv("FAULTS_NOLOG") != "" {
		opts = append(opts, pool.WithLogger(hclog.NewNullLogger()))
	}
	p, err := pool.New(ctx, opts...)
	if err != nil {
		return judged(err)
	}
	defer p.Close()
	for range 200 {
		if _, err := pool.Call(ctx, p, doAsTold, "print nobody hears this"); err != nil {
			return judged(err)
		}
		if _, err := pool.Call(ctx, p, doAsTold, "complain nor this"); err != nil {
			return judged(err)
		}
	}
	if _, err := pool.Call(ctx, p, doAsTold, "go-panic loudly"); err == nil {
		return verdict{Err: "a death went unnoticed"}
	}
	if _, err := pool.Map(ctx, p, double, make([]int, 1000)); err != nil {
		return judged(err)
	}
	return judged(p.Shutdown(ctx))
}

func TestRow058ParentWhoseStdoutAndStderrAreGoneKeepsItsPool(t *testing.T) {
	for _, how := range []string{"closed before the start", "closed by itself", "pipes without a reader", "pipes without a reader, and no logs"} {
		t.Run(how, func(t *testing.T) {
			bounded(t, time.Minute)
			leaktest.Check(t)
			path := filepath.Join(t.TempDir(), "report")
			cmd := exec.Command("/proc/self/exe")
			if how == "closed before the start" {
				self, err := os.Executable()
				require.NoError(t, err)
				cmd = exec.Command("/bin/sh", "-c", `exec "$0" >&- 2>&-`, self)
			}
			cmd.Env = append(os.Environ(), roleVar+"=mute", reportVar+"="+path)
			if how == "closed by itself" {
				cmd.Env = append(cmd.Env, "FAULTS_CLOSE=1")
			}
			if strings.HasSuffix(how, "no logs") {
				cmd.Env = append(cmd.Env, "FAULTS_NOLOG=1")
			}
			if strings.HasPrefix(how, "pipes without a reader") {
				r, w, err := os.Pipe()
				require.NoError(t, err)
				defer w.Close()
				cmd.Stdout, cmd.Stderr = w, w
				r.Close()
			}
			assert.NoError(t, cmd.Run())
			var v verdict
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &v))
			assert.Empty(t, v.Err)
		})
	}
}
