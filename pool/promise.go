package pool

import "sync"

// promise is something that is answered once. The answer itself is written by the owner as he claims it and only read after.
type promise struct {
	mu   sync.Mutex
	over bool
	done chan struct{} // made when somebody asks for it; closed when over and the callbacks have run
	more *followers    // nil until there are any
}

// followers is what is to be called when a promise is answered.
type followers struct {
	hooks []func() // to run on a goroutine of the pool before done is closed
	after []func() // to run when done is closed
}

// claim makes the caller the one who answers; false if somebody did.
func (p *promise) claim(write func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return false
	}
	write()
	p.over = true
	return true
}

// fulfil claims and announces at once; false if somebody has answered.
func (p *promise) fulfil(write func()) bool {
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return false
	}
	write()
	p.over = true
	p.announceLocked()
	return true
}

// answered reports whether somebody has answered.
func (p *promise) answered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// announce tells everybody who waits. The one who claimed calls it once. Callbacks run first, on a goroutine of their own: one that blocks
// for ever holds up its own promise and no other.
func (p *promise) announce() {
	p.mu.Lock()
	p.announceLocked()
}

func (p *promise) announceLocked() {
	if p.more == nil || len(p.more.hooks) == 0 {
		p.releaseLocked()
		return
	}
	p.mu.Unlock()
	go p.runHooks()
}

// runHooks runs the callbacks in order. One that ends its goroutine does not end the rest.
func (p *promise) runHooks() {
	finished := false
	defer func() {
		if !finished {
			go p.runHooks()
		}
	}()
	for {
		p.mu.Lock()
		if len(p.more.hooks) == 0 {
			finished = true
			p.releaseLocked()
			return
		}
		hook := p.more.hooks[0]
		p.more.hooks = p.more.hooks[1:]
		p.mu.Unlock()
		hook()
	}
}

// releaseLocked closes done, unlocks and runs what was to run after it.
func (p *promise) releaseLocked() {
	if p.done == nil {
		p.done = closed
	} else {
		close(p.done)
	}
	more := p.more
	p.more = nil
	p.mu.Unlock()
	if more != nil {
		for _, f := range more.after {
			f()
		}
	}
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// wait returns a channel that is closed when the promise is answered and its callbacks have run.
func (p *promise) wait() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done = make(chan struct{})
	}
	return p.done
}

// released reports whether the promise is answered and its callbacks have run.
func (p *promise) released() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.releasedLocked()
}

func (p *promise) releasedLocked() bool {
	if p.done == nil {
		return false
	}
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *promise) followersLocked() *followers {
	if p.more == nil {
		p.more = &followers{}
	}
	return p.more
}

// hook adds a callback; false if the promise is answered already and the callback has to be run by the caller.
func (p *promise) hook(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return false
	}
	m := p.followersLocked()
	m.hooks = append(m.hooks, f)
	return true
}

// then runs f when done is closed: now, in the caller, if it is.
func (p *promise) then(f func()) {
	p.mu.Lock()
	if p.releasedLocked() {
		p.mu.Unlock()
		f()
		return
	}
	m := p.followersLocked()
	m.after = append(m.after, f)
	p.mu.Unlock()
}
