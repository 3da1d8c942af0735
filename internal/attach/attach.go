// Package attach lets a package that a program merely imports see every pool that the program makes: pool/monitor, where the environment asks for
// it. The core knows of nobody who does, and costs nothing where nobody does.
package attach

// OnNew are called by pool.New, in this order, when the workers are ready and before the functions of pool.WithOnStart, which they are otherwise like: an error is
// New's and closes the pool; stop, if any, is called once when the pool has ended. pool is the *pool.Pool. Who keeps it keeps it from being collected: keep a
// weak.Pointer.
//
// A function is added by an init, before any pool can be, and never taken away. None is called for the pools of a worker, whose environment is its parent's.
var OnNew []func(pool any) (stop func(), err error)
