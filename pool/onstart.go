package pool

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/procpool/procpool/internal/attach"
	"github.com/procpool/procpool/internal/boot"
)

// WithOnStart sets a function that New calls when the workers are ready, as its last step: its error is New's, and the pool is closed then, as it is where start
// panics. The function that it returns, if any, is called once when the pool has ended, by Shutdown, Close or the collector, when no worker is left; they wait for
// it, a second if it takes long.
//
// WithOnStart may be given more than once: the functions are called in the order of the options until one fails, and what they returned in the opposite one. A Pool
// that is to be collected when its users drop it must not be held by what start begins: keep a weak.Pointer.
func WithOnStart(start func(*Pool) (stop func(), err error)) Option {
	return option("WithOnStart", func(c *config) {
		if start == nil {
			c.complaint = append(c.complaint, fmt.Errorf("procpool: WithOnStart(nil): want a function"))
			return
		}
		c.onStart = append(c.onStart, start)
	})
}

// stopTime is how long a pool that ends waits for all that WithOnStart's functions have returned.
const stopTime = time.Second

// stops is what is to be called when the pool has ended.
type stops struct {
	mu    sync.Mutex
	list  []func()
	ended bool
}

// add has stop called when the pool ends, or now if it has.
func (s *stops) add(c *core, stop func()) {
	if stop == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		go c.guard("the stop function of WithOnStart", stop)
		return
	}
	s.list = append(s.list, stop)
}

// call calls what was added, the last first, and waits for it as long as stopTime. What is not done then goes on.
func (s *stops) call(c *core) {
	s.mu.Lock()
	list := s.list
	s.list, s.ended = nil, true
	s.mu.Unlock()
	if len(list) == 0 {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, stop := range slices.Backward(list) {
			var apart sync.WaitGroup // it may end its goroutine
			apart.Go(func() { c.guard("the stop function of WithOnStart", stop) })
			apart.Wait()
		}
	}()
	select {
	case <-done:
	case <-time.After(stopTime):
		c.log.Warn("a stop function of WithOnStart takes long; the pool ends without waiting for it", "waited", stopTime)
	}
}

// begin tells everybody who wants to know that the pool has begun. Whatever fails, the pool is closed.
func (c *core) begin(p *Pool) error {
	begun := false
	defer func() {
		if !begun { // or start has ended its goroutine, which is New's
			c.close()
		}
	}()
	if boot.Depth() == 0 {
		for _, start := range attach.OnNew {
			if err := c.beginOne(func() (func(), error) { return start(p) }); err != nil {
				return err
			}
		}
	}
	for _, start := range c.cfg.onStart {
		if err := c.beginOne(func() (func(), error) { return start(p) }); err != nil {
			return err
		}
	}
	begun = true
	return nil
}

func (c *core) beginOne(start func() (stop func(), err error)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("procpool: a function of WithOnStart panicked: %v", v)
		}
	}()
	stop, err := start()
	c.stops.add(c, stop) // also that of one that failed
	return err
}
