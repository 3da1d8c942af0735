//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/worker"
)

// An order is the argument of obey: what to do, where to wait before, where to
// write down that it was done.
type order struct {
	Index    int
	Ledger   ledger
	Gate     string // where to knock first; what is told there replaces Do
	Do       string // see perform; "" does nothing
	Size     int    // bytes of the answer's Data
	Stubborn bool   // pays no heed to its context
}

type answer struct {
	Index, PID, Slot, Attempt int
	Data                      []byte
}

// obey does what the test wants a task to do.
var obey = worker.Register("faults.obey", func(ctx context.Context, o order) (answer, error) {
	if o.Stubborn {
		ctx = context.WithoutCancel(ctx)
	}
	if err := o.Ledger.enter('S', o.Index); err != nil {
		return answer{}, err
	}
	verb := o.Do
	if o.Gate != "" {
		var err error
		if verb, err = knock(ctx, o.Gate, o.Index); err != nil {
			return answer{}, err
		}
	}
	if err := perform(ctx, verb); err != nil {
		return answer{}, err
	}
	if err := o.Ledger.enter('E', o.Index); err != nil {
		return answer{}, err
	}
	info := worker.Info(ctx)
	return answer{Index: o.Index, PID: os.Getpid(), Slot: info.Slot, Attempt: info.Attempt, Data: make([]byte, o.Size)}, nil
})

// double is the task that nothing is wrong with.
var double = worker.Register("faults.double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

// echo returns what it gets.
var echo = worker.Register("faults.echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })

// perform carries out one order: a verb and, after a space, its object. Most of them end the
// process.
func perform(ctx context.Context, verb string) error {
	verb, object, _ := strings.Cut(verb, " ")
	act := verbs[verb]
	if act == nil {
		return fmt.Errorf("no verb %q", verb)
	}
	return act(ctx, object)
}

var verbs map[string]func(ctx context.Context, object string) error

func init() {
	verbs = map[string]func(context.Context, string) error{
		"":           func(context.Context, string) error { return nil },
		"fail":       func(_ context.Context, text string) error { return errors.New(text) },
		"exit":       func(_ context.Context, code string) error { os.Exit(number(code)); return nil },
		"log.Fatal":  func(_ context.Context, text string) error { log.Fatal(text); return nil },
		"panic":      func(_ context.Context, text string) error { panic(text) },
		"goexit":     func(context.Context, string) error { runtime.Goexit(); return nil },
		"signal":     signalSelf,
		"kill":       killAll,
		"print":      func(_ context.Context, text string) error { fmt.Println(text); return nil },
		"complain":   func(_ context.Context, text string) error { fmt.Fprintln(os.Stderr, text); return nil },
		"go-panic":   func(_ context.Context, text string) error { go panic(text); select {} },
		"wild":       wild,
		"overflow":   overflow,
		"deadlock":   func(context.Context, string) error { select {} },
		"spin":       spin,
		"pause":      pause,
		"wait":       func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() },
		"grandchild": grandchild,
		"later":      later,
		"later-gc":   laterInCleanup,
		"later-wait": func(ctx context.Context, addr string) error { _, err := knock(ctx, addr, -1); return err },
		"junk":       junk,
		"burn":       burn,
		"write-much": writeMuch,
		"threads":    takeThreads,
		"leak":       func(context.Context, string) error { hoard = append(hoard, touched(mib)); return nil },
		"sleep":      func(_ context.Context, ns string) error { time.Sleep(time.Duration(number(ns))); return nil },
		"stop-wait": func(ctx context.Context, _ string) error {
			syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			<-ctx.Done()
			return nil
		},
		"stop-self":   func(context.Context, string) error { syscall.Kill(os.Getpid(), syscall.SIGSTOP); select {} },
		"ignore-quit": func(ctx context.Context, _ string) error { signal.Ignore(syscall.SIGQUIT); return spin(ctx, "") },
		"ignore-all":  func(ctx context.Context, _ string) error { signal.Ignore(); return spin(ctx, "") },
		"ignore-term": func(context.Context, string) error { signal.Ignore(syscall.SIGTERM); return nil },
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

// signalSelf sends this process a signal and waits for the end.
func signalSelf(_ context.Context, number_ string) error {
	syscall.Kill(os.Getpid(), syscall.Signal(number(number_)))
	select {}
}

// killAll kills the processes given, and this one last.
func killAll(_ context.Context, pids string) error {
	for pid := range strings.FieldsSeq(pids) {
		syscall.Kill(number(pid), syscall.SIGKILL)
	}
	return signalSelf(nil, "9")
}

// wild reads where nothing is mapped, which the runtime treats as fatal.
func wild(context.Context, string) error {
	debug.SetPanicOnFault(false)
	return touch(0x1ead0000beef)
}

func overflow(context.Context, string) error {
	debug.SetMaxStack(1 << 20)
	var down func(int) int
	down = func(n int) int { return down(n+1) + 1 }
	return fmt.Errorf("came back from %d", down(0))
}

// spin keeps every core busy that this process may use.
func spin(context.Context, string) error {
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for {
			}
		}()
	}
	for {
	}
}

// pause sits in a system call that the runtime does not know of.
func pause(context.Context, string) error {
	for {
		syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}

// grandchild starts a process that sleeps and reports it at a gate. With "setsid" it leaves the
// worker's process group. It holds what a worker's children get: descriptors 0, 1 and 2.
func grandchild(ctx context.Context, object string) error {
	addr, how, _ := strings.Cut(object, " ")
	cmd := exec.Command("sleep", "1000")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: strings.HasPrefix(how, "setsid")}
	if strings.HasSuffix(how, "wire") {
		wire, err := wireOut()
		if err != nil {
			return err
		}
		defer wire.Close()
		cmd.ExtraFiles = []*os.File{wire}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	verb, err := knock(ctx, addr, cmd.Process.Pid)
	if err != nil {
		return err
	}
	return perform(ctx, verb)
}

// wireOut returns a duplicate of the descriptor on which this worker answers: the only
// pipe open for writing that is none of 0, 1 and 2.
func wireOut() (*os.File, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		fd := number(entry.Name())
		target, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if fd > 2 && err == nil && flags&unix.O_ACCMODE == unix.O_WRONLY && strings.HasPrefix(target, "pipe:") && !sameFile(fd, 1) && !sameFile(fd, 2) {
			twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
			return os.NewFile(uintptr(twin), "wire"), err
		}
	}
	return nil, errors.New("no wire among the descriptors")
}

func sameFile(a, b int) bool {
	one, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", a))
	two, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", b))
	return one == two
}

// junk writes what is no frame to the wire, then waits for what comes of it.
func junk(_ context.Context, text string) error {
	wire, err := wireOut()
	if err != nil {
		return err
	}
	if _, err := wire.WriteString(text); err != nil {
		return err
	}
	select {}
}

// later leaves a goroutine behind that knocks at the gate given and does as told,
// after the task that left it has been answered.
func later(_ context.Context, addr string) error {
	go func() {
		if verb, err := knock(context.Background(), addr, -1); err == nil {
			perform(context.Background(), verb)
		}
	}()
	return nil
}

// laterInCleanup is later, but the order is carried out by the garbage collector's cleanup goroutine.
func laterInCleanup(_ context.Context, addr string) error {
	go func() {
		verb, err := knock(context.Background(), addr, -1)
		if err != nil {
			return
		}
		garbage := new([1 << 16]byte)
		runtime.AddCleanup(garbage, func(verb string) { perform(context.Background(), verb) }, verb)
		for {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}()
	return nil
}
