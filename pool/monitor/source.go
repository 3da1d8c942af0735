package monitor

import (
	"context"
	"time"
	"weak"

	"github.com/procpool/procpool/pool"
)

// source is what is looked at: a pool, or a test's double. After alive was false everything else may be empty.
type source interface {
	alive() bool
	Done() <-chan struct{}
	Stats() pool.Stats
	Workers() []pool.WorkerInfo
	Insights() pool.Insights
	Observe() (stop func())
	Profile(ctx context.Context, slot int, kind string, d time.Duration) ([]byte, error)
	Goroutines(ctx context.Context, slot int) (string, error)
	KillWorker(slot, pid int) error
}

// lightly is a pool that is looked at without being held: a pool that its users drop is closed by the garbage collector, monitored or not.
type lightly struct {
	p    weak.Pointer[pool.Pool]
	done <-chan struct{}
}

func of(p *pool.Pool) lightly { return lightly{weak.Make(p), p.Done()} }

func (l lightly) alive() bool           { return l.p.Value() != nil }
func (l lightly) Done() <-chan struct{} { return l.done }

func (l lightly) Stats() pool.Stats {
	if p := l.p.Value(); p != nil {
		return p.Stats()
	}
	return pool.Stats{}
}

func (l lightly) Workers() []pool.WorkerInfo {
	if p := l.p.Value(); p != nil {
		return p.Workers()
	}
	return nil
}

func (l lightly) Insights() pool.Insights {
	if p := l.p.Value(); p != nil {
		return p.Insights()
	}
	return pool.Insights{}
}

func (l lightly) Observe() (stop func()) {
	if p := l.p.Value(); p != nil {
		return p.Observe()
	}
	return func() {}
}

func (l lightly) Profile(ctx context.Context, slot int, kind string, d time.Duration) ([]byte, error) {
	if p := l.p.Value(); p != nil {
		return p.Profile(ctx, slot, kind, d)
	}
	return nil, pool.ErrClosed
}

func (l lightly) Goroutines(ctx context.Context, slot int) (string, error) {
	if p := l.p.Value(); p != nil {
		return p.Goroutines(ctx, slot)
	}
	return "", pool.ErrClosed
}

func (l lightly) KillWorker(slot, pid int) error {
	if p := l.p.Value(); p != nil {
		return p.KillWorker(slot, pid)
	}
	return pool.ErrClosed
}
