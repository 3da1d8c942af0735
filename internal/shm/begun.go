package shm

// Begin says when the task that is claimed next begins. The worker calls it before Claim, for tasks with a hard time limit.
func (p *Page) Begin(at int64) { p.word(offBegun).Store(uint64(at)) }

// Begun returns when the running task began.
func (p *Page) Begun() int64 { return int64(p.word(offBegun).Load()) }
