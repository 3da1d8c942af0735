package tracing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/procpool/procpool/pool"
)

// The attributes, as the table in doc.go explains them. The first ones are semantic conventions of OpenTelemetry.
const (
	keyFunction   = attribute.Key("code.function.name")
	keyPID        = attribute.Key("process.pid")
	keyErrorType  = attribute.Key("error.type")
	keyException  = attribute.Key("exception.type")
	keyMessage    = attribute.Key("exception.message")
	keyStacktrace = attribute.Key("exception.stacktrace")

	keyAPI     = attribute.Key("procpool.api")
	keyPool    = attribute.Key("procpool.pool.name")
	keyOutcome = attribute.Key("procpool.outcome")
	keySlot    = attribute.Key("procpool.slot")
	keyAttempt = attribute.Key("procpool.attempt")

	keyQueued   = attribute.Key("procpool.time.queued")
	keyRun      = attribute.Key("procpool.time.run")
	keyCPU      = attribute.Key("procpool.time.cpu")
	keyTransfer = attribute.Key("procpool.time.transfer")

	keyArgSize    = attribute.Key("procpool.argument.size")
	keyResultSize = attribute.Key("procpool.result.size")

	keyJobTasks   = attribute.Key("procpool.job.tasks")
	keyJobDone    = attribute.Key("procpool.job.done")
	keyJobFailed  = attribute.Key("procpool.job.failed")
	keyJobBatches = attribute.Key("procpool.job.batches")
	keyJobLeftOut = attribute.Key("procpool.job.batches_left_out")

	keyBatchFirst  = attribute.Key("procpool.batch.first")
	keyBatchTasks  = attribute.Key("procpool.batch.tasks")
	keyBatchFailed = attribute.Key("procpool.batch.failed")

	keyExitReason = attribute.Key("procpool.exit.reason")
	keyExitCode   = attribute.Key("procpool.exit.code")
	keyExitSignal = attribute.Key("procpool.exit.signal")

	keyDropped = attribute.Key("procpool.carrier.dropped")

	eventException = "exception"
)

// The values of procpool.outcome.
const (
	outcomeOK        = "ok"
	outcomeFailed    = "failed"
	outcomePanicked  = "panicked"
	outcomeDied      = "died"
	outcomeTimeout   = "timeout"
	outcomeCoding    = "coding"
	outcomeCancelled = "cancelled"
	outcomeClosed    = "closed"
	outcomeBroken    = "broken"
	outcomeRefused   = "refused"
	outcomeLeft      = "left"
)

const (
	maxText  = 4 << 10  // of a message
	maxStack = 16 << 10 // of a stack
)

// beginning is what is known of a job when it begins.
func beginning(info *pool.JobInfo) []attribute.KeyValue {
	all := []attribute.KeyValue{keyFunction.String(info.Func), keyAPI.String(info.API)}
	if info.Pool != "" {
		all = append(all, keyPool.String(info.Pool))
	}
	if info.Tasks >= 0 {
		all = append(all, keyJobTasks.Int(info.Tasks))
	}
	return all
}

// manyAttributes is room for those of a call or a batch.
const manyAttributes = 12

// working appends what is known of tasks that a worker had.
func working(all []attribute.KeyValue, b *pool.BatchInfo) []attribute.KeyValue {
	return append(all,
		keySlot.Int(b.Slot), keyPID.Int(b.PID), keyAttempt.Int(b.Attempt),
		keyArgSize.Int(b.ArgBytes), keyResultSize.Int(b.ResultBytes))
}

// times is where the time of a call or batch went.
type times struct {
	queued, run, cpu, transfer time.Duration
	all                        bool // queued and transfer are known
}

// spent is where the time of a call went. What Timed has measured is more exact.
func spent(b *pool.BatchInfo, start time.Time, timing *pool.Timing) times {
	t := times{queued: b.Began.Sub(start), run: b.Exec, cpu: b.CPU, all: true}
	t.transfer = b.Ended.Sub(b.Began) - t.run
	if timing != nil && timing.Exec > 0 {
		t.queued, t.run, t.cpu = timing.EncodeArg+timing.Queued, timing.Exec, timing.CPU
		t.transfer = timing.Total() - t.queued - t.run
	}
	return t
}

// append appends what is known. A worker that died tells no times.
func (t times) append(all []attribute.KeyValue) []attribute.KeyValue {
	if t.all {
		all = append(all, keyQueued.Float64(max(t.queued, 0).Seconds()))
	}
	if t.run > 0 {
		all = append(all, keyRun.Float64(t.run.Seconds()))
	}
	if t.run > 0 && t.all {
		all = append(all, keyTransfer.Float64(max(t.transfer, 0).Seconds()))
	}
	if t.cpu > 0 {
		all = append(all, keyCPU.Float64(t.cpu.Seconds()))
	}
	return all
}

// fail says on a span what went wrong.
func fail(span trace.Span, err error, at ...trace.EventOption) {
	span.AddEvent(eventException, append(at, trace.WithAttributes(exception(err)...))...)
	span.SetAttributes(keyErrorType.String(typeOf(reason(err))))
	span.SetStatus(codes.Error, clip(err.Error(), maxText))
}

// exception describes an error, as the semantic conventions have it, and the end of a process where that was it.
func exception(err error) []attribute.KeyValue {
	all := []attribute.KeyValue{keyException.String(typeOf(reason(err))), keyMessage.String(clip(err.Error(), maxText))}
	stack := ""
	if e, ok := errors.AsType[*pool.PanicError](err); ok {
		stack = e.Stack
	} else if e, ok := errors.AsType[*pool.TimeoutError](err); ok {
		stack = e.Stack
	}
	if stack != "" {
		all = append(all, keyStacktrace.String(clip(stack, maxStack)))
	}
	if e, ok := errors.AsType[*pool.ExitError](err); ok {
		all = append(all, keyExitReason.String(string(e.Reason)), keyExitCode.Int(e.Code))
		if e.Signal != nil {
			all = append(all, keyExitSignal.String(e.Signal.String()))
		}
	}
	return all
}

// reason returns what an error is at heart: why the job ended before its time or, where it did not, what happened to the first task that failed.
func reason(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			if _, ofTask := errors.AsType[*pool.TaskError](one); !ofTask {
				return one
			}
		}
	}
	if task, ok := errors.AsType[*pool.TaskError](err); ok && task.Err != nil {
		return task.Err
	}
	return err
}

// sentinels are errors that have names.
var sentinels = []struct {
	err           error
	name, outcome string
}{
	{pool.ErrClosed, "pool.ErrClosed", outcomeClosed},
	{pool.ErrBroken, "pool.ErrBroken", outcomeBroken},
	{pool.ErrQueueFull, "pool.ErrQueueFull", outcomeRefused},
	{pool.ErrNotRegistered, "pool.ErrNotRegistered", outcomeRefused},
	{context.DeadlineExceeded, "context.DeadlineExceeded", outcomeCancelled},
	{context.Canceled, "context.Canceled", outcomeCancelled},
}

// outcome says how a job ended.
func outcome(err error, left bool) string {
	switch e := reason(err).(type) {
	case nil:
		if left {
			return outcomeLeft
		}
		return outcomeOK
	case *pool.RemoteError:
		return outcomeFailed
	case *pool.PanicError:
		return outcomePanicked
	case *pool.ExitError:
		return outcomeDied
	case *pool.TimeoutError:
		return outcomeTimeout
	case *pool.EncodeError, *pool.DecodeError:
		return outcomeCoding
	default:
		for _, s := range sentinels {
			if errors.Is(e, s.err) {
				return s.outcome
			}
		}
		return outcomeRefused
	}
}

// typeOf names the kind of an error: there are few of them.
func typeOf(err error) string {
	switch e := err.(type) {
	case *pool.RemoteError:
		if e.Type != "" {
			return e.Type
		}
	case *pool.PanicError, *pool.ExitError, *pool.TimeoutError, *pool.EncodeError, *pool.DecodeError:
	default:
		for _, s := range sentinels {
			if errors.Is(e, s.err) {
				return s.name
			}
		}
	}
	return fmt.Sprintf("%T", err)
}

func clip(text string, most int) string {
	const mark = " [cut]"
	if len(text) <= most {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	return strings.ToValidUTF8(text[:most-len(mark)], "\uFFFD") + mark
}
