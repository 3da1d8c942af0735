package monitor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"syscall"
	"time"

	"github.com/procpool/procpool/pool"
)

const hostile = `<script>window.hurt = true</script><img src=x onerror="window.hurt = true">"'&`

// fake is a pool that can do all that a page can show, at once. What it did depends on how long ago it began.
type fake struct {
	began time.Time
	done  chan struct{}

	mu     sync.Mutex
	reads  int
	gone   bool
	killed []int
	refuse error

	observers int
}

func newFake() *fake {
	return &fake{began: time.Now().Add(-90 * time.Second), done: make(chan struct{})}
}

func (f *fake) end() { close(f.done) }

func (f *fake) Observe() (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observers++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.observers--
	}
}

func (f *fake) alive() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.gone
}

func (f *fake) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	close(f.done)
}

func (f *fake) looks() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

func (f *fake) Done() <-chan struct{} { return f.done }

func (f *fake) Stats() pool.Stats {
	f.mu.Lock()
	f.reads++
	f.mu.Unlock()
	s := time.Since(f.began).Seconds()
	n := int(s*1500 + 400*math.Sin(s/5))
	return pool.Stats{
		Workers: 4, Spares: 1, Busy: 3, Queued: 120 + int(80*math.Sin(s)), Running: 37, Submitted: n + 200, Completed: n, Failed: int(s / 3), Cancelled: 2, Retried: 1,
		Restarts: 3, Recycles: 1, TimedOut: 1, BytesSent: int64(s * 3e6), BytesReceived: int64(s * 1e6),
	}
}

func (f *fake) Workers() []pool.WorkerInfo {
	now := time.Now()
	s := now.Sub(f.began)
	var all []pool.WorkerInfo
	for i := range 4 {
		all = append(all, pool.WorkerInfo{
			Slot: i, PID: 4711 + i, State: pool.StateBusy, Func: "thumbnail", Index: 1000 + i, TaskTime: time.Duration(40+i) * time.Millisecond, Tasks: int(s.Seconds() * 300), Restarts: i % 3,
			RSS: int64(20+10*i) << 20, CPU: s * time.Duration(9-2*i) / 10, Since: now.Add(-time.Second),
		})
	}
	all[2].State, all[2].Func, all[2].Index = pool.StateIdle, "", -1
	all[3].Func = hostile
	return append(all, pool.WorkerInfo{Slot: -1, PID: 4800, State: pool.StateSpare, Index: -1, RSS: 9 << 20, Since: f.began})
}

func (f *fake) Insights() pool.Insights {
	now := time.Now()
	s := now.Sub(f.began)
	in := pool.Insights{
		Name: "thumbs " + hostile, Began: f.began, Taken: now, Sampled: true,
		Advice: []string{"Workers idle 60 %: tasks of 4 µs are dominated by the boundary; batch them or stay in-process. " + hostile},
	}
	for i, name := range []string{"thumbnail", "sha256", hostile} {
		n := int64(s.Seconds() * 500)
		in.Functions = append(in.Functions, pool.FuncInsights{
			Func: name, Tasks: int(n), Failed: i * 7, Exec: s / time.Duration(i+1), ArgBytes: n * 2000, ResultBytes: n * 32,
			Queue: steady(n, 2*time.Millisecond), Run: steady(n, 3*time.Millisecond), Transfer: steady(n, time.Millisecond), Total: steady(n, 6*time.Millisecond),
			Stages: pool.Timing{
				EncodeArg: 20 * time.Microsecond, Queued: 2 * time.Millisecond, Write: 10 * time.Microsecond, Pipe: 40 * time.Microsecond, Waiting: 300 * time.Microsecond,
				DecodeArg: 30 * time.Microsecond, Run: 3 * time.Millisecond, EncodeResult: 9 * time.Microsecond, Held: 200 * time.Microsecond, Return: 60 * time.Microsecond,
				Pickup: 30 * time.Microsecond, DecodeResult: 5 * time.Microsecond,
			}, Samples: 100 * (1 - i%2),
		})
	}
	for slot := range 4 {
		w := pool.WorkerInsights{Slot: slot, Processes: 2, Tasks: 1000, Working: s / 2, Waiting: s / 10, Idle: s / 4, Start: 30 * time.Millisecond}
		for i := range 40 {
			at := now.Truncate(250 * time.Millisecond).Add(-time.Duration(40-i) * 250 * time.Millisecond)
			span := pool.Span{Func: []string{"thumbnail", "sha256", hostile}[(i+slot)%3], PID: 4711 + slot, Index: i, Tasks: 1 + i%4, Began: at, Ended: at.Add(time.Duration(120+30*slot) * time.Millisecond)}
			if i%17 == 3 {
				span.Failed = 1
			}
			w.Spans = append(w.Spans, span)
		}
		in.Workers = append(in.Workers, w)
	}
	in.Failures, in.Slowest = f.failures(), f.slowest()
	return in
}

func (f *fake) failures() []pool.TaskRecord {
	var all []pool.TaskRecord
	for i, err := range []error{
		&pool.ExitError{Reason: pool.ReasonCrash, Code: 2, Stderr: []byte("panic: " + hostile + "\n\ngoroutine 1 [running]:\nmain.main()\n\x1b[31mred")},
		&pool.PanicError{Value: hostile, Stack: "goroutine 7 [running]:\nmain.parse(" + hostile + ")\n\t/src/parse.go:17"},
		&pool.TimeoutError{Limit: 2 * time.Second, Hard: true, Stack: "goroutine 3 [runnable]:\nmain.loop()", Err: &pool.ExitError{Reason: pool.ReasonTimeout, Stderr: []byte("still here\n")}},
		&pool.RemoteError{Type: "*fs.PathError", Message: "open /no/such/file: no such file or directory\n" + hostile},
		fmt.Errorf("%w: unknown", pool.ErrNotRegistered),
	} {
		all = append(all, pool.TaskRecord{
			Func: "thumbnail", Index: 17 * i, Slot: i % 4, PID: 4700 + i, Attempt: 1, Ended: f.began.Add(time.Duration(80-i) * time.Second), Timing: pool.Timing{Exec: time.Second},
			Arg: hostile, Err: &pool.TaskError{Func: "thumbnail", Index: 17 * i, Slot: i % 4, PID: 4700 + i, Attempt: 1, Err: err},
		})
	}
	return all
}

func (f *fake) slowest() []pool.TaskRecord {
	var all []pool.TaskRecord
	for i := range 10 {
		all = append(all, pool.TaskRecord{
			Func: "thumbnail", Index: i, Slot: i % 4, PID: 4711, Attempt: 1, Ended: f.began.Add(time.Duration(i) * time.Second),
			Timing: pool.Timing{Exec: time.Duration(20-i) * 100 * time.Millisecond, Run: time.Duration(20-i) * 90 * time.Millisecond, Queued: time.Second}, Arg: `"photos/` + hostile + `.jpg"`,
		})
	}
	return all
}

// steady is a distribution of n durations about d.
func steady(n int64, d time.Duration) pool.Distribution {
	return pool.Distribution{
		Count: n, Mean: d, P50: d, P90: 2 * d, P99: 4 * d, Max: 8 * d,
		Buckets: []pool.Bucket{{Below: d / 2, Count: n / 4}, {Below: d, Count: n / 2}, {Below: 3 * d, Count: n / 5}, {Below: 8 * d, Count: n - n/4 - n/2 - n/5}},
	}
}

func (f *fake) Profile(_ context.Context, slot int, kind string, d time.Duration) ([]byte, error) {
	if f.refuse != nil {
		return nil, f.refuse
	}
	return []byte(fmt.Sprint("profile of ", slot, " ", kind, " ", d)), nil
}

func (f *fake) Goroutines(_ context.Context, slot int) (string, error) {
	if f.refuse != nil {
		return "", f.refuse
	}
	return fmt.Sprint("goroutines of ", slot, hostile), nil
}

func (f *fake) KillWorker(_, pid int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.killed = append(f.killed, pid)
	return f.refuse
}

var errBoom = errors.Join(errors.New("boom"), syscall.ESRCH)
