//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A kind is what a task does to its process, its values or its caller, and what must come of it.
type kind struct {
	name    string
	weight  int             // how often it is drawn, among the faults
	outcome outcome         // what must come of it
	also    []outcome       // what may as well
	never   bool            // the function is not called
	deadly  bool            // the process dies of it, so that Retries apply
	limit   bool            // only under a short hard time limit
	soft    bool            // only under a short soft one
	fits    func(*set) bool // only in pools with certain options; nil for all
	after   outcome         // a death that follows when the task has been answered
	load    func(*order, *rand.Rand)
	act     func(context.Context, *order, *answer) error
}

func (k *kind) expects(o outcome) bool { return o == k.outcome || slices.Contains(k.also, o) }

const mebibyte = 1 << 20

// kinds is filled by init, since what they do refers to orders and these to kinds.
var (
	kinds  = map[string]*kind{}
	faulty []*kind // all but "nothing"
)

func init() {
	for _, k := range slices.Concat(deaths(), hangs(), failures(), values(), nuisances()) {
		kinds[k.name] = k
		faulty = append(faulty, k)
	}
	kinds["nothing"] = &kind{name: "nothing", outcome: succeeded}
}

// deaths end the process under the task.
func deaths() []*kind {
	self := func(s syscall.Signal) func(context.Context, *order, *answer) error {
		return func(context.Context, *order, *answer) error {
			signal.Notify(make(chan os.Signal, 1), s) // an earlier task may have ignored it,
			signal.Reset(s)                           // which Reset alone does not undo
			_ = syscall.Kill(os.Getpid(), s)
			select {}
		}
	}
	return []*kind{
		{name: "exit 0", weight: 4, outcome: exitStatus + "0", deadly: true, act: func(context.Context, *order, *answer) error { os.Exit(0); return nil }},
		{name: "exit 7", weight: 4, outcome: exitStatus + "7", deadly: true, act: func(context.Context, *order, *answer) error { os.Exit(7); return nil }},
		{name: "panic in a goroutine", weight: 3, outcome: crashed, deadly: true, act: panicElsewhere},
		{name: "SIGKILL itself", weight: 4, outcome: killed, deadly: true, act: self(syscall.SIGKILL)},
		{name: "SIGTERM itself", weight: 3, outcome: terminated, deadly: true, act: self(syscall.SIGTERM)},
		{name: "SIGSEGV itself", weight: 3, outcome: crashed, deadly: true, act: self(syscall.SIGSEGV)},
		{name: "SIGABRT itself", weight: 3, outcome: crashed, deadly: true, act: self(syscall.SIGABRT)},
		{name: "SIGQUIT itself", weight: 2, outcome: crashed, deadly: true, act: self(syscall.SIGQUIT)},
		{name: "wild pointer", weight: 3, outcome: crashed, deadly: true, act: wild},
		{name: "stack overflow", weight: 2, outcome: crashed, deadly: true, act: overflow},
		{name: "junk on the wire", weight: 3, outcome: protocol, deadly: true, act: junk},
		{name: "closed wire", weight: 3, outcome: protocol, also: []outcome{exitStatus + "70"}, deadly: true, act: closeWires(unix.O_WRONLY)},
		{name: "closed wires, both", weight: 2, outcome: protocol, also: []outcome{exitStatus + "70"}, deadly: true, act: closeWires(unix.O_WRONLY, unix.O_RDONLY)},
		// Where it is a thread that gets no memory, libc reports that and not Go, and it looks like any crash; 66 is the race detector's.
		{name: "over the memory limit", weight: 3, outcome: overMemory, also: []outcome{crashed, exitStatus + "66"}, deadly: true, fits: func(s *set) bool { return s.capped }, act: func(context.Context, *order, *answer) error {
			for {
				keep(16 * mebibyte)
			}
		}},
		{name: "argument that exits", weight: 2, outcome: inTheDecoder, never: true, deadly: true, load: func(o *order, _ *rand.Rand) { o.Trap = argumentExits }},
	}
}

// hangs are ended by a hard time limit.
func hangs() []*kind {
	return []*kind{
		{name: "SIGSTOP itself", weight: 3, outcome: timedOut, deadly: true, limit: true, act: func(context.Context, *order, *answer) error {
			for { // who stops workers from outside lets them go on
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			}
		}},
		{name: "endless loop", weight: 3, outcome: timedOut, deadly: true, limit: true, act: func(context.Context, *order, *answer) error { return spin() }},
		{name: "blocked system call", weight: 3, outcome: timedOut, deadly: true, limit: true, act: blockInKernel},
		{name: "deadlock", weight: 2, outcome: timedOut, deadly: true, limit: true, act: func(context.Context, *order, *answer) error { select {} }},
		{name: "SIGQUIT ignored", weight: 2, outcome: timedOut, deadly: true, limit: true, act: func(context.Context, *order, *answer) error {
			signal.Ignore(syscall.SIGQUIT)
			select {}
		}},
		{name: "SIGSTOP itself, no limit", weight: 3, outcome: unresponsive, deadly: true, fits: func(s *set) bool { return s.beats }, act: func(context.Context, *order, *answer) error {
			for { // who stops workers from outside lets them go on
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			}
		}},
		{name: "soft limit obeyed", weight: 2, outcome: softTimedOut, soft: true, act: func(ctx context.Context, _ *order, _ *answer) error {
			<-ctx.Done()
			return ctx.Err()
		}},
		{name: "soft limit passed", weight: 2, outcome: succeeded, soft: true, act: func(ctx context.Context, _ *order, _ *answer) error {
			<-ctx.Done()
			return nil
		}},
	}
}

// failures are answered, and the process lives.
func failures() []*kind {
	return []*kind{
		{name: "error", weight: 5, outcome: failed, act: func(_ context.Context, o *order, _ *answer) error {
			return fmt.Errorf("task %d: %w", o.ID, fs.ErrNotExist)
		}},
		{name: "panic", weight: 4, outcome: panicked, act: func(context.Context, *order, *answer) error { panic("a task's own") }},
		{name: "Goexit", weight: 3, outcome: panicked, act: func(context.Context, *order, *answer) error { runtime.Goexit(); return nil }},
		{name: "context ignored", weight: 3, outcome: succeeded, act: func(context.Context, *order, *answer) error { time.Sleep(700 * time.Millisecond); return nil }},
		{name: "context obeyed", weight: 2, outcome: succeeded, also: []outcome{failed}, act: func(ctx context.Context, _ *order, _ *answer) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(200 * time.Millisecond):
				return nil
			}
		}},
	}
}

// values cannot travel, or are large.
func values() []*kind {
	there := func(t trap) func(*order, *rand.Rand) { return func(o *order, _ *rand.Rand) { o.Trap = t } }
	back := func(t trap) func(context.Context, *order, *answer) error {
		return func(_ context.Context, _ *order, a *answer) error { a.Trap = t; return nil }
	}
	return []*kind{
		{name: "argument not encodable", weight: 3, outcome: encodeParent, never: true, load: func(o *order, _ *rand.Rand) { o.Any = make(chan int) }},
		{name: "argument whose encoder fails", weight: 2, outcome: encodeParent, never: true, load: there(argumentFails)},
		{name: "argument not decodable", weight: 3, outcome: decodeWorker, never: true, load: there(argumentDecoder)},
		{name: "argument whose decoder panics", weight: 2, outcome: decodeWorker, never: true, load: there(argumentPanics)},
		{name: "result not encodable", weight: 3, outcome: encodeWorker, act: func(_ context.Context, _ *order, a *answer) error { a.Any = make(chan int); return nil }},
		{name: "result whose encoder panics", weight: 2, outcome: encodeWorker, act: back(resultEncoder)},
		{name: "result not decodable", weight: 3, outcome: decodeParent, act: back(resultDecoder)},
		{name: "result whose decoder panics", weight: 2, outcome: decodeParent, act: back(resultPanics)},
		{name: "big argument", weight: 2, outcome: succeeded, load: func(o *order, rng *rand.Rand) { o.Data = pattern(o.ID, mebibyte+rng.IntN(4*mebibyte)) }},
		{name: "big result", weight: 2, outcome: succeeded, load: func(o *order, rng *rand.Rand) { o.Size = mebibyte + rng.IntN(4*mebibyte) }},
	}
}

// nuisances succeed all the same, though one of them has consequences.
func nuisances() []*kind {
	return []*kind{
		{name: "flood of stdout", weight: 2, outcome: succeeded, act: func(context.Context, *order, *answer) error { return flood(os.Stdout) }},
		{name: "flood of stderr", weight: 2, outcome: succeeded, act: func(context.Context, *order, *answer) error { return flood(os.Stderr) }},
		{name: "junk on descriptor 1", weight: 3, outcome: succeeded, act: func(context.Context, *order, *answer) error {
			_, err := syscall.Write(1, noise(4096))
			return err
		}},
		{name: "reading descriptor 0", weight: 3, outcome: succeeded, act: readStdin},
		{name: "grandchild left behind", weight: 2, outcome: succeeded, act: grandchild},
		{name: "SIGTERM ignored", weight: 2, outcome: succeeded, act: func(context.Context, *order, *answer) error { signal.Ignore(syscall.SIGTERM); return nil }},
		{name: "death after the answer", weight: 3, outcome: succeeded, after: afterTheFact, act: func(context.Context, *order, *answer) error {
			go func() {
				time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
				os.Exit(43)
			}()
			return nil
		}},
		{name: "death in the garbage collector", weight: 3, outcome: succeeded, after: afterTheFact, act: func(context.Context, *order, *answer) error {
			dieInCleanup()
			return nil
		}},
		{name: "memory kept", weight: 3, outcome: succeeded, fits: func(s *set) bool { return s.leaks }, act: func(context.Context, *order, *answer) error {
			keep(64 * mebibyte)
			return nil
		}},
		{name: "slow", weight: 8, outcome: succeeded, act: func(context.Context, *order, *answer) error {
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			return nil
		}},
	}
}

var kept [][]byte

// keep allocates memory, uses it and never lets it go.
func keep(n int) {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	kept = append(kept, b)
}

func panicElsewhere(context.Context, *order, *answer) error {
	go panic("in a goroutine")
	select {}
}

// wild reads where nothing is mapped, which the runtime treats as fatal.
func wild(context.Context, *order, *answer) error {
	debug.SetPanicOnFault(false)
	address := uintptr(0x1ead0000beef)
	p := *(**byte)(unsafe.Pointer(&address)) // the indirection hides from vet that this is no pointer
	return fmt.Errorf("read %d", *p)
}

func overflow(context.Context, *order, *answer) error {
	debug.SetMaxStack(1 << 20)
	var down func(int) int
	down = func(n int) int { return down(n+1) + 1 }
	return fmt.Errorf("came back from %d", down(0))
}

var turns atomic.Uint64

// spin keeps one core busy for ever.
func spin() error {
	for {
		turns.Add(1)
	}
}

func blockInKernel(context.Context, *order, *answer) error {
	for {
		_, _, _ = syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}

// junk writes what is no frame to the wire, then waits for what comes of it.
func junk(context.Context, *order, *answer) error {
	fds, err := wires(unix.O_WRONLY)
	if err != nil {
		return err
	}
	for _, fd := range fds {
		if _, err := syscall.Write(fd, noise(1+rand.IntN(2000))); err != nil {
			return err
		}
	}
	select {}
}

// closeWires closes every pipe in these modes that is not 0, 1 or 2 and waits for what comes of it. It opens nothing afterwards:
// the new descriptor would have an old number.
func closeWires(modes ...int) func(context.Context, *order, *answer) error {
	return func(context.Context, *order, *answer) error {
		var all []int
		for _, mode := range modes {
			fds, err := wires(mode)
			if err != nil {
				return err
			}
			all = append(all, fds...)
		}
		for _, fd := range all {
			_ = syscall.Close(fd)
		}
		select {}
	}
}

// wires lists the pipes open in this mode that are none of 0, 1 and 2.
func wires(mode int) (fds []int, err error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	link := func(fd int) string {
		target, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		return target
	}
	for _, entry := range entries {
		var fd int
		if _, err := fmt.Sscan(entry.Name(), &fd); err != nil || fd <= 2 {
			continue
		}
		target := link(fd)
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err == nil && flags&unix.O_ACCMODE == mode && strings.HasPrefix(target, "pipe:") && target != link(1) && target != link(2) {
			fds = append(fds, fd)
		}
	}
	if len(fds) == 0 {
		return nil, errors.New("no wire among the descriptors")
	}
	return fds, nil
}

// noise is bytes that are no frame: its first is no frame's.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	b[0] = 0xff
	return b
}

// flood writes two MiB, some in lines and some not.
func flood(f *os.File) error {
	text := []byte(strings.Repeat("all work and no play\n", 400) + strings.Repeat("x", 70_000) + "\n")
	for n := 0; n < 2*mebibyte; n += len(text) {
		if _, err := f.Write(text); err != nil {
			return err
		}
	}
	return nil
}

func readStdin(context.Context, *order, *answer) error {
	var b [16]byte
	n, err := syscall.Read(0, b[:])
	if n > 0 {
		return fmt.Errorf("read %q from descriptor 0", b[:n])
	}
	return err
}

// grandchild starts a process that holds what a worker's children get, and would stay for ever.
func grandchild(context.Context, *order, *answer) error {
	cmd := exec.Command("sleep", "100000")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

// dieInCleanup makes the garbage collector end the process, soon.
func dieInCleanup() {
	garbage := new([1 << 16]byte)
	runtime.AddCleanup(garbage, func(int) { os.Exit(43) }, 0)
	go func() {
		time.Sleep(time.Millisecond)
		for {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}()
}
