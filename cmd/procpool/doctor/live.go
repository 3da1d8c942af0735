package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// What the workers of the live part run.
var (
	echo = worker.Register("doctor-echo", func(_ context.Context, n int) (int, error) { return n, nil })
	die  = worker.Register("doctor-die", func(_ context.Context, deadly bool) (bool, error) {
		if deadly {
			return false, killSelf()
		}
		time.Sleep(2 * time.Millisecond) // so that others are at work while one dies
		return true, nil
	})
	hang = worker.Register("doctor-hang", func(context.Context, struct{}) (time.Duration, error) { return turnForEver(), nil })
	eat  = worker.Register("doctor-eat", func(_ context.Context, bytes int) (int, error) { return eatMemory(bytes), nil })
)

// killSelf returns only if it is not let.
func killSelf() error {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		return fmt.Errorf("a process cannot kill itself: %w", err)
	}
	select {} // until it has ended
}

// turnForEver is what the stack of the task that hangs must show.
//
//go:noinline
func turnForEver() (turned time.Duration) {
	for began := time.Now(); turned < time.Hour; turned = time.Since(began) { // it is killed long before
	}
	return turned
}

// eatMemory takes memory and uses it.
func eatMemory(bytes int) (sum int) {
	const piece = 1 << 20
	var all [][]byte
	for taken := 0; taken < bytes; taken += piece {
		b := make([]byte, piece)
		for i := 0; i < piece; i += 4096 {
			b[i] = byte(i)
		}
		all = append(all, b)
	}
	for _, b := range all {
		sum += int(b[0]) + len(b)
	}
	return sum
}

// noPoolError is why there is no pool.
type noPoolError struct {
	text  string
	tried bool // this time, and not before
}

func (e *noPoolError) Error() string { return e.text }

// refusePools makes that no pool is started any more: the same cause need not be told seven times.
func (s *system) refusePools(why string) { s.noPool.CompareAndSwap(nil, &why) }

// startPool starts a pool that says nothing, unless one without further options has failed.
func (s *system) startPool(ctx context.Context, opts ...pool.Option) (*pool.Pool, error) {
	if why := s.noPool.Load(); why != nil {
		return nil, &noPoolError{text: *why}
	}
	p, err := pool.New(ctx, append([]pool.Option{
		pool.WithName("doctor"), pool.WithWorkers(s.Workers), pool.WithLogger(hclog.NewNullLogger()),
		pool.WithStdout(io.Discard), pool.WithStderr(io.Discard), pool.WithStartTimeout(liveLimit), pool.WithStopGrace(time.Second),
	}, opts...)...)
	if err == nil {
		return p, nil
	}
	if len(opts) == 0 {
		s.refusePools("no pool starts here, see above")
	}
	return nil, &noPoolError{text: brief(err), tried: true}
}

// brief is the first line of an error. Where a process died it is told what that said of the reason, and not all of its last words.
func brief(err error) string {
	if err == nil {
		return "no error"
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "procpool: "), "\n")
	var said []byte
	if start, ok := errors.AsType[*pool.StartError](err); ok {
		said = start.Stderr
	} else if exit, ok := errors.AsType[*pool.ExitError](err); ok {
		said = exit.Stderr
	}
	for text := range strings.Lines(string(said)) {
		for _, mark := range []string{"failed", "fatal error", "panic:", "cannot"} {
			if strings.Contains(text, mark) {
				return clip(line, 240) + "; it said: " + clip(strings.TrimSpace(text), 120)
			}
		}
	}
	return clip(line, 240)
}

// clip shortens s to about n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}

type startFacts struct {
	Workers     int     `json:"workers"`
	Took        int64   `json:"took_ns"`     // until all were ready
	Descriptors float64 `json:"descriptors"` // in this process for each worker; -1 where it is not known
	Threads     float64 `json:"threads"`     // of each worker; 0 where it is not known
	Private     int64   `json:"private_bytes"`
}

func probeStart(ctx context.Context, s *system) (f startFacts, err error) {
	before := openDescriptors()
	began := time.Now()
	p, err := s.startPool(ctx)
	f = startFacts{Workers: s.Workers, Took: int64(time.Since(began)), Descriptors: -1}
	if err != nil {
		return f, err
	}
	defer p.Close()
	if before >= 0 {
		f.Descriptors = float64(openDescriptors()-before) / float64(s.Workers)
	}
	for _, w := range p.Workers() {
		threads, private := s.weigh(w.PID)
		f.Threads += float64(threads) / float64(s.Workers)
		f.Private += private / int64(s.Workers)
	}
	return f, nil
}

// weigh returns the threads of a process and its private memory; 0 where they are not known.
func (s *system) weigh(pid int) (threads, private int64) {
	status := s.read(fmt.Sprintf("proc/%d/status", pid))
	threads, _ = parseNumber(value(status, "Threads"))
	return threads, kilobytes(status, "RssAnon")
}

const startDoes = "New returns when every worker is ready, or says why one is not and leaves none behind"

func judgeStart(_ *system, f startFacts) verdict {
	found := fmt.Sprintf("%s ready after %s", numeral.Of(int64(f.Workers), "worker"), span(time.Duration(f.Took)))
	if f.Threads > 0 {
		found += fmt.Sprintf("; each has %s threads and %s for itself", trimmed(f.Threads), size(f.Private))
	}
	if f.Descriptors >= 0 {
		found += fmt.Sprintf(", and takes %s descriptors here", trimmed(f.Descriptors))
	}
	return verdict{OK, found, startDoes, ""}
}

type taskFacts struct {
	Tasks int    `json:"tasks"`
	Each  int64  `json:"each_ns"` // of many that travel together
	Call  int64  `json:"call_ns"` // the median of calls that wait for each other
	Fault string `json:"fault"`
}

func probeTasks(ctx context.Context, s *system) (f taskFacts, err error) {
	p, err := s.startPool(ctx)
	if err != nil {
		return f, err
	}
	defer p.Close()
	args := make([]int, 20_000)
	for i := range args {
		args[i] = i * i
	}
	began := time.Now()
	got, err := pool.Map(ctx, p, echo, args)
	f = taskFacts{Tasks: len(args), Each: int64(time.Since(began)) / int64(len(args))}
	switch {
	case err != nil:
		f.Fault = brief(err)
	case !slices.Equal(got, args):
		f.Fault = "results are not those of their arguments"
	default:
		f.Call, f.Fault = timeCalls(ctx, p)
	}
	return f, nil
}

// timeCalls returns the median of calls that wait for each other.
func timeCalls(ctx context.Context, p *pool.Pool) (median int64, fault string) {
	var each []time.Duration
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
		lap := time.Now()
		n, err := pool.Call(ctx, p, echo, len(each))
		switch {
		case err != nil:
			return 0, brief(err)
		case n != len(each):
			return 0, "a call was answered with another's result"
		}
		each = append(each, time.Since(lap))
	}
	return wakes(each).Median, ""
}

func judgeTasks(_ *system, f taskFacts) verdict {
	const does = "hands each result to whoever asked, in the order of the arguments"
	if f.Fault != "" {
		return verdict{Problem, "tasks fail: " + f.Fault, does, "see the problems above"}
	}
	found := fmt.Sprintf("%s answered rightly, %s each; a call that waits takes %s", numeral.Of(int64(f.Tasks), "task"), span(time.Duration(f.Each)), span(time.Duration(f.Call)))
	return verdict{OK, found, does, ""}
}

type deathFacts struct {
	Tasks    int    `json:"tasks"`    // of which one kills its worker
	Failed   int    `json:"failed"`   // of them
	Ended    string `json:"ended"`    // what the failed task's error says of its process
	Restarts int    `json:"restarts"` // of workers
	Fault    string `json:"fault"`
}

func probeDeath(ctx context.Context, s *system) (f deathFacts, err error) {
	p, err := s.startPool(ctx)
	if err != nil {
		return f, err
	}
	defer p.Close()
	args := make([]bool, 8*s.Workers)
	victim := len(args) / 2
	args[victim] = true
	got, err := pool.Map(ctx, p, die, args)
	f = deathFacts{Tasks: len(args)}
	f.Failed, f.Ended, f.Fault = blame(err, victim)
	for i, ok := range got {
		if i != victim && !ok && f.Fault == "" {
			f.Fault = fmt.Sprintf("task %d has no result although it was not the one", i)
		}
	}
	if all, err := pool.Broadcast(ctx, p, echo, 42); f.Fault == "" && (err != nil || len(all) != s.Workers) {
		f.Fault = fmt.Sprintf("the worker was not replaced: %d of %d answer: %v", len(all), s.Workers, err)
	}
	f.Restarts = p.Stats().Restarts
	return f, nil
}

// blame looks whether the failures of a Map are the death of one task's process and nothing else.
func blame(err error, victim int) (failed int, ended, fault string) {
	failures, ok := errors.AsType[pool.Errors](err)
	if !ok {
		return 0, "", fmt.Sprintf("the death of a worker went unnoticed: %s", brief(err))
	}
	exit, ok := errors.AsType[*pool.ExitError](failures[0])
	if len(failures) != 1 || failures[0].Index != victim || !ok {
		return len(failures), "", fmt.Sprintf("the death of a worker was blamed on others: %s", brief(err))
	}
	if exit.Signal == nil {
		return 1, "", "the worker was killed by a signal, and none was reported"
	}
	return 1, "signal: " + exit.Signal.String(), ""
}

func judgeDeath(_ *system, f deathFacts) verdict {
	const does = "the task that ran gets an ExitError with signal, status and the last words; the worker is replaced"
	if f.Fault != "" {
		return verdict{Problem, f.Fault, does, "see the problems above"}
	}
	return verdict{OK, fmt.Sprintf("a worker was killed: 1 of %s failed (%s), its neighbours did not, and the worker was replaced", numeral.Of(int64(f.Tasks), "task"), f.Ended), does, ""}
}

type timeoutFacts struct {
	Limit int64  `json:"limit_ns"`
	Took  int64  `json:"took_ns"` // until the call returned
	Stack bool   `json:"stack"`   // the error holds where the task hung
	Fault string `json:"fault"`
}

func probeTimeout(ctx context.Context, s *system) (f timeoutFacts, err error) {
	const limit = 200 * time.Millisecond
	f.Limit = int64(limit)
	p, err := s.startPool(ctx)
	if err != nil {
		return f, err
	}
	defer p.Close()
	began := time.Now()
	_, err = pool.Call(ctx, p, hang, struct{}{}, pool.Timeout(limit))
	f.Took = int64(time.Since(began))
	late, ok := errors.AsType[*pool.TimeoutError](err)
	switch {
	case !ok || !late.Hard:
		f.Fault = fmt.Sprintf("the task was not ended at its limit: %s", brief(err))
		return f, nil
	case strings.Contains(late.Stack, "doctor.turnForEver"):
		f.Stack = true
	}
	if n, err := pool.Call(ctx, p, echo, 42); err != nil || n != 42 {
		f.Fault = fmt.Sprintf("the next call failed: %s", brief(err))
	}
	return f, nil
}

func judgeTimeout(_ *system, f timeoutFacts) verdict {
	const does = "at the limit the worker writes down its goroutines and is killed; the TimeoutError holds them"
	found := fmt.Sprintf("a busy loop with a limit of %s was ended after %s", span(time.Duration(f.Limit)), span(time.Duration(f.Took)))
	switch {
	case f.Fault != "":
		return verdict{Problem, f.Fault, does, "see the problems above"}
	case !f.Stack:
		return verdict{Note, found + "; its stack could not be had", does, "a machine this busy gives the worker no time to write it down, or GODEBUG=asyncpreemptoff=1 is set"}
	}
	return verdict{OK, found + ", its stack was kept", does, ""}
}

type limitFacts struct {
	Limit  int64  `json:"limit_bytes"`
	Asked  int64  `json:"asked_bytes"` // what the task wanted
	Reason string `json:"reason"`      // of the worker's end
	Fault  string `json:"fault"`
	Cannot string `json:"cannot"` // why there are no limits here
}

func probeMemoryLimit(ctx context.Context, s *system) (f limitFacts, err error) {
	f = limitFacts{Limit: 96 << 20, Asked: 512 << 20}
	p, err := s.startPool(ctx, pool.WithWorkers(1), pool.WithMemoryLimit(f.Limit))
	if refused, ok := errors.AsType[*noPoolError](err); ok && refused.tried {
		f.Cannot = refused.text
		return f, nil
	} else if err != nil {
		return f, err
	}
	defer p.Close()
	_, err = pool.Call(ctx, p, eat, int(f.Asked))
	exit, ok := errors.AsType[*pool.ExitError](err)
	switch {
	case err == nil:
		f.Fault = fmt.Sprintf("a task took %s under a limit of %s", size(f.Asked), size(f.Limit))
	case !ok:
		f.Fault = brief(err)
	default:
		f.Reason = string(exit.Reason)
		if exit.Reason != pool.ReasonMemoryLimit && exit.Reason != pool.ReasonOutOfMemory {
			f.Fault = fmt.Sprintf("a task over its memory limit ended with another reason: %s", brief(err))
		}
	}
	if n, err := pool.Call(ctx, p, echo, 42); f.Fault == "" && (err != nil || n != 42) {
		f.Fault = fmt.Sprintf("the next call failed: %s", brief(err))
	}
	return f, nil
}

func judgeMemoryLimit(_ *system, f limitFacts) verdict {
	const does = "pool.WithMemoryLimit has the kernel end a task that takes too much (run --memory); the others go on"
	switch {
	case f.Cannot != "":
		return verdict{Problem, "there are no memory limits here: " + f.Cannot, "pool.New refuses pool.WithMemoryLimit", "Linux with /proc"}
	case f.Fault != "":
		return verdict{Problem, f.Fault, does, "see the problems above"}
	}
	return verdict{OK, fmt.Sprintf("a task that wanted %s under a limit of %s was ended (%s)", size(f.Asked), size(f.Limit), f.Reason), does, ""}
}
