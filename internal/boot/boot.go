// Package boot is the first thing that a worker process runs, and the environment marker that makes a process one.
//
// Its init arms the life pipe before any other package of the program gets a chance to hang, crash or start processes
// (boot imports next to nothing, so it is initialised early). Everything else waits until worker.Main calls Take, which
// moves the wire away from the descriptors that a task may use and removes the marker from the environment.
//
// In a process without the marker, and in one that runs with more rights than its user, the init does nothing.
package boot

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// current is written by init and only read afterwards.
var current struct {
	marker  Marker
	present bool
	problem error
}

func init() {
	if Elevated() {
		return
	}
	m, present, err := parse(os.LookupEnv)
	if !present {
		return
	}
	current.marker, current.present = m, true
	if err != nil {
		current.problem = strayMarker(err)
		return
	}
	armLife()
	if m.Slot < 0 {
		keepArgument()
	}
}

// strayMarker explains a marker that no pool can have set.
func strayMarker(reason error) error {
	return fmt.Errorf("procpool: this process is marked as a worker of a pool, but no pool can have started it: %w. "+
		"Worker processes are started by package pool only; to run this program by hand, unset %s", reason, envWorker)
}

// Elevated reports whether the process runs with more rights than the user who started it (set-user-ID, set-group-ID).
// Such a process does not believe the environment: it is never a worker, and so it cannot have workers either.
func Elevated() bool {
	return os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid()
}

// Current is the marker of this process, as it was when the process began. It reports true whenever the process is
// marked, also wrongly (see Problem): such a process must not go on as an ordinary one, where it might start workers without end.
func Current() (Marker, bool) { return current.marker, current.present }

// Problem explains why the marker cannot be a pool's, in words for the person who set it; nil for a good marker and
// for none. Take returns it too.
func Problem() error { return current.problem }

// Depth is 0 in an ordinary process, 1 in a worker, 2 in a worker's worker. It stays known after the variables are gone.
func Depth() int { return current.marker.Depth }

var mainCalled atomic.Bool

// MainCalled reports whether worker.Main has been called in this process, worker or not.
func MainCalled() bool { return mainCalled.Load() }

// SetMainCalled is called by worker.Main, first of all.
func SetMainCalled() { mainCalled.Store(true) }

// Files are the descriptors of a worker after Take. All are close-on-exec and numbered 10 or higher, where no
// task looks for them.
type Files struct {
	In   *os.File // what the parent writes
	Out  *os.File // what the parent reads
	Page *os.File // the status page; nil if there is none

	Blobs *os.File // the socket for descriptors, in blocking mode; nil if there is none
}

var taken atomic.Bool

var (
	errNoMarker = errors.New("procpool: this process is not marked as a worker")
	errTaken    = errors.New("procpool: the worker's descriptors have been taken already")
)

// Take turns this process into a worker as far as descriptors are concerned:
//
//   - the wire leaves descriptors 0 and 1, and what a task reads or prints there cannot disturb it: 0 becomes /dev/null, 1
//     a pipe to the parent of its own;
//   - every descriptor from 3 upwards is close-on-exec, so that nothing but 0, 1 and 2 reaches what a task starts.
//
// Settle does the rest, before the first task. It works once. An error means that this process cannot be a worker, and its text says why.
func Take() (Files, error) {
	switch {
	case !current.present:
		return Files{}, errNoMarker
	case current.problem != nil:
		return Files{}, current.problem
	case !taken.CompareAndSwap(false, true):
		return Files{}, errTaken
	}
	return takeFiles()
}

// Settle turns this process into a worker as far as environment and signals are concerned:
//
//   - the marker is removed from the environment and GOMAXPROCS is what the parent has, so that what a task starts is an
//     ordinary process;
//   - SIGINT does nothing: the parent decides what Ctrl-C means.
//
// It is apart from Take because it need not be done when the worker says hello: it takes as long as all of Take (a thread is started for the
// signal), and the parent can answer meanwhile.
func Settle() {
	restoreEnvironment()
	shrugOffInterrupt()
}

// restoreEnvironment makes the environment what it was before the parent prepared it for a worker.
func restoreEnvironment() {
	if current.marker.Procs > 0 {
		if original, had := os.LookupEnv(envProcs); had {
			os.Setenv(goMaxProcs, original)
		} else {
			os.Unsetenv(goMaxProcs)
		}
	}
	for _, name := range ownVariables {
		os.Unsetenv(name)
	}
}
