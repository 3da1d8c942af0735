// Package proc is the parent's side of one child process: start, pipes, kill, wait.
//
//	caller of Start        spawner thread              waiter goroutine
//	+--------------+       +------------------+        +---------------------------+
//	| make pipes   | work  | rules, niceness  |        | pidfd readable: it ended  |
//	| ask spawner  |======>| affinity         |        | SIGKILL to its group      |
//	| close theirs |<======| vfork, exec      |        | reap, close life pipe     |
//	| set limits   |       | restore affinity |        | close Exited              |
//	| start waiter |       +------------------+        +---------------------------+
//	+--------------+        never ends
//
// # Descriptors of a child
//
//	0  the wire, parent to child
//	1  the wire, child to parent
//	2  stderr
//	3  the life pipe's read end
//	4  the status page, where there is one     (own children only)
//	5  where the child's text on stdout goes   (own children only)
//
// The child's ends are blocking, as every program expects of its standard streams; the parent's ends are non-blocking and
// in the runtime's poller, so that deadlines work and Close ends a Read. The two ends of a pipe are different open file
// descriptions, so one does not disturb the other. Nothing else reaches a child: everything here is close-on-exec from
// birth, and what the parent itself inherited is marked so before the first start.
//
// # No orphans
//
// The life pipe is never written. Only the parent holds its write end, and its read end is armed (F_SETOWN of minus the
// process group, F_SETSIG SIGKILL, O_ASYNC): when the parent ends, in whatever way, the kernel closes the write end and
// kills the child's whole group, members that are stopped or busy included. An own child arms it itself, in package boot's
// init, and is covered by Pdeathsig until then. A foreign child cannot arm it, so the parent does, as soon as the group id
// is known: between its exec and that moment, about a millisecond, only the end of its stdin tells it that the parent is gone.
// It must not keep Pdeathsig on top: the leader would die first and take the armed descriptor along, and its own children
// would survive. The pipe of an own child with Rules is armed by the parent as well, instead of Pdeathsig (see spawn).
//
// Beyond its reach are grandchildren that left the group (setsid, setpgid), and those whose worker ends by itself in the very
// moment in which the parent does: an own worker's children do not hold the armed descriptor, and nobody is left to kill them.
//
// # Goroutines
//
// One spawner per distinct niceness (most programs have one), started by the first Start that needs it; it never ends, and
// says why in spawner_linux.go. A child with Rules is started by a goroutine and thread of its own, which end at once. One
// waiter per child, started by Start; it ends when the child has been reaped, and Exited is how others wait for it. Waiting
// holds no thread where the system has pidfd.
package proc
