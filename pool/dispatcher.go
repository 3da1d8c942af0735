package pool

import "sync"

// dispatcher calls f with what it is sent: in order, one at a time, on a goroutine of its own that exists only while there is something to do.
// send never waits, since its callers hold up results.
type dispatcher[T any] struct {
	f     func(T)
	limit int         // 0: unbounded; else the oldest that waits is dropped for the newest
	most  int         // likewise, the sum of what size says
	size  func(T) int // nil where there is no such bound

	mu      sync.Mutex
	queue   []T
	bytes   int
	running bool
	ended   bool
	dropped int64
}

func newDispatcher[T any](f func(T)) *dispatcher[T] {
	return &dispatcher[T]{f: f}
}

// send queues v; false if the dispatcher was closed.
func (d *dispatcher[T]) send(v T) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return false
	}
	d.bytes += d.sizeOf(v)
	for d.limit > 0 && len(d.queue) > 0 && (len(d.queue) >= d.limit || d.bytes > d.most) {
		d.takeLocked()
		d.dropped++
	}
	d.queue = append(d.queue, v)
	if !d.running {
		d.running = true
		go d.run()
	}
	return true
}

// run calls f until nothing is queued. A callback that ends its goroutine gets the next one a new goroutine.
func (d *dispatcher[T]) run() {
	finished := false
	defer func() {
		if !finished {
			go d.run()
		}
	}()
	d.mu.Lock()
	for len(d.queue) > 0 {
		v := d.takeLocked()
		d.mu.Unlock()
		d.f(v)
		d.mu.Lock()
	}
	d.running = false
	finished = true
	d.mu.Unlock()
}

func (d *dispatcher[T]) takeLocked() T {
	v := d.queue[0]
	d.queue = d.queue[1:]
	d.bytes -= d.sizeOf(v)
	return v
}

func (d *dispatcher[T]) sizeOf(v T) int {
	if d.size == nil {
		return 0
	}
	return d.size(v)
}

// close makes send fail. What is queued is still called: the one who closes may be in a call itself, so nobody waits for it.
func (d *dispatcher[T]) close() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
}

// lost returns how many were dropped.
func (d *dispatcher[T]) lost() int64 {
	if d == nil {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dropped
}
