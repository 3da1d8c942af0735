// Package worker is the child's half of a process pool, and the registry of functions that both
// halves share.
//
// A program that uses a pool registers its functions in package-level variables and calls Main first
// thing in main. The pool (package pool) starts the program again, as its own worker;
// there Main serves tasks and never returns:
//
//	var square = worker.Register("square", func(_ context.Context, n int) (int, error) {
//		return n * n, nil
//	})
//
//	func main() {
//		worker.Main() // serves and exits in a worker, returns elsewhere
//		p, err := pool.New(context.Background())
//		...
//		n, err := pool.Call(ctx, p, square, 12)
//	}
//
// A test binary is a program too: call Main first thing in TestMain. A library cannot call it for
// its users.
//
// # What to know about registered functions
//
// Both processes run the same binary, so the name means the same in both. But a worker is a new process: a closure
// sees what package initialisation left in its variables, not what the parent's main stored there
// later. A function registered after Main has been called does not exist in the workers and
// calls of it fail with pool.ErrNotRegistered.
//
// A function may do anything to its process: print, read standard input (which is
// empty), call os.Exit, crash. It costs the task that was running and no other.
//
// Its context ends when the caller's deadline passes or the call is cancelled; it carries no values of the caller's.
// Info, Logger, Report and Carrier take that context.
package worker
