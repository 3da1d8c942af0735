//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// The same figures as in the script for Python's pools.
const (
	workers    = 2
	neighbours = 4
	batchSize  = 100
	patience   = 5 * time.Second // without an answer count as a hang
	limit      = time.Second     // that a caller with a limit gives a task
	retries    = 2
	memory     = 256 << 20 // what a worker may have where memory is limited
	input      = "a line for the main program\n"
)

// A fault is one thing that goes wrong.
type fault struct {
	name, title string
	run         func(dir string) line
}

var faults = []fault{
	{"kill", "the task's worker is killed (SIGKILL)", misdeed("kill")},
	{"exit-0", "the task calls `exit(0)`", misdeed("exit-0")},
	{"exit-7", "the task calls `exit(7)`", misdeed("exit-7")},
	{"segfault", "segmentation fault in C", misdeed("segfault")},
	{"batch", "one of 100 tasks in a batch kills its worker", batch},
	{"stop", "the worker is stopped (SIGSTOP)", stop},
	{"endless", "an endless loop, limit 1 s", endless},
	{"encode-result", "the result cannot be encoded", misdeed("encode-result")},
	{"encode-argument", "the argument cannot be encoded", encodeArgument},
	{"decode-result", "the result cannot be decoded", decodeResult},
	{"initializer", "the initializer fails", initializer},
	{"memory", "it allocates without end, limit 256 MiB", capped},
	{"main-killed", "the main program is killed (SIGKILL)", mainKilled},
	{"talk", "the task prints, and reads its standard input", talks},
	{"poison", "the task kills each worker, tried 3 times", poison},
}

// waiting is what is asked of a future: its error when it is there.
type waiting func(ctx context.Context) error

func start(opts ...pool.Option) (*pool.Pool, error) {
	ctx, cancel := patient()
	defer cancel()
	return pool.New(ctx, append([]pool.Option{
		pool.WithWorkers(workers),
		pool.WithStopGrace(limit / 2),
		pool.WithLogger(hclog.NewNullLogger()),
		pool.WithStderr(io.Discard),
	}, opts...)...)
}

// patient returns a context that ends when what has not come would not come at all.
func patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// submit is pool.Go. Futures of any type become what can be waited for.
func submit[A, R any](ctx context.Context, p *pool.Pool, fn worker.Func[A, R], arg A, opts ...pool.CallOption) waiting {
	future := pool.Go(ctx, p, fn, arg, opts...)
	return func(ctx context.Context) error {
		_, err := future.Wait(ctx)
		return err
	}
}

// misdeed is a fault of one task.
func misdeed(how string, opts ...pool.Option) func(string) line {
	return func(dir string) line {
		return onPool(dir, opts, func(p *pool.Pool) waiting {
			return submit(context.Background(), p, misbehave, order{Dir: dir, How: how})
		})
	}
}

// onPool submits a faulty task and its neighbours to a new pool and tells what became of all.
func onPool(dir string, opts []pool.Option, faulty func(*pool.Pool) waiting) (l line) {
	p, err := start(opts...)
	if err != nil {
		return line{Error: err.Error()}
	}
	defer p.Close()
	begin := time.Now()
	wait := faulty(p)
	beside := neighboursOn(p, dir)
	ctx, cancel := patient()
	defer cancel()
	l.see(ctx, wait(ctx), begin)
	l.aftermath(p, dir, beside)
	return l
}

func neighboursOn(p *pool.Pool, dir string) (futures []*pool.Future[int]) {
	for number := range neighbours {
		futures = append(futures, pool.Go(context.Background(), p, neighbour, order{Dir: dir, Number: number}))
	}
	return futures
}

// aftermath tells what became of the neighbours, how many workers serve, and whether the pool can be ended.
func (l *line) aftermath(p *pool.Pool, dir string, beside []*pool.Future[int]) {
	l.Neighbours = len(beside)
	ctx, cancel := patient()
	defer cancel()
	for number, future := range beside {
		if got, err := future.Wait(ctx); err == nil && got == number {
			l.Answered++
		}
	}
	n := serving(p, dir)
	l.Workers = &n
	ctx, cancel = patient()
	defer cancel()
	l.Ends = p.Shutdown(ctx) == nil
}

// serving counts the workers that serve: by a task, and by two that return only if both are running.
func serving(p *pool.Pool, dir string) int {
	ctx, cancel := patient()
	defer cancel()
	if got, err := pool.Call(ctx, p, neighbour, order{Dir: dir, Number: 7}); err != nil || got != 7 {
		return 0
	}
	if _, err := meeting(p, dir); err != nil {
		return 1
	}
	return workers
}

// meeting returns the pids of both workers.
func meeting(p *pool.Pool, dir string) ([]int, error) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	return pool.Map(ctx, p, meet, []worker.Args2[string, string]{worker.Pack2(a, b), worker.Pack2(b, a)}, pool.Chunk(1))
}

// batch sends a hundred tiny tasks together; the one in the middle kills its worker.
func batch(dir string) line {
	items := make([]order, batchSize)
	for i := range items {
		items[i] = order{Dir: dir, Number: i}
	}
	var good int
	l := onPool(dir, nil, func(p *pool.Pool) waiting {
		future := pool.GoMap(context.Background(), p, tiny, items, pool.Chunk(batchSize))
		return func(ctx context.Context) error {
			results, err := future.Wait(ctx)
			good = whole(results, err)
			if all, ok := errors.AsType[pool.Errors](err); ok {
				return all[0]
			}
			return err
		}
	})
	l.Note = fmt.Sprintf("%d of %d results", good, batchSize)
	return l
}

// whole counts the results of tiny that are there and right.
func whole(results []int, err error) (good int) {
	failed := map[int]bool{}
	all, _ := errors.AsType[pool.Errors](err)
	for _, task := range all {
		failed[task.Index] = true
	}
	for i, got := range results {
		if got == i && !failed[i] {
			good++
		}
	}
	return good
}

func encodeArgument(dir string) line {
	return onPool(dir, nil, func(p *pool.Pool) waiting { return submit(context.Background(), p, ignore, any(func() {})) })
}

func decodeResult(dir string) line {
	return onPool(dir, nil, func(p *pool.Pool) waiting { return submit(context.Background(), p, refuse, order{Dir: dir}) })
}

// initializer tells what New says, because nothing else can be asked of a pool that never was.
func initializer(dir string) (l line) {
	begin := time.Now()
	p, err := start(pool.WithInitializer(failToStart, dir))
	if err == nil {
		p.Close()
	}
	l.see(context.Background(), err, begin)
	starts, err := os.ReadFile(filepath.Join(dir, "starts")) //nolint:gosec // the directory is this program's own
	if err != nil {
		l.Error = err.Error()
	}
	l.Note = fmt.Sprintf("workers started: %d", bytes.Count(starts, []byte("\n")))
	l.Ends = true
	return l
}

// talks looks at what arrives where the pool was told that output belongs, and whether the main program's input is untouched.
func talks(dir string) line {
	var out syncbuf.Buffer
	var taken any
	l := onPool(dir, []pool.Option{pool.WithStdout(&out)}, func(p *pool.Pool) waiting {
		future := pool.Go(context.Background(), p, misbehave, order{Dir: dir, How: "talk"})
		return func(ctx context.Context) (err error) {
			taken, err = future.Wait(ctx)
			return err
		}
	})
	var notes []string
	if strings.Count(out.String(), "line") != batchSize+1 {
		notes = append(notes, "lines lost")
	}
	if left, err := io.ReadAll(os.Stdin); err != nil || taken != "" || string(left) != input {
		notes = append(notes, "it takes the main program's input")
	}
	l.Note = strings.Join(notes, ", ")
	return l
}

// mainKilled kills a main program while one of its workers is busy and the other one idle.
func mainKilled(dir string) (l line) {
	cmd := self(owner, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return line{Error: err.Error()}
	}
	if err := cmd.Start(); err != nil {
		return line{Error: err.Error()}
	}
	var pids [workers]int
	_, err = fmt.Fscan(out, &pids[0], &pids[1])
	if killErr := cmd.Process.Kill(); err != nil || killErr != nil {
		return line{Error: fmt.Sprint("the main program: ", errors.Join(err, killErr))}
	}
	begin := time.Now()
	left := living(pids[:])
	for left > 0 && time.Since(begin) < patience {
		time.Sleep(time.Millisecond)
		left = living(pids[:])
	}
	l.Seconds = seconds(begin)
	l.Note = fmt.Sprintf("%d of %d workers live on", left, workers)
	l.Ends = left == 0
	if err := cmd.Wait(); err == nil {
		l.Error = "the main program was not killed"
	}
	return l
}

// own is the main program that is killed.
func own(dir string) error {
	p, err := start()
	if err != nil {
		return err
	}
	pids, err := meeting(p, dir)
	if err != nil {
		return err
	}
	busy := submit(context.Background(), p, misbehave, order{Dir: dir, How: "endless"})
	if err := touch(dir, begun); err != nil {
		return err
	}
	time.Sleep(patience / 10) // it is in its loop
	fmt.Fprintln(os.Stdout, pids[0], pids[1])
	return busy(context.Background())
}

func living(pids []int) (n int) {
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if _, state, ok := bytes.Cut(stat, []byte(") ")); err == nil && ok && state[0] != 'Z' {
			n++
		}
	}
	return n
}

// self returns this program in the role of one fault.
func self(role, dir string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), roleVar+"="+role, dirVar+"="+dir)
	return cmd
}
