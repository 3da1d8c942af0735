package pool

// Done returns a channel that is closed when the pool has ended, by Shutdown, Close or the collector: no process of it is left.
func (p *Pool) Done() <-chan struct{} { return p.core.ended }
