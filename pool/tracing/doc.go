// Package tracing hands what a pool does to OpenTelemetry as spans, and carries the context into the workers, so that what a task does there belongs to
// the same trace:
//
//	p, err := pool.New(ctx, pool.WithTracer(tracing.New()))
//
// Package pool does not import it, and a program without it links nothing of OpenTelemetry. It needs the API alone; which SDK and which exporter
// make something of the spans is the program's choice.
//
// # Spans in the parent
//
// Each Call and Go is a span from when it is called until it returns, or its Future is about to be done. Each Map, GoMap, Stream, StreamUnordered,
// Results and Broadcast is a span until it returns or its consumer has left or come to the end, and its batches are spans below it: from
// when one was sent to a worker until the last of its tasks was answered. A batch is what travelled in one frame: a task alone where tasks take
// long, hundreds where they are tiny. No more than 256 of a job have spans, and 256 more of those that failed (WithMaxBatches); the others are counted.
//
// The spans are called after the API and the function, as "Call resize", and "batch resize". A span whose job or batch has failed has the status Error,
// the attribute error.type and an event "exception"; the end of a process says there why it ended. An attempt that was followed by another is an event
// of its Call, and a batch of its Map or Stream. Where single items of a Stream have failed the job has not: their batches say so.
//
// The provider's sampler decides. What it leaves out costs a call the start of a span and no more: its context travels all the same, so that
// workers leave out theirs, and baggage does too.
//
//	attribute                    of            value
//	code.function.name           job, batch    the name under which the function is registered
//	process.pid                  call, batch   of the worker
//	error.type                   job, batch    the type of the error: the function's own, *pool.ExitError, pool.ErrClosed ...
//	exception.type               exception     likewise
//	exception.message            exception     at most 4 KiB
//	exception.stacktrace         exception     of a panic, or of a task at its hard time limit; at most 16 KiB
//	procpool.api                 job           Call, Go, Map, GoMap, Stream, StreamUnordered, Results or Broadcast
//	procpool.pool.name           job           what pool.WithName says
//	procpool.outcome             job           see below
//	procpool.slot                call, batch   the worker's place in the pool
//	procpool.attempt             call, batch   from 1
//	procpool.time.queued         call          seconds until the task was sent to a worker, all attempts before it included
//	procpool.time.run            call, batch   seconds in the worker, of all tasks together: decoding, function, encoding
//	procpool.time.cpu            call, batch   seconds of the worker process meanwhile, where they were measured
//	procpool.time.transfer       call          seconds that were neither
//	procpool.argument.size       call, batch   bytes of encoded arguments
//	procpool.result.size         call, batch   bytes of encoded results
//	procpool.job.tasks           job           how many there are to be, where that is known
//	procpool.job.done            job           tasks that have come to an end, as far as the consumer took them
//	procpool.job.failed          job           of these
//	procpool.job.batches         job           all of them
//	procpool.job.batches_left_out job          those that have no span
//	procpool.batch.first         batch         index of the first task
//	procpool.batch.tasks         batch         how many were begun
//	procpool.batch.failed        batch         of these
//	procpool.exit.reason         exception     why the process ended: a pool.ExitReason
//	procpool.exit.code           exception     its exit status, -1 where a signal ended it
//	procpool.exit.signal         exception     that signal
//	procpool.carrier.dropped     job           names of what was too long to travel: baggage
//
// A call is a job, of Call or Go. The outcome is one of
//
//	ok         everything asked for was answered; single items of a Stream may have failed
//	failed     the function returned an error; of a Map, the first that failed did, and so on
//	panicked   it panicked
//	died       its process did
//	timeout    it was over a time limit
//	coding     an argument or a result could not be encoded or decoded
//	cancelled  the context ended, or Future.Cancel was called
//	closed     the pool was
//	broken     the pool could not start workers
//	refused    the call was wrong, or the queue full
//	left       the consumer of a Stream left before its end
//
// # Spans in the workers
//
// Context gives a task's context the parent's span. It is that of the call or job, and the spans of the batches are siblings of what the tasks do: when a
// batch begins it is not known how far it will come.
//
//	ctx, span := otel.Tracer("images").Start(tracing.Context(ctx), "decode")
//	defer span.End()
//
// A worker is a process of its own and exports its spans itself, through a provider that an initializer sets up (pool.WithInitializer) and a finalizer flushes
// (pool.WithFinalizer), as the example shows. A worker that crashes, is killed or is ended by Pool.Close loses the spans that it has not exported: a span that
// has not ended is lost in any case, the last seconds of a batching processor are. Where that matters call ForceFlush at the end of a task, or take a
// simple processor; both wait for the exporter. The span in the parent is there whatever happens to the worker.
//
// What travels is the headers traceparent, tracestate and baggage, at most 8 KiB, once in a frame. Workers that are other programs (pool.WithCommand) find
// them in the head of the frame: see package wire.
//
// # What it costs
//
// See BenchmarkTracing. A call whose span is recorded cannot share its frame with others, so many small Go calls take several times as long as without; Map
// and Stream are made for that, and have one span and one context for all of their tasks.
package tracing
