// Package faults makes go wrong, on purpose, what can go wrong in a pool of
// processes, and checks what comes of it. It holds tests only.
//
// Each test is named after the rows of FAULTS.md that it proves, after the fault and
// after what must follow from it: TestRow003And071..., TestRow049To052...; package table
// runs them and writes FAULTS.md. A fault is
// never left to chance or to a sleep; one of these brings it about:
//
//   - an order: a registered function that does to its own process what it is
//     told (orders_test.go)
//   - a gate: a socket where tasks report and wait for their order, so that a test
//     knows who is where before it goes on (gate_test.go)
//   - a signal to a process id that the pool or a task gave away
//   - a puppet: a worker whose every byte on the wire the test writes
//     (puppet_test.go)
//   - a helper: another process that owns a pool, with limits of its own, so that
//     it can be killed, stopped or starved (helper_test.go)
//   - an error number in place of a started process (proc.StartHook)
//   - pipes of another size, for all tests of a run (leaktest.PipeVar)
//
// After every test the pool must have all its workers again, proven by tasks that
// meet; every answer must have come exactly once; and after Close no process,
// descriptor, thread or goroutine may be left (fixture_test.go).
package faults
