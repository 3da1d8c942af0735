// Package conformance holds tests only. It asks of procpool what the test
// suites of Python's multiprocessing.Pool and concurrent.futures'
// ProcessPoolExecutor ask of theirs: 98 behaviours, numbered 1 to 97 and 35a.
// A test that covers one carries its number: TestC014StreamKeepsOrderAndEnds
// is behaviour 14. Each runs with worker processes and, where a process is not
// the point of it, with pool.WithInline as well, so that the two cannot drift
// apart.
//
// Where procpool promises more than Python, the tests hold it to its own
// promise: a killed worker costs one task and not the pool (69), an error
// belongs to an item and not to its chunk (17, 55), nothing is pulled from an
// input before the loop over the results begins (63), and New starts every
// worker, of which three calls in a row use one (76).
//
// # Left out
//
// Behaviours that Go has no such thing for:
//
//	11  an input that claims a length and fails on its first item:
//	    an iter.Seq claims no length, and a slice cannot fail
//	84  a thread that cannot be created: the pool has goroutines, and a runtime
//	    that gets no thread ends the program, with or without a pool
//	86  a system call that is forbidden while limits are probed: the number of
//	    workers is runtime.GOMAXPROCS, which asks nothing at that time
//
// # Left to the compiler
//
// Half of these behaviours is about types, and in Go the program does not
// build; the other half is tested:
//
//	36  a limit of 0.5 or "12" tasks per worker
//	39  an initializer that is not a function
//	59  a window of 2.0 or "foo"
//
// # Different by nature
//
//	1, 52  keyword arguments are the fields of a struct
//	9, 10  a slice cannot fail, an input of Stream can: pool.Checked, or a panic
//	24, 94 a scope is a deferred Close or Shutdown
//	25, 72 an error has no traceback in Go; a panic has, and brings it along
//	30     a scope entered late is any use of a pool that is closed
//	44     a Go program has no package, archive or compiled form to start from
//	88, 92 a Go program ends with main, which nothing waits after
package conformance
