// Package pool runs registered functions in a pool of worker processes: Python's multiprocessing.Pool for Go. The
// parent starts its own binary again as N workers, sends msgpack-encoded tasks over their standard input, reads results
// from their standard output, and hands them back in order or as they finish.
//
// A worker that crashes, exits, or is killed costs the task that was running in it, with an error that says how it
// ended. Its neighbours in the same batch are unharmed, the worker is replaced, and the pool goes on.
//
//	|============================== parent process =============================|== worker process 1..n ==|
//
//	  caller            Pool               slot #2                             reading       execLoop
//	+---------+      +---------+      +--------------------+              +-----------+   +----------+
//	| arg A   | enc  | queue   | take | outbox             |  Tasks frame | tasks     |   | invoke   |
//	| Call/Go |=====>| 9: batch|=====>| in flight          |==== stdin ==>| 8: bytes  |==>| dec A    |
//	| Map     |      | 8: batch|      |  7: batch          |              +-----------+   | fn(ctx,A)|
//	| Stream  |      +---------+      |                    |                              | enc R    |
//	| value R | dec                   | recv               | Results frame                |          |
//	|         |<======================|  7: bytes | error  |<=== stdout ==================|          |
//	+---------+                       | status page  <- - -|- - shared memory - - claim, running: 7   |
//	                                  | watch: exit state  |<--- exit --------------------|          |
//	                                  | stdout, stderr     |<--- two pipes ---------------| user text|
//	                                  +--------------------+                              +----------+
//
// # Using it
//
// Register functions with package worker, call worker.Main first thing in main and in TestMain, and make a Pool with
// New. Then:
//
//   - Call runs one task and waits; Go returns a Future.
//   - Map runs a slice and returns a slice; GoMap returns a Future of it.
//   - Stream, StreamUnordered and Results run a sequence, lazily and within a window.
//   - Broadcast runs a task once on every worker.
//
// Shutdown ends the pool when everything is done, Close ends it now. Stats counts, Workers says what is going on, Insights where the time went.
//
// A *TaskError speaks of one task: the function failed, panicked, or its process died; the pool lives. Every other
// error (the context's, ErrClosed, ErrBroken, ErrQueueFull) speaks of the call and comes bare.
//
// # How it works
//
// Below the typed files (typed.go, future.go, map.go, stream.go) a task is a name and bytes. Arguments are encoded in
// the goroutine of the caller (a Stream's in that of its feeder), results decoded in the goroutine that waits; order is
// restored there and nowhere else.
//
// Calls wait in a lane, the items of a Map or Stream in a job. Lanes and jobs are sources: they take turns in a queue,
// by priority, a batch each. How many tasks make a batch follows from the usual execution time of the function (speed.go). An
// idle worker takes from the queue; a busy one gets a little ahead. Where the queue is empty, an idle worker takes half of what a busy one
// has not begun, by a compare-and-swap in the status page (internal/shm); all of it from one that seems to run a long task, and from
// everybody when it has been idle for a millisecond (balance.go).
//
// A batch is in flight in one proc, one incarnation of a slot. The worker answers in order, so the proc's list of batches
// and the number of answers say which task every result belongs to. When a process has ended and its wire is read to the
// end, bury accounts for each task it had: answered, found in the ring of the status page, running and so lost, or not
// started and so put back at the head of its source.
//
// A task with a hard time limit is watched by one timer for each proc (limit.go): the worker writes the time into the
// page before it claims a task, so the timer looks rarely and is exact nevertheless. A task that is to be tried again
// (retry.go) goes back to the head of its source, with a higher attempt.
//
// A long []byte or string is lent: outbox.go writes it from the caller's memory, and whoever answers the call sees to it that nobody reads that any more.
//
// Two shortcuts make a single call cheap. A worker reads, runs and answers on one goroutine, and does not read while it runs a task unless it is
// nudged (internal/serve/seat.go). The answer to a short call is taken from the status page by the caller who waits for it, and does not go through the
// pipe (hear.go).
//
// Shared memory (Share, worker.NewBlob) travels by reference: share.go keeps what the pool has, and counts who needs it; carry.go what arguments
// refer to, until their task is answered; offer.go what came with results, until they are decoded. A worker asks for memory when a task first
// reads it; the descriptor comes by a socket beside the pipes (internal/blob).
//
// A tracer (WithTracer) is told of each job by the goroutine that the job belongs to: what becomes of its batches is noted under core.mu and waits there
// (trail.go).
//
// A worker can be looked into while it works (inspect.go): one request at a time is with it, in an Inspect frame that it hears at once; its answer comes in
// Findings, between whatever else it sends.
//
// Insights tells where the time went. What it tells is written down where the pool has its lock and has read the clock anyway: when a batch is given to a worker and when
// a frame of results has come (figures.go), in histograms of fixed size for each function (histogram.go), and in a ledger for each slot, in which every moment of a process is
// starting, initializing, working, waiting, idle or ending (ledger.go). While somebody observes the pool, by WithInsights or Observe, some batches are sent with the request to time each task,
// as Timed does, at a bounded rate (sample.go). Advice is drawn from all that by a table of rules (advice.go).
//
// # Goroutines
//
// Of a pool:
//
//	supervise   one a slot; New or Resize starts it; ends with the slot; Close and Shutdown wait. Starts processes, in turn, counts
//	            failed starts, waits out the backoff.
//	keepSpare   one a place of WithSpare; New starts it when the slots are ready; ends with the pool; Close and Shutdown wait. Starts a process,
//	            and another when a slot has taken it.
//	drain       started by the first Shutdown or Close; ends when every process has; they wait for it.
//	pulse       asks the processes for a sign of life and looks at their memory; ends with the pool; nobody waits.
//	sink.run    while there is output to write; ends when there is not; Close and Shutdown wait, a second if it is stuck.
//	dispatcher  while there are events for WithOnExit or WithOnReport; nobody waits, since the callback may be the caller.
//	stops.call  while the pool ends, if WithOnStart has begun anything; Close and Shutdown wait, a second if it is stuck.
//
// Of a proc:
//
//	recv        the reader; started when the worker has said hello; ends with the wire, buries the proc; drain waits.
//	outbox.run  writes what the pipe does not take at once; ends with the outbox.
//	watch       ends with the process; bounds the reading after it.
//	pump        two, for the text of the worker; end with its pipes; bury waits.
//	farewell    of a proc that leaves in good order; ends with the process.
//
// Of a call:
//
//	feed        reads the input of one ranging over a Stream; ends with the input, or when it next asks for more after
//	            the consumer has left.
//	GoMap's     runs the Map.
//	judge       asks RetryIf about a call, or the items of a frame, that failed; ends when it has answered. It asks on another goroutine, since RetryIf may end its own.
//	runHooks    calls the OnDone functions of one Future, if it has any, and tells its end to the tracer (trail.go).
//
// # Locks
//
// blobs.mu and a job's mu may be taken under core.mu; shared memory is given back without it.
//
// core.mu guards the queues, the slots and what procs have in flight; it is held for moments and never while something
// waits. Under it, a job's mu, an outbox's mu or a promise's mu may be taken, never the other way round. Frames are
// queued under core.mu, which gives their order, and written after it is released.
package pool
