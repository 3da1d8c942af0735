package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/procpool/procpool/internal/remote"
	"github.com/procpool/procpool/internal/stack"
	"github.com/procpool/procpool/wire"
)

var (
	// ErrClosed is returned by every call that Close ended and every one made after Shutdown or Close.
	ErrClosed = errors.New("procpool: the pool is closed")

	// ErrNoMain is returned by New where the program has not called worker.Main: its workers
	// would run the program's main instead of serving.
	ErrNoMain = errors.New("worker.Main was not called")

	// ErrBroken is returned while no worker can be started; it comes with the last cause.
	ErrBroken = errors.New("procpool: the pool is broken: no worker can be started")

	// ErrQueueFull is returned to NonBlocking calls while the queue of WithQueueSize is full.
	ErrQueueFull = errors.New("procpool: the queue is full")

	// ErrNotRegistered is returned for a function that the workers do not know: it was registered
	// after worker.Main was called, or the worker is another program.
	ErrNotRegistered = errors.New("function is not registered in the worker")
)

const (
	maxErrorText = 4 << 10
	shownErrors  = 3
)

// TaskError is every failure of one task. Err says what happened: a *RemoteError, *PanicError,
// *ExitError, *TimeoutError, *EncodeError, *DecodeError or ErrNotRegistered.
type TaskError struct {
	Func    string
	Index   int // of the item in Map and Stream; -1 for Call, Go and Broadcast
	Slot    int // -1 where the task reached no worker
	PID     int // 0 where the task reached no worker
	Attempt int // counts from 1; 0 where the task reached no worker
	Err     error
}

// Error names the function, the item, the worker and what happened, in at most 4 KiB, and where in the function that was if there is a stack that tells.
func (e *TaskError) Error() string {
	var b strings.Builder
	b.WriteString("procpool: ")
	b.WriteString(e.Func)
	if e.Index >= 0 {
		fmt.Fprintf(&b, " #%d", e.Index)
	}
	if e.Slot >= 0 && e.Attempt > 0 {
		fmt.Fprintf(&b, " (slot %d, pid %d, attempt %d)", e.Slot, e.PID, e.Attempt)
	}
	b.WriteString(": ")
	b.WriteString(errorText(e.Err))
	if frame := stack.Frame(stackOf(e.Err)); frame != "" {
		b.WriteString(", in " + frame)
	}
	return clip(b.String())
}

// stackOf is the stack that comes with a failure; "" where there is none.
func stackOf(err error) string {
	switch err := err.(type) {
	case *TimeoutError:
		return err.Stack
	case *PanicError:
		return err.Stack
	}
	return ""
}

// Unwrap returns Err.
func (e *TaskError) Unwrap() error { return e.Err }

// RemoteError is the error that a function returned in a worker. errors.Is finds the sentinels that
// it wrapped, if they are registered (worker.RegisterError), and errors.As the registered types.
type RemoteError struct {
	Type    string         // the Go type of the error in the worker
	Message string         // what its Error method returned
	Causes  []*RemoteError // what it wrapped, for reading

	found []error
}

// Error returns the message.
func (e *RemoteError) Error() string { return e.Message }

// Unwrap returns the registered sentinels and typed errors that the error was or wrapped, depth first.
func (e *RemoteError) Unwrap() []error { return e.found }

func newRemoteError(e *remote.Error) *RemoteError {
	tree := remoteTree(e)
	tree.found = e.Targets()
	return tree
}

func remoteTree(e *remote.Error) *RemoteError {
	tree := &RemoteError{Type: e.Type, Message: e.Message}
	for _, cause := range e.Causes {
		tree.Causes = append(tree.Causes, remoteTree(cause))
	}
	return tree
}

// PanicError says that the function panicked, or left by runtime.Goexit. The worker lives.
type PanicError struct {
	Value string // what it panicked with, as text
	Stack string // of the goroutine that panicked
}

// Error returns the value of the panic. The stack is in Stack.
func (e *PanicError) Error() string { return "panic: " + e.Value }

// ExitReason says why a worker process ended.
type ExitReason string

// The reasons why a worker process ends.
const (
	ReasonExit         ExitReason = "exit"          // by itself, with a status
	ReasonSignal       ExitReason = "signal"        // by a signal that the pool did not send of its own accord: KillWorker's is one
	ReasonCrash        ExitReason = "crash"         // the Go runtime's exit status 2: panic, fatal error, SIGSEGV
	ReasonOutOfMemory  ExitReason = "out of memory" // killed by the system for memory
	ReasonMemoryLimit  ExitReason = "memory limit"  // over the pool's hard memory limit
	ReasonUnresponsive ExitReason = "unresponsive"  // killed because it no longer answered
	ReasonProtocol     ExitReason = "protocol"      // killed because it broke the protocol
	ReasonTimeout      ExitReason = "timeout"       // killed at a task's hard time limit
	ReasonCancelled    ExitReason = "cancelled"     // killed because a cancelled task did not end
	ReasonRetired      ExitReason = "retired"       // recycled, in good order
	ReasonIdle         ExitReason = "idle"          // had nothing to do for long
	ReasonStopped      ExitReason = "stopped"       // by Shutdown, Close or Resize
)

// ExitError says that the worker process ended while the task was running.
type ExitError struct {
	State  *os.ProcessState // nil where there is no process of the pool's own (WithInline)
	Signal os.Signal        // that ended it; nil where it exited
	Code   int              // exit status; -1 where a signal ended it
	Reason ExitReason
	Stderr []byte // what the process wrote to standard error since the task began: the end of it, at most 16 KiB
	MaxRSS int64  // largest resident memory of the process, in bytes; 0 where it is not known
	CPU    time.Duration
	Err    error // what made the pool kill it; nil where it ended by itself
}

// Error says how the process ended and, where it crashed, the first line of what it said.
func (e *ExitError) Error() string {
	var b strings.Builder
	switch {
	case e.State != nil:
		b.WriteString(e.State.String())
	case e.Reason != "":
		b.WriteString("worker ended: " + string(e.Reason))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, " (%s: %s)", e.Reason, errorText(e.Err))
	}
	if e.possiblyOutOfMemory() {
		b.WriteString(" (possibly out of memory)")
	}
	if line := headline(e.Stderr); line != "" {
		fmt.Fprintf(&b, ": %s", line)
	}
	return clip(b.String())
}

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// TimeoutError says that a task was over a time limit. It Is context.DeadlineExceeded.
//
// At the soft limit the task's context ends, and Err is the error that the function returned after that. At the hard limit the worker was
// killed, and Err is an *ExitError with what is known of its end.
type TimeoutError struct {
	Limit time.Duration // from the start of the task
	Hard  bool
	Stack string // the worker's goroutines at the hard limit, as far as it could still write them down: at most 64 KiB, "" where it was stopped
	Err   error
}

// Error says which limit it was. The stack is in Stack.
func (e *TimeoutError) Error() string {
	if e.Hard {
		return fmt.Sprintf("hard time limit of %v exceeded", e.Limit)
	}
	return fmt.Sprintf("soft time limit of %v exceeded: %s", e.Limit, errorText(e.Err))
}

// Unwrap returns Err.
func (e *TimeoutError) Unwrap() error { return e.Err }

// Is reports whether target is context.DeadlineExceeded.
func (e *TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// EncodeError says that a value could not be encoded: an argument (Side "parent") or a result (Side "worker").
type EncodeError struct {
	Side string // "parent" or "worker"
	Type string // the Go type of the value
	Err  error
}

// Error says which value could not be encoded, and why.
func (e *EncodeError) Error() string {
	return fmt.Sprintf("%s of type %s cannot be encoded in the %s: %s", valueOf(e.Side, "parent"), e.Type, e.Side, errorText(e.Err))
}

// Unwrap returns Err.
func (e *EncodeError) Unwrap() error { return e.Err }

// DecodeError says that a value could not be decoded: an argument (Side "worker") or a result (Side "parent").
type DecodeError struct {
	Side string // "parent" or "worker"
	Type string // the Go type that was wanted
	Err  error
}

// Error says which value could not be decoded, and why.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("%s cannot be decoded as %s in the %s: %s", valueOf(e.Side, "worker"), e.Type, e.Side, errorText(e.Err))
}

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }

func valueOf(side, argumentSide string) string {
	if side == argumentSide {
		return "argument"
	}
	return "result"
}

// Errors is what Map returns when items failed: one *TaskError for each, in the order of their indexes.
type Errors []*TaskError

// Error shows the first three.
func (e Errors) Error() string {
	lines := make([]string, 0, shownErrors+1)
	for i, err := range e {
		if i == shownErrors {
			lines = append(lines, fmt.Sprintf("and %d more", len(e)-shownErrors))
			break
		}
		lines = append(lines, err.Error())
	}
	return clip(strings.Join(lines, "\n"))
}

// Unwrap returns the errors.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, err := range e {
		all[i] = err
	}
	return all
}

// StartError says why a worker never got ready.
type StartError struct {
	Stage  string // "main", "spawn", "hello", "version" or "init"
	Path   string // the program that was started
	Stdout []byte // the first of what it wrote where the protocol belongs
	Stderr []byte // the last of what it wrote to standard error
	Err    error
}

const pasteMain = `

	func main() {
		worker.Main() // first line of main: serves in a worker, returns elsewhere
		...
	}

	func TestMain(m *testing.M) {
		worker.Main() // likewise, for test binaries that use a pool
		os.Exit(m.Run())
	}
`

// Error says at which stage the start failed, why, and what the process printed.
func (e *StartError) Error() string {
	var b strings.Builder
	if e.Stage == "main" {
		fmt.Fprintf(&b, "procpool: %v: no worker was started, because it would run this program's main again. Paste:%s", e.Err, pasteMain)
		return b.String()
	}
	fmt.Fprintf(&b, "procpool: start of a worker failed (%s): %s: %s", e.Stage, e.Path, errorText(e.Err))
	show(&b, "stdout", e.Stdout[:min(len(e.Stdout), 256)]) // where the first bytes say most
	show(&b, "stderr", e.Stderr[max(0, len(e.Stderr)-1024):])
	return clip(b.String())
}

func show(b *strings.Builder, name string, text []byte) {
	if text = bytes.TrimSpace(text); len(text) > 0 {
		fmt.Fprintf(b, "\n%s: %q", name, text)
	}
}

// Unwrap returns Err.
func (e *StartError) Unwrap() error { return e.Err }

// LowLimitError says that WithMemoryLimit leaves a worker no room for tasks. New returns it within a StartError. All figures are bytes.
type LowLimitError struct {
	Limit int64 // what WithMemoryLimit was given
	Used  int64 // what a worker has that is ready and has run nothing
	Least int64 // the lowest limit that is accepted: Used and some room for a task
}

// Error names the option, the figures and what to do.
func (e *LowLimitError) Error() string {
	return fmt.Sprintf("WithMemoryLimit(%d) is too low: a ready worker uses %s (%d bytes), and tasks need %s more; want at least %d",
		e.Limit, mebibytes(e.Used), e.Used, mebibytes(e.Least-e.Used), e.Least)
}

// brokenError is ErrBroken with the failure that broke the pool.
func brokenError(cause error) error {
	if cause == nil {
		return ErrBroken
	}
	return fmt.Errorf("%w: %w", ErrBroken, cause)
}

// causeOf returns why ctx ended: its error, joined with its cause where that differs.
func causeOf(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || errors.Is(err, cause) {
		return err
	}
	return errors.Join(err, cause)
}

func errorText(err error) string {
	if err == nil {
		return "unknown error"
	}
	return err.Error()
}

func clip(text string) string {
	const mark = " [cut]"
	if len(text) <= maxErrorText {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorText-len(mark)], "") + mark
}

// headline returns the line of a stderr tail that says most: the Go runtime's first, if it crashed, else the last.
func headline(stderr []byte) string {
	text := stderr
	if at := crashAt(stderr); at >= 0 {
		text, _, _ = bytes.Cut(stderr[at:], []byte("\n"))
	} else {
		text = bytes.TrimSpace(text)
		text = text[bytes.LastIndexByte(text, '\n')+1:]
	}
	return printableLine(string(text[:min(len(text), 512)]))
}

var crashMarks = [][]byte{[]byte("panic: "), []byte("fatal error: "), []byte("SIGSEGV: "), []byte("SIGBUS: "), []byte("SIGABRT: "), []byte("SIGQUIT: "), []byte("runtime: goroutine stack exceeds ")}

// crashMarkSize is the length of the longest of crashMarks.
const crashMarkSize = len("runtime: goroutine stack exceeds ")

// crashAt returns where the Go runtime's crash report begins in text, -1 if nowhere.
func crashAt(text []byte) int {
	first := -1
	for _, mark := range crashMarks {
		at := bytes.Index(text, mark)
		if at > 0 && text[at-1] != '\n' {
			at = lineIndex(text, mark)
		}
		if at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	return first
}

// lineIndex returns where mark stands at the beginning of a line.
func lineIndex(text, mark []byte) int {
	if at := bytes.Index(text, append([]byte{'\n'}, mark...)); at >= 0 {
		return at + 1
	}
	return -1
}

// printableLine escapes what could drive a terminal.
func printableLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(s, "."))
}

func (e *ExitError) possiblyOutOfMemory() bool {
	return e.Reason == ReasonSignal && isKill(e.Signal) && e.Err == nil
}

// wireFailure turns a failed result item into the error that its outcome stands for.
func wireFailure(outcome wire.Outcome, value []byte, argType, resultType string) error {
	if outcome == wire.Panicked {
		text, stack := wire.ParsePanic(value)
		return &PanicError{Value: text, Stack: stack}
	}
	parsed, err := remote.Parse(value)
	if err != nil {
		parsed = &remote.Error{Message: "an error that cannot be read: " + err.Error()}
	}
	reason := newRemoteError(parsed)
	switch outcome {
	case wire.Unencodable:
		return &EncodeError{Side: "worker", Type: resultType, Err: reason}
	case wire.Undecodable:
		return &DecodeError{Side: "worker", Type: argType, Err: reason}
	case wire.Unknown:
		return fmt.Errorf("%w: %s", ErrNotRegistered, parsed.Message)
	default:
		return reason
	}
}
