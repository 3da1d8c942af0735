// Package blob is memory that the processes of a pool share: sealed, so that nobody can change it, and without a name
// in any file system, so that it is gone with the last process that has it, however that ends.
//
//	Memory   one piece of it: a descriptor, mapped on first use
//	Handle   what a worker.Blob holds: a Source, until it is released
//	Link     the way of descriptors between a pool and one worker
//	Client   the worker's end: what it has fetched, what it passes on
//	Carrier  what the encoding of a value asks: both ends have one
//
// # Who says what
//
// A reference in an argument is a token, which nobody can guess, and a size. A worker that wants to see the memory asks for
// it by a Fetch frame and gets the descriptor by the link; it maps it once and keeps the mapping until the pool says
// Forget. So nothing has to be sent to a worker before it needs it, a worker that was started later gets it as well, and the pool
// never waits for a worker to take a descriptor.
//
// A reference in a result is an index into what the worker has offered with this result: for each piece it sends the
// descriptor by the link, then an Offer frame that names the task, then the result. The three keep their order, since
// frames do and the pool looks into the link when the frame comes.
//
// # Who owns what
//
// The pool counts for each piece those who need it: handles in the parent, tasks that carry it and are not answered, results that
// nobody has decoded yet. At zero it closes its descriptor and tells the workers that have it. A worker unmaps it when no task runs: what a
// task got stays readable until the task returns. Even then the addresses stay mapped, to zeros, until the collector
// knows that no handle is left, so that a goroutine that reads on behind its task's back does not kill the process.
package blob
