package proc

import "golang.org/x/sys/unix"

// SpawnerThread starts a spawner on the calling goroutine, as the go statement might have placed it, and returns the
// thread that it ended up on.
func SpawnerThread() (tid int) {
	s := &spawner{work: make(chan func())}
	ready := make(chan struct{})
	s.start(ready)
	<-ready
	s.do(func() { tid = unix.Gettid() })
	return tid
}

// StartWithoutPidfd is Start on a system that has no pidfd.
func StartWithoutPidfd(spec Spec) (*Process, error) {
	path, err := spec.image()
	if err != nil {
		return nil, err
	}
	l, err := newLinks(spec.Own)
	if err != nil {
		return nil, err
	}
	p, err := spawn(&spec, path, l)
	l.closeTheirs()
	if err != nil {
		l.closeOurs()
		return nil, err
	}
	p.watch.close()
	p.watch = watch{}
	go p.wait()
	return p, nil
}
