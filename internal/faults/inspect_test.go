//go:build linux

package faults

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
)

const mebibyte = 1 << 20

// finding is a Finding of so many bytes.
func finding(id uint64, arg uint32, size int) []byte {
	return control(wire.Finding, id, arg, []byte(strings.Repeat("x", size)))
}

// inspected is a puppet that says that it can be looked into.
func (p *puppet) inspected() {
	p.write(p.hello(func(b *wire.HelloBody) { b.Inspect = true }))
	if f := p.next(); f.Kind != wire.Welcome {
		p.t.Errorf("the parent answers Hello by %v", f.Header)
	}
}

// asked reads the next Inspect, doing meanwhile what has to be done.
func (p *puppet) asked(arg uint32) wire.Frame {
	for {
		switch f := p.next(); f.Kind {
		case wire.Inspect:
			if f.Arg != arg {
				p.t.Errorf("%v, want the arg %d", f.Header, arg)
			}
			return f
		case wire.Ping:
			p.write(control(wire.Beat, 0, 0, nil))
		case wire.Stop:
			p.exit(0)
		}
	}
}

// pieces writes so many mebibytes of an answer.
func (p *puppet) pieces(id uint64, n int) {
	for piece := finding(id, wire.FindingMore, mebibyte); n > 0; n-- {
		p.write(piece)
	}
}

func TestAWorkerThatAnswersAnInspectByNonsenseIsKilled(t *testing.T) {
	for name, answer := range map[string]func(p *puppet, id uint64){
		"another id":    func(p *puppet, id uint64) { p.write(finding(id+1, wire.FindingLast, 1)) },
		"no id":         func(p *puppet, _ uint64) { p.write(finding(0, wire.FindingLast, 1)) },
		"another arg":   func(p *puppet, id uint64) { p.write(finding(id, 3, 1)) },
		"a short piece": func(p *puppet, id uint64) { p.write(finding(id, wire.FindingMore, mebibyte-1)) },
		"an empty piece": func(p *puppet, id uint64) {
			p.write(finding(id, wire.FindingMore, 0))
		},
		"a long piece": func(p *puppet, id uint64) { p.write(finding(id, wire.FindingMore, mebibyte+1)) },
		"pieces without end": func(p *puppet, id uint64) {
			for piece := finding(id, wire.FindingMore, mebibyte); ; {
				p.write(piece)
			}
		},
		"a byte too many": func(p *puppet, id uint64) {
			p.pieces(id, 64)
			p.write(finding(id, wire.FindingLast, 1))
		},
		"an endless reason": func(p *puppet, id uint64) {
			p.pieces(id, 64)
			p.write(finding(id, wire.FindingNone, 1))
		},
		"junk":               func(p *puppet, _ uint64) { p.write([]byte(strings.Repeat("no frame", 10))) },
		"a Beat":             func(p *puppet, _ uint64) { p.write(control(wire.Beat, 0, 0, nil)) },
		"an Inspect":         func(p *puppet, id uint64) { p.write(control(wire.Inspect, id, 0, nil)) },
		"a result":           func(p *puppet, id uint64) { p.write(job{Header: wire.Header{ID: id}}.results(0, wire.Value, pack(1))) },
		"a damaged header":   func(p *puppet, id uint64) { f := finding(id, wire.FindingLast, 1); f[30]++; p.write(f) },
		"half a frame, dead": func(p *puppet, id uint64) { p.write(finding(id, wire.FindingLast, 100)[:90]); p.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			_, opts := puppets(t, func(p *puppet) {
				p.inspected()
				if p.nth > 0 {
					p.serve()
				}
				answer(p, p.asked(wire.InspectAsk).ID)
				p.stay()
			})
			f := start(t, 1, opts...)
			var err error
			grown := allocated(func() { _, err = f.Profile(t.Context(), 0, "heap", 0) })
			assert.Less(t, grown, uint64(200*mebibyte), "bytes allocated")
			assert.ErrorContains(t, err, "it ended before it had answered")
			if strings.Contains(name, "dead") {
				assert.Equal(t, pool.ReasonSignal, f.exit().Reason)
			} else {
				assert.ErrorContains(t, err, "protocol")
				assert.Equal(t, pool.ReasonProtocol, f.exit().Reason)
			}
			f.works()
		})
	}
}

func TestAFindingThatNobodyAskedForIsAViolation(t *testing.T) {
	for name, script := range map[string]func(p *puppet){
		"at once": func(p *puppet) { p.write(finding(1, wire.FindingLast, 1)) },
		"twice": func(p *puppet) {
			id := p.asked(wire.InspectAsk).ID
			p.write(append(finding(id, wire.FindingLast, 1), finding(id, wire.FindingLast, 1)...))
		},
		"of a worker that cannot": func(p *puppet) { p.write(finding(0, wire.FindingLast, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			_, opts := puppets(t, func(p *puppet) {
				if name == "of a worker that cannot" {
					p.greet()
				} else {
					p.inspected()
				}
				if p.nth > 0 {
					p.serve()
				}
				script(p)
				p.stay()
			})
			f := start(t, 1, append(opts, pool.WithRestartLimit(100, time.Minute))...)
			if name == "twice" {
				got, err := f.Profile(t.Context(), 0, "heap", 0)
				assert.NoError(t, err)
				assert.Equal(t, "x", string(got))
			}
			assert.Equal(t, pool.ReasonProtocol, f.exit().Reason)
			f.works()
		})
	}
}

func TestAnAnswerInManyPiecesArrivesAndOneThatNobodyWaitsForDoesNoHarm(t *testing.T) {
	withdrawn := make(chan struct{}, 1)
	s, opts := puppets(t, func(p *puppet) {
		p.inspected()
		id := p.asked(wire.InspectAsk).ID // whose asker has gone before it is answered
		if w := p.asked(wire.InspectWithdraw); w.ID != id {
			p.t.Errorf("%v, want the id %d", w.Header, id)
		}
		p.write(slices.Concat(finding(id, wire.FindingMore, mebibyte), finding(id, wire.FindingMore, mebibyte)))
		withdrawn <- struct{}{}
		p.write(finding(id, wire.FindingLast, 5))
		id = p.asked(wire.InspectAsk).ID
		p.pieces(id, 63)
		p.write(finding(id, wire.FindingLast, mebibyte))
		p.write(finding(p.asked(wire.InspectAsk).ID, wire.FindingLast, 0))
		p.write(control(wire.Finding, p.asked(wire.InspectAsk).ID, wire.FindingNone, []byte("not \x1b[31mtoday\xff")))
		p.write(control(wire.Finding, p.asked(wire.InspectAsk).ID, wire.FindingLast, []byte("line\n\tline\x1b]0;\a\u009b2J")))
		p.serve()
	})
	f := start(t, 1, opts...)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	sent := f.Stats().BytesSent
	go func() {
		_, err := f.Profile(ctx, 0, "cpu", time.Hour)
		gone <- err
	}()
	eventually(t, patience, "the worker is asked", func() bool { return f.Stats().BytesSent > sent })
	cancel()
	assert.ErrorIs(t, recv(t, gone), context.Canceled)
	recv(t, withdrawn)
	got, err := f.Profile(t.Context(), 0, "heap", 0)
	require.NoError(t, err)
	assert.Len(t, got, 64*mebibyte)
	got, err = f.Profile(t.Context(), 0, "heap", 0)
	require.NoError(t, err)
	assert.Empty(t, got)
	_, err = f.Profile(t.Context(), 0, "heap", 0)
	require.ErrorContains(t, err, "not .[31mtoday.")
	text, err := f.Goroutines(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, "line\n\tline.]0;..2J", text)
	f.works()
	assert.Equal(t, 1, s.started(), "the puppet has done nothing wrong")
}

func TestAWorkerThatDoesNotAnswerAnInspectEndsItWithAnError(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	answer := make(chan struct{})
	s, opts := puppets(t, func(p *puppet) {
		p.inspected()
		id := p.asked(wire.InspectAsk).ID
		p.asked(wire.InspectWithdraw)
		<-answer
		p.write(finding(id, wire.FindingLast, 1)) // rather late
		p.write(finding(p.asked(wire.InspectAsk).ID, wire.FindingLast, 2))
		p.serve()
	})
	f := start(t, 1, append(opts, pool.WithHeartbeat(0))...)
	ended := make(chan error, 3)
	for range cap(ended) {
		go func() {
			_, err := f.Goroutines(context.Background(), 0)
			ended <- err
		}()
	}
	for range cap(ended) {
		assert.ErrorContains(t, recv(t, ended), "no answer within 10s")
	}
	_, err := f.Goroutines(t.Context(), 0)
	assert.ErrorContains(t, err, "has not answered an earlier request yet")
	close(answer)
	eventually(t, patience, "the next is answered", func() bool {
		got, err := f.Goroutines(t.Context(), 0)
		return err == nil && len(got) == 2
	})
	f.works()
	assert.Equal(t, 1, s.started())
}

func TestARequestDoesNotWaitForTheTimeOfOneThatWasWithdrawn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	_, opts := puppets(t, func(p *puppet) {
		p.inspected()
		p.asked(wire.InspectAsk)
		p.asked(wire.InspectWithdraw)
		p.serve()
	})
	f := start(t, 1, append(opts, pool.WithHeartbeat(0))...)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := f.Profile(ctx, 0, "cpu", time.Hour)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	ended := make(chan error, 1)
	go func() {
		_, err := f.Goroutines(context.Background(), 0)
		ended <- err
	}()
	assert.ErrorContains(t, recv(t, ended), "no answer within 10s")
}

func TestAStoppedWorkerIsKilledByKillWorkerAndLosesItsTaskAlone(t *testing.T) {
	f := start(t, 1, pool.WithHeartbeat(0))
	pid := f.pidAt(0)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	first, second := submit(f, double, 1), submit(f, double, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := f.Goroutines(ctx, 0)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, f.KillWorker(0, pid))
	for i, future := range []*pool.Future[int]{first, second} { // neither had begun
		n, err := await(t, future)
		assert.NoError(t, err)
		assert.Equal(t, 2*(i+1), n)
	}
	exit := f.exit()
	assert.Equal(t, pool.ReasonSignal, exit.Reason)
	assert.Equal(t, pid, exit.PID)
	assert.Error(t, f.KillWorker(0, pid), "another process has the slot")
}
