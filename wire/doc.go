// Package wire is the protocol that a procpool parent and its workers speak,
// and its specification. A worker in any language can be written from this
// page alone; testdata/worker.py in this repository is one.
//
// # Channels
//
// The parent starts the worker with the wire on descriptors 0 (parent to
// worker) and 1 (worker to parent), both pipes. Descriptor 2 is a pipe whose
// bytes the parent takes for text, line by line. A worker moves the wire away
// from 0 and 1 before it runs anything that might print or read: it duplicates
// them, opens /dev/null on 0 and makes 1 a copy of 2.
//
// The environment holds PROCPOOL_COOKIE (32 characters), PROCPOOL_SLOT,
// PROCPOOL_DEPTH and PROCPOOL_WORKER. A worker removes them all before it runs
// a task, so that its own children are not taken for workers. End of file on
// descriptor 0 means that the parent is gone: the worker exits at once, a
// running task or not.
//
// A worker of the same program also gets a Unix stream socket on descriptor 6, which carries descriptors of shared
// memory and nothing else: see Shared memory. Other workers need not know of it.
//
// # Order of events
//
//	parent                                   worker
//	  |  <------------------------- cookie     |   32 bytes, no frame
//	  |  <-------------------------- Hello     |   exactly one, first
//	  |  Welcome ------------------------->    |   exactly one, first
//	  |  Tasks id=1 n=3 ------------------>    |
//	  |  <-------- Results id=1 from=0 n=2     |   in the order of the tasks
//	  |  Tasks id=2 n=1 ------------------>    |   before 1 is answered: queued
//	  |  <-------- Results id=1 from=2 n=1     |
//	  |  <-------- Results id=2 from=0 n=1     |
//	  |  Stop ---------------------------->    |
//	  |  <------------------- end of file      |   exit status 0
//
// Bytes before the cookie, up to 64 KiB, are what the program printed before
// it spoke the protocol; the parent passes them on as text.
//
// # Frames
//
// Everything after the cookie is frames: a header of 32 bytes, then a payload.
// Integers in the header are unsigned and big-endian.
//
//	offset  bytes  field
//	     0      2  magic: 0xC1 0x70. 0xC1 begins no msgpack value and no UTF-8 text
//	     2      1  protocol version: 1
//	     3      1  kind, below
//	     4      4  count: the number of items in Tasks and Results, else 0
//	     8      8  id: of the batch that the frame speaks of, else 0
//	    16      8  length of the payload in bytes
//	    24      4  arg: an offset into the batch, by kind, else 0
//	    28      4  CRC-32 (IEEE) of the bytes 0 to 27
//
// Values are msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md).
// Where a payload is a map, keys are strings, unknown keys are ignored and
// absent ones mean the zero value. Where it is an array, elements after the
// ones named here are ignored.
//
// # Kinds
//
//	kind  name      from    id     arg     payload
//	   1  Hello     worker  0      0       map: see Hello
//	   2  Results   worker  batch  offset  array: see ResultsHead, then count result items
//	   3  Started   worker  batch  offset  empty: the task at offset begins now
//	   4  Recalled  worker  batch  limit   empty: tasks from limit on will not run
//	   5  Report    worker  batch  offset  one value: progress of the running task
//	   6  Log       worker  batch  offset  map: see Log
//	   7  Beat      worker  0      0       empty: the answer to Ping
//	   8  Bye       worker  0      0       empty: the worker leaves by itself, in good order
//	   9  Fetch     worker  0      keep    8 bytes: the token of shared memory that the worker wants to see
//	  10  Offer     worker  batch  offset  9 bytes: shared memory that the result of this task refers to
//	  11  Finding   worker  serial 0 to 2  bytes: see Inspection
//	  16  Welcome   parent  0      0       map: see Welcome
//	  17  Tasks     parent  batch  0       array: see TasksHead, then count task items
//	  18  Cancel    parent  batch  offset  empty: end the context of the task at offset
//	  19  Recall    parent  batch  offset  empty: do not start tasks from offset on
//	  20  Stop      parent  0      0       empty: end the running task's context, exit with status 0
//	  21  Ping      parent  0      0       empty: answer with Beat, also while a task runs
//	  22  Forget    parent  0      0       8 bytes: the token of shared memory that no task will refer to any more
//	  23  Slot      parent  0      slot    empty: the spare is the worker of this slot from now on
//	  24  Inspect   parent  serial 0 or 1  map: see Inspection; empty where arg is 1
//
// A batch id is unused before on this pipe and larger than every one before.
// At most MaxBatches batches are unanswered at a time; a worker that does not
// set "page" in its Hello holds at most one.
//
// # Spares
//
// A worker whose PROCPOOL_SLOT and Welcome name the slot -1 is a spare: it is
// started, greeted and runs the initializer like any other, then it waits until a
// process is needed. It is told its slot by Slot, once, before the first Tasks that
// are no initializer's or finalizer's, or it is told to stop. Only a worker that
// sets "spare" in its Hello is kept as one.
//
// # Inspection
//
// A worker that sets "inspect" in its Hello can be looked into while it works. Inspect with the arg 0 asks for something,
// "kind": a profile, by the name that it has in Go's package runtime/pprof ("cpu", "heap", ...), or "stacks", which is what
// all threads are doing, in words. "time" is how long the worker looks, in nanoseconds, where the kind is one that takes
// time. The worker reads and runs its tasks meanwhile.
//
// The answer is bytes, in Findings with the id of the Inspect, between which other frames may come. All but the last have
// the arg 0 and 1 MiB exactly, the last has the arg 1, and together they have at most 64 MiB. Where there is no answer, as
// to a kind that the worker does not know, the last has the arg 2 and says why, as text; what came before it is void.
//
// Ids of Inspects rise. At most one is unanswered. An Inspect with the same id and the arg 1 says that nobody waits for the
// answer any more: the worker cuts it short, and ends it as it likes. If it has ended already that is ignored.
//
// # Items
//
// A task item is the length of the encoded argument as a msgpack unsigned
// integer, then that many bytes: one msgpack value.
//
// A result item is an outcome (one byte, a msgpack positive fixint), the length
// of a value as a msgpack unsigned integer, then that many bytes: one msgpack
// value. If bit 0x10 of the outcome is set, five unsigned integers stand between
// outcome and length, all nanoseconds: see Times.
//
//	outcome  meaning                              value
//	      0  the function returned a value        the value
//	      1  the function returned an error       map: type, msg, is, as, data, causes
//	      2  the function panicked                map: value, stack
//	      3  the result could not be encoded      map: type, msg
//	      4  the argument could not be decoded    map: type, msg
//	      5  no function of that name             map: msg
//	      6  like 1, but after the soft limit     map: as for 1
//
// An error map may hold no more than "msg". "type" is the error's type in the
// worker's language, "is" a list of names of registered sentinels, "as" the name
// of a registered error type and "data" its msgpack value, "causes" a list of
// such maps: what the error wraps.
//
// Tasks of a batch run one after another, in order, and are answered in
// order: count items starting at the offset in arg, which is the number of
// items of that batch sent before. A worker without a page sends Started before
// each task and its Results after each task, so that a crash is blamed on the
// right one. A worker with a page collects results while more tasks wait, for
// a millisecond at the most.
//
// # Times
//
// Results begin with an array of what their tasks took together: wall time and, where it was measured, CPU time
// in nanoseconds. Where bit 0x01 of the flags in TasksHead is set the parent wants more, and a worker that can tells it.
//
// Each item then has bit 0x10 of its outcome set and holds
//
//	exec     wall time of the task: decoding, the function, encoding
//	cpu      CPU time of the process meanwhile
//	waiting  from when the batch was read whole until the task began
//	decode   the part of exec that was decoding the argument
//	encode   the part of exec that was encoding the result
//
// And a worker with a page, which has its clock in common with the parent, adds two readings of CLOCK_MONOTONIC to the
// array: when it had read the batch whole, and when it began to write this frame. With its own readings the parent then knows
// where all of a round trip went (pool.Timing). Whatever a worker says of times is for people to read: nothing is decided by
// them but the sizes of batches, and numbers that cannot be are cut to what can.
//
// # Time limits
//
// "soft" and "hard" in TasksHead count from the start of each task. At the soft limit the worker ends the
// context of the task; an error that the function returns after that is outcome 6. The hard limit is the parent's affair: it
// sends SIGQUIT, so that a worker can say where it is stuck, and kills it a quarter of a second later.
//
// # The status page
//
// A worker of the same program on the same machine may share a page of memory
// with its parent (package internal/shm describes it). Recall, Recalled and
// Started are then not sent: a compare-and-swap of the claim word says the same,
// exactly, even if the worker is stopped.
//
// # Structs by position
//
// Between processes of one program both sides know the Go types of a function. A struct in an argument is then an array of its
// fields in the order of their declaration, without their names, where the type tells the other side what it is: not under an
// interface and not in the hands of a method. Bit 0x10 of the flags in TasksHead says that the results may be written so. A
// worker that is another program never sees either: for it structs are maps, and the bit is never set. Whoever decodes a struct
// takes both forms; an array must have an element for each field, or none.
//
// # Shared memory
//
// Between processes of one program a value may refer to memory that both map (package internal/blob): a msgpack
// extension of 16 bytes, of type 112 for a Blob and 113 for a byte slice that is too long for the pipe. The first 8
// bytes name the memory, the others are its length; both big-endian. Other workers are never sent a reference: in its
// place stand the contents, as msgpack bin, and a Blob in a result is the same.
//
// In an argument the name is a token. The worker asks for the memory by Fetch, and the parent answers on the socket with
// one byte: 1, with the descriptor; 2, it is gone; 3, it cannot be sent. A worker asks one question at a time. The arg
// of Fetch is 1 if the worker will not keep the memory, else 0, and then Forget tells when it can let go of it.
//
// In a result the name is an index: the first Offer for that result is 0. For each the worker writes the byte 1 with the
// descriptor on the socket, then the Offer, and all of them before the Results. The payload of Offer is a byte, 1 for
// a byte slice and 0 for a Blob, and a token: of memory that came as an argument, in which case no descriptor is
// sent, or 0. A result has at most 1024 offers.
//
// Memory is a memfd that is sealed against writing, shrinking, growing and further seals, and has no holes. It does not
// count against Welcome's "max", but for byte slices of type 113, which the parent asks for by Welcome's "blob": those of so many bytes
// and more in results travel this way.
//
// # Cancel and Recall
//
// Cancel speaks of one task. If it is running its context ends and it is still
// answered; if it is answered already, or not yet running, Cancel is ignored.
// Recall is always answered by Recalled with the limit that holds: the offset asked
// for or, if the worker has started more, the number of tasks started. Results
// of a recalled batch end at its limit.
//
// # Faults
//
// Fatal: the one who sees it ends the conversation; the parent kills the worker,
// a worker exits with status 70.
//
//   - a wrong magic, version or header CRC, or an unknown kind
//   - a kind that the other side may not send, or not in this state: anything but
//     Hello first, a second Hello, Beat without Ping, anything but Log and Finding after Bye
//     while no batch is unanswered
//   - Finding for an Inspect that is not unanswered here, of another length or arg than those above, or beyond 64 MiB in
//     all; Inspect while another is unanswered, or that does not decode
//   - a payload longer than the limit: Welcome's "max" plus 64 KiB for Tasks and
//     Results of one item, 4 MiB for those of more, 1 MiB for all else. It is found
//     by the header alone, before anything is allocated
//   - Results for a batch that is not unanswered here, out of order, of more items
//     than the batch still lacks, or whose items do not fill the payload exactly
//   - Slot for a worker that has one
//   - a Hello or Welcome that does not decode, a cookie that does not match
//   - Fetch or Offer from a worker without the socket, or that do not decode; Offer for a task that is not unanswered,
//     without its descriptor, or with one that is not sealed memory; more than 1024 for a task or 8192 in all before their Results;
//     answers to Fetch that are not taken
//
// Answered, the conversation goes on: an argument or result that does not decode or
// encode (outcomes 3 and 4), a function that is not known (outcome 5).
//
// Discarded without a word: Report or Log whose value does not decode or whose batch
// is answered already; Cancel and Recall for a batch that is answered already.
//
// # One frame, byte by byte
//
// Tasks for batch 7: square(3) and square(300), being items 40 and 41 of their job,
// first attempt, no limits. testdata/tasks.golden holds these 52 bytes.
//
//	c1 70          magic
//	01             version 1
//	11             kind 17: Tasks
//	00 00 00 02    two tasks
//	00 00 00 00 00 00 00 07   batch 7
//	00 00 00 00 00 00 00 14   20 bytes of payload
//	00 00 00 00    arg
//	60 2c 32 4e    CRC-32 of the 28 bytes before
//	97             array of seven: TasksHead
//	a6 73 71 75 61 72 65      "square"
//	28             index 40 of the job is the first task here
//	01             attempt 1
//	00             flags
//	00 00 00       no soft limit, no hard limit, no deadline
//	01 03          one byte: the integer 3
//	03 cd 01 2c    three bytes: the integer 300
//
// The payload has 1+7+1+1+1+3 = 14 bytes of head and 2+4 of items: 20.
package wire
