// Soak keeps pools under load, lets everything happen to their workers that can, and checks that the outcomes are the
// inputs, each exactly once: no task is lost in silence, none is answered or run twice, every failure is one that its
// fault explains, and nothing is left over.
//
//	go run ./internal/soak [-for 20m] [-seed n] [-from epoch] [-v]
//	go run ./internal/soak -kills 500 [-seed n]
//
// Everything is drawn from the seed: the options of the pools, what is submitted in which way, what the tasks do to their
// processes, and what happens to these from outside. The moments at which things meet are the machine's own. What went wrong
// is reported with the options of the pool and the command that draws the same again.
//
// The run is a row of epochs. In an epoch a few pools are alive at once, each replaced by another every few seconds; at its
// end all are gone, and so must be their processes, descriptors, goroutines and memory.
//
// # The books
//
// Every task has an id and a page in the book of its pool (book.go): which fault it carries, what may come of it, what came.
// Every execution appends a line to the pool's ledger (ledger.go), a file, when it starts and when it ends, and that is the
// proof of what ran. The kinds of faults that tasks carry, with what may come of them, are in kinds.go; what happens from outside is in
// accidents.go. An outcome that a task's own fault does not explain, such as a death by SIGKILL, must be explained by an
// accident: there may be no more of them than accidents.
//
// What is nothing but bytes (bytes.go) is sent from the caller's memory, who writes to it as soon as he may: a task that sees that says so in the ledger. Calls
// that follow each other closely, and shared memory (shared.go), have no faults of their own; accidents find them as any other.
//
// With -kills n nothing happens but that a worker is killed, n times, at a random instant in a batch of tiny tasks (kills.go). Each
// kill must cost the running task and no other.
package main
