package proc

import (
	"errors"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// A spawner runs functions on one thread of its own that never ends.
//
// The thread must not end because Pdeathsig is sent when the creating thread does, not the process: a child started from
// an ordinary goroutine dies when Go retires that goroutine's thread. It must not be the main thread either, which
// never ends anyway and so would hide a mistake, and on which a program may depend (graphics, for one).
//
// Niceness is a property of a thread, which children inherit. It has to be right before the exec: set from outside
// afterwards it would miss the threads that the child's runtime has already made. And it cannot be taken back on a thread,
// because lowering it again needs a privilege. Hence one spawner, and thread, for each distinct niceness; there are 40.
// Processor affinity can be put back by everybody, so it is set and restored around each start.
//
// The same holds for no_new_privs.
//
// Rules that confine cannot be taken back either, but children with such rules do not come from a spawner: each is started by a thread that
// ends afterwards. From one thread they would share a Landlock domain, inside of which signals and tracing are free; and
// their rules would be about the files that had the names when the first of them was started. It costs them Pdeathsig, see
// spawn.
type spawner struct {
	work chan func()
}

// spawnerKey tells apart the settings that cannot be undone on a thread.
type spawnerKey struct {
	noNewPrivs bool
	set        bool
	nice       int
}

var spawners struct {
	sync.Mutex
	m map[spawnerKey]*spawner
}

func spawnerFor(key spawnerKey) *spawner {
	spawners.Lock()
	defer spawners.Unlock()
	if s := spawners.m[key]; s != nil {
		return s
	}
	if spawners.m == nil {
		spawners.m = make(map[spawnerKey]*spawner)
	}
	s := &spawner{work: make(chan func())}
	spawners.m[key] = s
	ready := make(chan struct{})
	go s.start(ready)
	<-ready
	return s
}

// start finds a thread that is not the main one and stays on it.
func (s *spawner) start(ready chan<- struct{}) {
	apart(func() {
		close(ready)
		s.loop()
	})
}

// apart runs f locked to a thread that is not the main one. It is for a goroutine that returns afterwards: the thread ends
// with it.
func apart(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	// This is the main thread. Hold on to it until another goroutine has a thread, which must be another one then.
	there := make(chan struct{})
	go apart(func() {
		close(there)
		f()
	})
	<-there
	runtime.UnlockOSThread()
}

// loop is the spawner's goroutine. It ends with the process.
func (s *spawner) loop() {
	for f := range s.work {
		f()
	}
}

// do runs f on the spawner's thread and waits for it.
func (s *spawner) do(f func()) {
	done := make(chan struct{})
	s.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// onSpawner runs start on a thread that has the rules, niceness and affinity of spec.
func onSpawner(spec *Spec, path string, start func() error) (err error) {
	begin := func() {
		if err = spec.restrict(path); err != nil {
			return
		}
		if err = setNice(spec); err != nil {
			return
		}
		err = withAffinity(spec.CPUs, start)
	}
	if spec.Rules.Confines() {
		once(begin)
		return err
	}
	key := spawnerKey{noNewPrivs: spec.Rules.NoNewPrivs}
	if spec.SetNice {
		key.set, key.nice = true, spec.Nice
	}
	spawnerFor(key).do(begin)
	return err
}

// once runs f on a thread that ends afterwards.
func once(f func()) {
	done := make(chan struct{})
	go apart(func() {
		defer close(done)
		f()
	})
	<-done
}

// setNice is repeated for each child, since what was refused once may be allowed later (RLIMIT_NICE).
func setNice(spec *Spec) error {
	if !spec.SetNice {
		return nil
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, spec.Nice); err != nil {
		return stepError("nice", err)
	}
	return nil
}

var errNoCPU = errors.New("no such processor number")

// withAffinity runs f on the given processors and then returns to the thread's own.
func withAffinity(cpus []int, f func() error) error {
	if len(cpus) == 0 {
		return f()
	}
	var before unix.CPUSet
	wanted, err := cpuSet(cpus)
	if err != nil {
		return err
	}
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return stepError("affinity", err)
	}
	if err := unix.SchedSetaffinity(0, &wanted); err != nil {
		return stepError("affinity", err)
	}
	// Fails only if all processors of before are gone by now; then the kernel has already chosen for every thread.
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return f()
}
