package serve

import (
	"context"
	"time"

	"github.com/procpool/procpool/wire"
)

// Laps is where the time of one task went, for those who asked. All its methods do nothing on nil.
type Laps struct {
	began, decoded, returned, ended time.Duration // by monotonic; 0 for what did not happen
}

// LapsOf returns the laps of the task whose own context ctx is, nil where nobody wants them.
func LapsOf(ctx context.Context) *Laps {
	if t, ok := ctx.(*Task); ok {
		return t.batch().laps
	}
	return nil
}

func (l *Laps) begin() {
	if l != nil {
		*l = Laps{began: monotonic()}
	}
}

// Decoded says that the argument is decoded: the function begins.
func (l *Laps) Decoded() {
	if l != nil {
		l.decoded = monotonic()
	}
}

// Returned says that the function has returned: its result is encoded now.
func (l *Laps) Returned() {
	if l != nil {
		l.returned = monotonic()
	}
}

// end says that the task is over. An argument that was not decoded took all of it, and a function that panicked what came after its argument.
func (l *Laps) end() {
	if l == nil {
		return
	}
	l.ended = monotonic()
	if l.returned == 0 {
		l.returned = l.ended
	}
	if l.decoded == 0 {
		l.decoded = l.ended
	}
}

// cost is what the task took, of a batch that had arrived at a time.
func (l *Laps) cost(arrived, cpu time.Duration) *wire.Cost {
	if l == nil {
		return nil
	}
	return &wire.Cost{
		Exec: l.ended - l.began, CPU: cpu, Waiting: l.began - arrived,
		Decode: l.decoded - l.began, Encode: l.ended - l.returned,
	}
}
