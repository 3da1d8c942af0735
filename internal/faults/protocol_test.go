//go:build linux

package faults

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// cuts returns the lengths to which a message of n bytes is cut: all of them, or some that
// stand for all where processes are slow.
func cuts(n int, always ...int) []int {
	var at []int
	for k := range n {
		if raceFactor == 1 && !testing.Short() || k%17 == 0 || slices.Contains(always, k) {
			at = append(at, k)
		}
	}
	return at
}

// manners in which a puppet can end in the middle of a frame.
var puppetEnds = map[string]func(*puppet){
	"SIGKILL": (*puppet).kill,
	"exit 0":  func(p *puppet) { p.exit(0) },
	"closes the wire and lives": func(p *puppet) {
		p.closeWire()
		p.stay()
	},
}

func TestRow006And071HelloCutAtAnyByteIsAStartError(t *testing.T) {
	for name, end := range puppetEnds {
		t.Run(name, func(t *testing.T) {
			var at atomic.Int64
			th, opts := puppets(t, func(p *puppet) {
				hello := p.hello()
				p.write(hello[:min(int(at.Load()), len(hello)-1)])
				end(p)
			})
			const longest = 170 // not more than a hello: the last cuts are the same
			for _, cut := range cuts(longest, 1, wire.CookieSize-1, wire.CookieSize, wire.CookieSize+1, wire.CookieSize+wire.HeaderSize, longest-1) {
				if name != "SIGKILL" && cut%16 != 0 {
					continue
				}
				at.Store(int64(cut))
				before := th.started()
				_, err := pool.New(t.Context(), helperOptions(1, append(opts, pool.WithStartTimeout(patience))...)...)
				var failed *pool.StartError
				require.ErrorAs(t, err, &failed, "cut at %d", cut)
				assert.Equal(t, "hello", failed.Stage, "cut at %d: %v", cut, err)
				assert.LessOrEqual(t, th.started()-before, 5, "cut at %d: starts", cut)
				require.Empty(t, children(t), "cut at %d", cut)
			}
		})
	}
}

// A worker that fails to say hello after the pool has come up is a failed start, and costs no task.
func TestRow006DeathInALaterHandshakeLosesNoTask(t *testing.T) {
	_, opts := puppets(t, func(p *puppet) {
		switch p.nth {
		case 0:
			p.greet()
			p.write(p.tasks().started(0))
			p.kill()
		case 1:
			p.kill()
		case 2:
			p.write(p.hello()[:wire.CookieSize+5])
			p.exit(0)
		default:
			p.greet()
			p.serve()
		}
	})
	f := start(t, 1, opts...)
	lost, kept := submit(f, double, 1), submit(f, double, 2)
	_, err := await(t, lost)
	fate{signal: syscall.SIGKILL}.check(t, err)
	four, err := await(t, kept)
	assert.NoError(t, err)
	assert.Equal(t, 4, four)
}

func TestRow010PuppetThatLeavesUnaskedIsReplacedUntilItNeverWorks(t *testing.T) {
	t.Run("after a task", func(t *testing.T) {
		_, opts := puppets(t, func(p *puppet) {
			p.greet()
			if p.nth >= 3 {
				p.serve()
			}
			j := p.tasks()
			p.write(j.started(0))
			p.write(j.results(0, wire.Value, pack(42)))
			p.exit(0)
		})
		f := start(t, 1, opts...)
		for range 6 {
			n, err := call(f, double, 21)
			assert.NoError(t, err)
			assert.Equal(t, 42, n)
		}
	})
	t.Run("never having done one", func(t *testing.T) {
		healed := make(chan struct{})
		_, opts := puppets(t, func(p *puppet) {
			p.greet()
			select {
			case <-healed:
				p.serve()
			default:
				p.exit(0)
			}
		})
		f, err := tryStart(t, 1, opts...)
		if err != nil { // it left before New returned
			var failed *pool.StartError
			require.ErrorAs(t, err, &failed)
			return
		}
		begin := time.Now()
		_, err = call(f, double, 21)
		assert.ErrorIs(t, err, pool.ErrBroken)
		assert.Less(t, time.Since(begin), 15*time.Second)
		close(healed)
		eventually(t, patience, "the pool heals", func() bool {
			_, err := call(f, double, 21)
			return err == nil
		})
	})
}

func TestRow005DeathWhileTheParentWritesALargeTaskIsNobodysLoss(t *testing.T) {
	for _, read := range []int{0, 1, wire.HeaderSize, wire.HeaderSize + 100_000} {
		t.Run(fmt.Sprint(read, " bytes read"), func(t *testing.T) {
			th, opts := puppets(t, func(p *puppet) {
				p.greet()
				if p.nth == 0 {
					p.read(read)
					if read == 0 {
						p.read(0)
					}
					p.kill()
				}
				p.serve()
			})
			f := start(t, 1, opts...)
			arg := bytes.Repeat([]byte("x"), 4<<20)
			for r := range pool.Results(t.Context(), f.Pool, echo, slices.Values([][]byte{arg})) {
				assert.NoError(t, r.Err)
				assert.True(t, bytes.Equal(arg, r.Value))
				assert.Equal(t, 1, r.Attempt, "an attempt that never started does not count")
			}
			assert.Equal(t, 2, th.started())
		})
	}
	t.Run("own worker, stopped", func(t *testing.T) {
		f := start(t, 1)
		pid := f.pidAt(0)
		stop(t, pid)
		arg := bytes.Repeat([]byte("x"), 4<<20)
		future := submit(f, echo, arg)
		eventually(t, patience, "the parent waits in write", func() bool { return pipesFull(pid, os.O_RDONLY) })
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		got, err := await(t, future)
		assert.NoError(t, err)
		assert.True(t, bytes.Equal(arg, got))
		f.replaced(pid)
	})
}

// A spoiler is a pool with one puppet that answers tasks well, except for the next one after
// a call of spoil.
type spoiler struct {
	*fixture
	*theater
	next chan func(*puppet, job)
}

// spoil makes the next task go wrong in the given way.
func (s *spoiler) spoil(how func(*puppet, job)) { s.next <- how }

func newSpoiler(t *testing.T, opts ...pool.Option) *spoiler {
	t.Helper()
	return newSpoilers(t, 1, opts...)
}

// newSpoilers is newSpoiler with n puppets: whichever gets the next task spoils it.
func newSpoilers(t *testing.T, n int, opts ...pool.Option) *spoiler {
	t.Helper()
	s := &spoiler{next: make(chan func(*puppet, job), 1)}
	var more []pool.Option
	s.theater, more = puppets(t, func(p *puppet) {
		p.greet()
		for {
			j := p.tasks()
			select {
			case how := <-s.next:
				how(p, j)
			default:
				for i, arg := range j.args {
					p.write(j.started(i))
					outcome, value := p.perform(j, arg)
					p.write(j.results(i, outcome, value))
				}
			}
		}
	})
	s.fixture = start(t, n, append(more, opts...)...)
	return s
}

func TestRow004And071ResultCutAtAnyByteIsNoResult(t *testing.T) {
	for name, end := range puppetEnds {
		t.Run(name, func(t *testing.T) {
			s := newSpoiler(t)
			const started = wire.HeaderSize
			all := len(job{}.started(0)) + len(job{}.results(0, wire.Value, pack(42)))
			for _, cut := range cuts(all, 1, started-1, started, started+1, 2*started-1, 2*started, 2*started+1, all-1) {
				if name == "closes the wire and lives" && cut%8 > 1 { // the parent waits a while for its end
					continue
				}
				s.spoil(func(p *puppet, j job) {
					p.write(append(j.started(0), j.results(0, wire.Value, pack(42))...)[:cut])
					end(p)
				})
				n, err := call(s.fixture, double, 21)
				if cut < started { // it had not started, so it runs elsewhere and nobody notices
					assert.NoError(t, err, "cut at %d", cut)
					assert.Equal(t, 42, n, "cut at %d", cut)
					continue
				}
				var exit *pool.ExitError
				assert.ErrorAs(t, err, &exit, "cut at %d", cut)
				assert.Zero(t, n, "cut at %d", cut)
			}
		})
	}
}

// The patron is a helper whose worker is a puppet of the test, so that the test can stop the
// parent while the puppet goes on.
var _ = role("patron", func() int {
	ctx := context.Background()
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	p, err := pool.New(ctx, helperOptions(1, pool.WithCommand(self), pool.WithEnv(roleVar+"=puppet"))...)
	if err != nil {
		report(judged(err))
		return 1
	}
	n, err := pool.Call(ctx, p, double, 21)
	report(judged(err))
	report(n)
	report(p.Stats())
	p.Close()
	return 0
})

func TestRow003ResultThatWasWrittenBeforeTheDeathIsDelivered(t *testing.T) {
	for name, end := range puppetEnds {
		t.Run(name, func(t *testing.T) {
			bounded(t, time.Minute)
			leaktest.Check(t)
			written := make(chan watch, 1)
			stopped := make(chan struct{})
			ready := make(chan struct{})
			th, _ := puppets(t, func(p *puppet) {
				p.greet()
				if p.nth > 0 {
					p.serve()
				}
				j := p.tasks()
				close(ready)
				<-stopped
				p.write(append(j.started(0), j.results(0, wire.Value, pack(42))...))
				written <- watchPID(t, p.pid)
				end(p)
			})
			h := startHelper(t, "patron", puppetVar+"="+th.gate.addr)
			recv(t, ready)
			stop(t, h.pid()) // the parent reads no more
			close(stopped)
			w := recv(t, written)
			if name != "closes the wire and lives" {
				w.ended(t, patience)
			}
			require.NoError(t, h.cmd.Process.Signal(syscall.SIGCONT))
			var v verdict
			var n int
			h.hear(&v)
			h.hear(&n)
			assert.Empty(t, v.Err)
			assert.Equal(t, 42, n)
			var stats pool.Stats
			h.hear(&stats)
			assert.EqualValues(t, 1, stats.Completed)
			assert.EqualValues(t, 0, stats.Retried)
			h.wait()
		})
	}
}

// The batcher runs three tasks in one batch: the first is done, the second running and the third
// not begun when the worker is killed, while the parent sleeps.
var _ = role("batcher", func() int {
	ctx := context.Background()
	p, err := pool.New(ctx, helperOptions(1)...)
	if err != nil {
		report(judged(err))
		return 1
	}
	orders := make([]order, 4)
	for i := range orders {
		orders[i] = order{Index: i, Gate: os.Getenv(gateVar)}
	}
	answers, err := pool.Map(ctx, p, obey, orders, pool.Chunk(4))
	v := judged(err)
	if errs, ok := errors.AsType[pool.Errors](err); ok {
		for _, e := range errs {
			v.Leaked = append(v.Leaked, strconv.Itoa(e.Index))
		}
	}
	report(v)
	report(answers)
	p.Close()
	return 0
})

func TestRow003FinishedTasksOfABatchAreDeliveredAndOnlyTheRunningOneIsLost(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	g := newGate(t)
	h := startHelper(t, "batcher", gateVar+"="+g.addr)
	first := g.next(t)
	w := watchPID(t, first.pid)
	stop(t, h.pid())
	first.order("")
	second := g.next(t) // so the first is finished, and its result out of the worker's hands
	assert.Equal(t, 1, second.index)
	w.signal(t, syscall.SIGKILL)
	w.ended(t, patience)
	require.NoError(t, h.cmd.Process.Signal(syscall.SIGCONT))
	for range 2 { // the others run on the next worker
		v := g.next(t)
		assert.NotEqual(t, first.pid, v.pid)
		v.order("")
	}
	var v verdict
	var answers []answer
	h.hear(&v)
	h.hear(&answers)
	assert.Equal(t, []string{"1"}, v.Leaked, "lost: %s", v.Err)
	require.Len(t, answers, 4)
	assert.Equal(t, first.pid, answers[0].PID)
	assert.Zero(t, answers[1].PID)
	assert.NotZero(t, answers[2].PID)
	assert.NotZero(t, answers[3].PID)
	h.wait()
}

// brokeProtocol is the outcome of a task whose worker broke the protocol after it had started it.
func brokeProtocol(t testing.TB, err error) {
	t.Helper()
	var exit *pool.ExitError
	if assert.ErrorAs(t, err, &exit) {
		assert.Equal(t, pool.ReasonProtocol, exit.Reason, "%v", err)
	}
	var violation *wire.ProtocolError
	assert.ErrorAs(t, err, &violation, "%v", err)
}

func TestRow070JunkOnTheWireCostsItsTaskAndItsWorker(t *testing.T) {
	f := start(t, 2)
	g := newGate(t)
	neighbour := submit(f, obey, order{Gate: g.addr})
	n := g.next(t)
	for _, text := range []string{"Hello, world!\n" + strings.Repeat("=", 32), strings.Repeat("x", 100_000), string(make([]byte, 64)), "\xc1\x70" + strings.Repeat("\xff", 62)} {
		_, err := call(f, obey, order{Do: "junk " + text})
		brokeProtocol(t, err)
		if text[0] == 'H' {
			assert.Contains(t, err.Error(), "Hello, world!")
			assert.Contains(t, err.Error(), "print", "a hint")
		}
	}
	n.order("")
	a, err := await(t, neighbour)
	assert.NoError(t, err, "the neighbour")
	assert.Equal(t, n.pid, a.PID)
}

// allocated runs f and returns how many bytes were allocated meanwhile.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestRow072LengthOverTheLimitIsRefusedBeforeAnythingIsAllocated(t *testing.T) {
	const limit = 8 << 20
	s := newSpoiler(t, pool.WithMaxPayload(limit))
	for kind, most := range map[wire.Kind]uint64{wire.Results: limit + wire.ItemSlack, wire.Log: wire.MaxControlBytes, wire.Report: wire.MaxControlBytes, wire.Beat: wire.MaxControlBytes} {
		for _, length := range []uint64{most + 1, 1 << 31, 1<<32 - 1, 1 << 63, math.MaxUint64} {
			t.Run(fmt.Sprintf("%v of %d", kind, length), func(t *testing.T) {
				s.spoil(func(p *puppet, j job) {
					h := wire.Header{Kind: kind, ID: j.ID, Length: length}
					if kind == wire.Results {
						h.Count = 1
					}
					p.write(append(j.started(0), h.Append(nil)...))
					p.stay()
				})
				var err error
				grown := allocated(func() { _, err = call(s.fixture, double, 21) })
				brokeProtocol(t, err)
				assert.ErrorIs(t, err, wire.ErrTooLarge)
				assert.Less(t, grown, uint64(1<<20), "bytes allocated")
				s.works()
			})
		}
	}
	t.Run("many items", func(t *testing.T) {
		for _, count := range []uint32{2, wire.MaxBatchItems + 1, math.MaxUint32} {
			s.spoil(func(p *puppet, j job) {
				p.write(append(j.started(0), wire.Header{Kind: wire.Results, ID: j.ID, Count: count, Length: wire.MaxBatchBytes + 1}.Append(nil)...))
				p.stay()
			})
			_, err := call(s.fixture, double, 21)
			brokeProtocol(t, err)
		}
	})
}

func TestRow073BitFlipInAHeaderIsAlwaysFound(t *testing.T) {
	s := newSpoiler(t)
	for i := range wire.HeaderSize {
		for bit := range 8 {
			if (i+bit)%8 != 0 && (raceFactor > 1 || bit%4 != 0) {
				continue
			}
			s.spoil(func(p *puppet, j job) {
				frame := j.results(0, wire.Value, pack(42))
				frame[i] ^= 1 << bit
				p.write(append(j.started(0), frame...))
				p.stay()
			})
			_, err := call(s.fixture, double, 21)
			brokeProtocol(t, err)
		}
	}
}

// pair is a result with something in it to damage.
type pair struct {
	Name  string
	Parts []int
	More  map[string]float64
}

var makePair = worker.Named[int, pair]("faults.double") // the puppet answers as the test likes

func TestRow073BitFlipInAPayloadIsAnErrorOrAValueAndNeverMore(t *testing.T) {
	s := newSpoiler(t)
	value := pack(map[string]any{"Name": "a name", "Parts": []int{1, 200, 30000}, "More": map[string]float64{"x": 1.5}})
	length := len(job{}.results(0, wire.Value, value))
	for i := wire.HeaderSize; i < length; i++ {
		for bit := range 8 {
			if (i+bit)%8 != 0 && (raceFactor > 1 || bit%2 != 0) {
				continue
			}
			s.spoil(func(p *puppet, j job) {
				frame := j.results(0, wire.Value, value)
				frame[i] ^= 1 << bit
				p.write(append(j.started(0), frame...))
			})
			var err error
			grown := allocated(func() { _, err = call(s.fixture, makePair, 21) })
			assert.Less(t, grown, uint64(4<<20), "bytes allocated")
			var task *pool.TaskError
			if err != nil {
				assert.ErrorAs(t, err, &task, "byte %d bit %d: %v", i, bit, err)
			}
		}
	}
}

func TestRow074UnknownAndUnseemlyFramesAreFatal(t *testing.T) {
	for name, frame := range map[string]func(*puppet, job) []byte{
		"kind 0":                func(_ *puppet, j job) []byte { return control(0, 0, 0, nil) },
		"kind 9":                func(_ *puppet, j job) []byte { return control(9, 0, 0, nil) },
		"kind 255":              func(_ *puppet, j job) []byte { return control(255, 0, 0, nil) },
		"Welcome":               func(_ *puppet, j job) []byte { return control(wire.Welcome, 0, 0, pack(map[string]any{"version": 1})) },
		"Tasks":                 func(_ *puppet, j job) []byte { return control(wire.Tasks, j.ID, 0, nil) },
		"Cancel":                func(_ *puppet, j job) []byte { return control(wire.Cancel, j.ID, 0, nil) },
		"Recall":                func(_ *puppet, j job) []byte { return control(wire.Recall, j.ID, 0, nil) },
		"Stop":                  func(_ *puppet, j job) []byte { return control(wire.Stop, 0, 0, nil) },
		"Ping":                  func(_ *puppet, j job) []byte { return control(wire.Ping, 0, 0, nil) },
		"second Hello":          func(p *puppet, j job) []byte { return p.hello()[wire.CookieSize:] },
		"second cookie":         func(p *puppet, j job) []byte { return p.hello() },
		"Beat without Ping":     func(_ *puppet, j job) []byte { return control(wire.Beat, 0, 0, nil) },
		"Recalled, unasked":     func(_ *puppet, j job) []byte { return control(wire.Recalled, j.ID+9, 0, nil) },
		"Results without items": func(_ *puppet, j job) []byte { return j.results(0, wire.Value) },
		"Results of too many":   func(_ *puppet, j job) []byte { return j.results(0, wire.Value, pack(1), pack(2)) },
		"Results out of order":  func(_ *puppet, j job) []byte { return j.results(1, wire.Value, pack(1)) },
		"unknown outcome":       func(_ *puppet, j job) []byte { return j.results(0, 7, pack(1)) },
		"bytes after the item": func(_ *puppet, j job) []byte {
			frame := append(j.results(0, wire.Value, pack(1)), 0)
			binary.BigEndian.PutUint64(frame[16:], uint64(len(frame)-wire.HeaderSize))
			return resealed(frame)
		},
		"wrong version": func(_ *puppet, j job) []byte {
			frame := j.results(0, wire.Value, pack(1))
			frame[2] = wire.Version + 1
			return resealed(frame)
		},
		"wrong magic": func(_ *puppet, j job) []byte {
			frame := j.results(0, wire.Value, pack(1))
			frame[0] = 'X'
			return resealed(frame)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpoiler(t)
			s.spoil(func(p *puppet, j job) {
				p.write(append(j.started(0), frame(p, j)...))
				p.stay()
			})
			_, err := call(s.fixture, double, 21)
			brokeProtocol(t, err)
			e := s.exit()
			assert.Equal(t, pool.ReasonProtocol, e.Reason)
			s.works()
		})
	}
	t.Run("after Bye", func(t *testing.T) {
		s := newSpoiler(t)
		s.spoil(func(p *puppet, j job) {
			p.write(append(j.started(0), j.results(0, wire.Value, pack(42))...))
			p.write(append(control(wire.Bye, 0, 0, nil), control(wire.Report, 0, 0, pack(1))...))
			p.stay()
		})
		n, err := call(s.fixture, double, 21)
		assert.NoError(t, err)
		assert.Equal(t, 42, n)
		assert.Equal(t, pool.ReasonProtocol, s.exit().Reason)
		s.works()
	})
	for name, first := range map[string][]byte{
		"Results":         job{Header: wire.Header{ID: 1}}.results(0, wire.Value, pack(1)),
		"Beat":            control(wire.Beat, 0, 0, nil),
		"Bye":             control(wire.Bye, 0, 0, nil),
		"Log":             control(wire.Log, 0, 0, pack(map[string]any{"msg": "x"})),
		"Stop":            control(wire.Stop, 0, 0, nil),
		"a broken Hello":  control(wire.Hello, 0, 0, []byte{0xc1}),
		"an empty Hello":  control(wire.Hello, 0, 0, nil),
		"a long Hello":    wire.Header{Kind: wire.Hello, Length: wire.MaxControlBytes + 1}.Append(nil),
		"a Hello of nil":  control(wire.Hello, 0, 0, []byte{0xc0}),
		"a Hello, a list": control(wire.Hello, 0, 0, []byte{0x93, 1, 2, 3}),
	} {
		t.Run("instead of Hello "+name, func(t *testing.T) {
			_, opts := puppets(t, func(p *puppet) {
				p.write(append(slices.Clone(p.cookie), first...))
				p.stay()
			})
			begin := time.Now()
			_, err := tryStart(t, 1, opts...)
			assert.Less(t, time.Since(begin), patience/2)
			var failed *pool.StartError
			require.ErrorAs(t, err, &failed)
			assert.Contains(t, []string{"hello", "version"}, failed.Stage, "%v", err)
		})
	}
}

// resealed corrects the check sum of a frame's header.
func resealed(frame []byte) []byte {
	binary.BigEndian.PutUint32(frame[28:], crc32.ChecksumIEEE(frame[:28]))
	return frame
}

func TestRow075SecondResultOfATaskIsAViolationAndTheFirstOneStands(t *testing.T) {
	s := newSpoiler(t)
	told := make(chan int, 4)
	s.spoil(func(p *puppet, j job) {
		first := append(j.started(0), j.results(0, wire.Value, pack(42))...)
		p.write(append(first, j.results(0, wire.Value, pack(43))...))
		p.stay()
	})
	future := submit(s.fixture, double, 21)
	future.OnDone(func(n int, err error) { told <- n })
	n, err := await(t, future)
	assert.NoError(t, err)
	assert.Equal(t, 42, n)
	assert.Equal(t, pool.ReasonProtocol, s.exit().Reason)
	s.works()
	assert.Equal(t, 42, recv(t, told))
	assert.Empty(t, told, "the callback is called once")
}

func TestRow076ResultThatNobodyAskedForIsAViolation(t *testing.T) {
	for name, id := range map[string]func(uint64) uint64{
		"never sent":       func(id uint64) uint64 { return id + 1000 },
		"answered already": func(id uint64) uint64 { return id - 1 },
		"zero":             func(uint64) uint64 { return 0 },
		"the largest":      func(uint64) uint64 { return math.MaxUint64 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpoiler(t)
			s.works()
			s.spoil(func(p *puppet, j job) {
				forged := j
				forged.ID = id(j.ID)
				p.write(append(j.started(0), forged.results(0, wire.Value, pack(43))...))
				p.stay()
			})
			_, err := call(s.fixture, double, 21)
			brokeProtocol(t, err)
			s.works()
		})
	}
}

func TestRow076ResultOfATaskJustCancelledIsIgnoredAndTheWorkerStays(t *testing.T) {
	s := newSpoiler(t)
	running, cancelled := make(chan struct{}), make(chan struct{})
	s.spoil(func(p *puppet, j job) {
		p.write(j.started(0))
		close(running)
		f := p.next()
		for ; f.Kind == wire.Recall; f = p.next() { // the parent may not know yet that it runs
			p.write(control(wire.Recalled, f.ID, 1, nil))
		}
		if f.Kind != wire.Cancel || f.ID != j.ID || f.Arg != 0 {
			t.Errorf("%v, want Cancel of the task", f.Header)
		}
		<-cancelled // the caller has gone
		p.write(j.results(0, wire.Value, pack(42)))
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-running
		cancel()
	}()
	begin := time.Now()
	_, err := pool.Call(ctx, s.Pool, double, 21)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Less(t, time.Since(begin), patience/2)
	close(cancelled)
	s.works()
	assert.Equal(t, 1, s.started(), "one puppet all along")
}

func TestRow077HelloThatDoesNotFitIsAStartErrorAndNotTriedInALoop(t *testing.T) {
	for _, test := range []struct {
		name, stage string
		hello       func(*puppet) []byte
	}{
		{"older", "version", func(p *puppet) []byte { return p.hello(func(b *wire.HelloBody) { b.Version = wire.Version - 1 }) }},
		{"newer", "version", func(p *puppet) []byte { return p.hello(func(b *wire.HelloBody) { b.Version = wire.Version + 1 }) }},
		{"newer by its frame", "", func(p *puppet) []byte {
			b := p.hello()
			b[wire.CookieSize+2] = wire.Version + 1
			resealed(b[wire.CookieSize:])
			return b
		}},
		{"wrong cookie", "hello", func(p *puppet) []byte {
			p.cookie = bytes.Repeat([]byte("0"), wire.CookieSize)
			return p.hello()
		}},
		{"no cookie", "hello", func(p *puppet) []byte { return p.hello()[wire.CookieSize:] }},
	} {
		t.Run(test.name, func(t *testing.T) {
			th, opts := puppets(t, func(p *puppet) {
				p.write(test.hello(p))
				p.closeWire()
				p.stay()
			})
			_, err := tryStart(t, 1, append(opts, pool.WithStartTimeout(2*time.Second))...)
			var failed *pool.StartError
			require.ErrorAs(t, err, &failed)
			if test.stage != "" {
				assert.Equal(t, test.stage, failed.Stage, "%v", err)
			}
			assert.LessOrEqual(t, th.started(), 5, "starts")
		})
	}
	t.Run("no cookie in time", func(t *testing.T) {
		_, opts := puppets(t, func(p *puppet) {
			p.write([]byte("it is a nice day"))
			p.warn("is it not?\n")
			p.stay()
		})
		begin := time.Now()
		_, err := tryStart(t, 1, append(opts, pool.WithStartTimeout(500*time.Millisecond))...)
		assert.Less(t, time.Since(begin), patience/2)
		var failed *pool.StartError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, "hello", failed.Stage)
		assert.Contains(t, string(failed.Stdout), "nice day")
		assert.Contains(t, string(failed.Stderr), "is it not?")
	})
}

// Values that are well framed and yet wrong.
func TestRow080To082ValuesThatDoNotDecodeAreDecodeErrors(t *testing.T) {
	s := newSpoiler(t)
	narrow := worker.Named[int, int8]("faults.double")
	deep := append(bytes.Repeat([]byte{0x91}, 2_000_000), 1)
	for _, test := range []struct {
		name  string
		value []byte
		call  func() error
	}{
		{"trailing byte", append(pack(42), 0), errOf(s, double)},
		{"trailing value", append(pack(42), pack("more")...), errOf(s, double)},
		{"nothing", nil, errOf(s, double)},
		{"2^40 into int8", pack(1 << 40), errOf(s, narrow)},
		{"128 into int8", pack(128), errOf(s, narrow)},
		{"-129 into int8", pack(-129), errOf(s, narrow)},
		{"2^63 into int", pack(uint64(1 << 63)), errOf(s, double)},
		{"text into int", pack("42"), errOf(s, double)},
		{"reserved byte", []byte{0xc1}, errOf(s, double)},
		{"bytes without a value", []byte{0xc4, 200, 1}, errOf(s, worker.Named[int, []byte]("faults.double"))},
		{"a list of 2^25", []byte{0xdd, 2, 0, 0, 0}, errOf(s, worker.Named[int, []int64]("faults.double"))},
		{"a list of 2^32-1", []byte{0xdd, 255, 255, 255, 255}, errOf(s, worker.Named[int, any]("faults.double"))},
		{"a map of 2^27", []byte{0xdf, 8, 0, 0, 0}, errOf(s, worker.Named[int, any]("faults.double"))},
		{"bytes of 2^32-1", []byte{0xc6, 255, 255, 255, 255}, errOf(s, worker.Named[int, []byte]("faults.double"))},
		{"two million levels", deep, errOf(s, worker.Named[int, any]("faults.double"))},
		{"two million levels, skipped", append([]byte{0x81, 0xa1, 'q'}, deep...), errOf(s, worker.Named[int, pair]("faults.double"))},
		{"a list for a key", []byte{0x81, 0x91, 1, 1}, errOf(s, worker.Named[int, any]("faults.double"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.spoil(func(p *puppet, j job) {
				p.write(append(j.started(0), j.results(0, wire.Value, test.value)...))
			})
			var err error
			grown := allocated(func() { err = test.call() })
			onSide("parent")(t, err)
			assert.Less(t, grown, uint64(1<<20+8*len(test.value)), "bytes allocated")
		})
	}
	s.works()
	assert.Equal(t, 1, s.started(), "the puppet has done nothing wrong")
}

// errOf returns a call of fn, of which only the error counts.
func errOf[R any](s *spoiler, fn worker.Func[int, R]) func() error {
	return func() error {
		_, err := call(s.fixture, fn, 21)
		return err
	}
}

// Errors from a worker may be damaged or hostile as well.
func TestRow080ErrorsThatDoNotDecodeAreErrorsAllTheSame(t *testing.T) {
	s := newSpoiler(t)
	long := strings.Repeat("x", 1<<20)
	for _, outcome := range []wire.Outcome{wire.Failed, wire.Panicked, wire.Unencodable, wire.Undecodable, wire.Unknown} {
		for name, value := range map[string][]byte{
			"nothing": nil, "nil": {0xc0}, "a number": {42}, "a broken map": {0x83, 1}, "an empty map": {0x80}, "reserved": {0xc1},
			"a long text":  pack(map[string]any{"msg": long, "type": long, "value": long, "stack": long}),
			"invalid text": pack(map[string]any{"msg": "\xff\xfe\x1b[31m\x00", "value": "\xff\x1b]0;\a"}),
			"deep":         append(bytes.Repeat([]byte{0x81, 0xa6, 'c', 'a', 'u', 's', 'e', 's', 0x91}, 100_000), 0x80),
		} {
			t.Run(fmt.Sprint(outcome, " ", name), func(t *testing.T) {
				s.spoil(func(p *puppet, j job) {
					p.write(append(j.started(0), j.results(0, outcome, value)...))
				})
				_, err := call(s.fixture, double, 21)
				if assert.Error(t, err) {
					assert.LessOrEqual(t, len(err.Error()), 4<<10)
					taskError(t, err)
				}
			})
		}
	}
	assert.Equal(t, 1, s.started(), "the puppet has done nothing wrong")
}

// printVar makes a worker of this binary print that many bytes before Main.
const printVar = "FAULTS_PRINT"

func init() {
	if n := envInt(printVar, 0); n > 0 && slices.Contains(os.Args, "procpool-worker") {
		line := strings.Repeat("-", 62) + ">\n"
		writeAll(1, []byte(strings.Repeat(line, n/len(line)+1)[:n]))
	}
}

func TestRow067WhatIsPrintedBeforeTheHookIsOutputUpTo64KiB(t *testing.T) {
	for _, n := range []int{1, 64, 4096, 64 << 10} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			f := start(t, 1, pool.WithEnv(fmt.Sprint(printVar, "=", n)))
			f.works()
			f.replaced()
			ctx, cancel := context.WithTimeout(t.Context(), grace+killing)
			defer cancel()
			require.NoError(t, f.Shutdown(ctx))
			f.spent = true
			text := strings.TrimSuffix(f.stdout.String(), "\n")
			assert.Contains(t, []int{n - 1, n}, len(text), "bytes at WithStdout")
			assert.Equal(t, strings.Repeat(strings.Repeat("-", 62)+">\n", n/64+1)[:len(text)], text)
		})
	}
	for _, n := range []int{64<<10 + 1, 1 << 20} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			_, err := tryStart(t, 1, pool.WithEnv(fmt.Sprint(printVar, "=", n)))
			var failed *pool.StartError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, "hello", failed.Stage)
			assert.Contains(t, string(failed.Stdout), strings.Repeat("-", 62)+">")
			assert.Contains(t, err.Error(), "print", "a hint")
		})
	}
	t.Run("binary junk", func(t *testing.T) {
		_, opts := puppets(t, func(p *puppet) {
			p.write([]byte{0, 1, 2, 0xfe, 0xff})
			p.exit(3)
		})
		_, err := tryStart(t, 1, opts...)
		var failed *pool.StartError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, []byte{0, 1, 2, 0xfe, 0xff}, failed.Stdout)
		assert.Contains(t, err.Error(), "exit status 3")
	})
}

// printer writes to everything that a program may take for its stdout.
var printer = worker.Register("faults.printer", func(_ context.Context, line string) (int, error) {
	fmt.Println("fmt:", line)
	println("println:", line)
	writeAll(1, []byte("write: "+line+"\n"))
	writeAll(2, []byte("write2: "+line+"\n"))
	for i := range 64 { // every low descriptor that is no file of the runtime's
		target, _ := os.Readlink(fmt.Sprint("/proc/self/fd/", i))
		if i <= 2 && strings.HasPrefix(target, "pipe:") {
			writeAll(i, []byte(fmt.Sprintf("fd%d: %s\n", i, line)))
		}
	}
	out, err := os.OpenFile("/dev/stdout", os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	fmt.Fprintln(out, "/dev/stdout:", line)
	cmd := exec.Command("/bin/sh", "-c", `echo "echo: $0"; echo "echo2: $0" >&2`, line)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return len(line), cmd.Run()
})

func TestRow068WhatATaskPrintsArrivesWholeAndTheWireIsUntouched(t *testing.T) {
	const n = 40
	f := start(t, 2)
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("line %d %s.", i, strings.Repeat("x", i*50))
	}
	results, err := pool.Map(t.Context(), f.Pool, printer, lines)
	require.NoError(t, err)
	for i, line := range lines {
		assert.Equal(t, len(line), results[i])
	}
	ctx, cancel := context.WithTimeout(t.Context(), grace+killing)
	defer cancel()
	require.NoError(t, f.Shutdown(ctx))
	f.spent = true
	out, errs := strings.Split(f.stdout.String(), "\n"), strings.Split(f.stderr.String(), "\n")
	for _, line := range lines {
		for _, prefix := range []string{"fmt: ", "write: ", "fd1: ", "/dev/stdout: ", "echo: "} {
			assert.Contains(t, out, prefix+line)
		}
		for _, prefix := range []string{"println: ", "write2: ", "fd2: ", "echo2: "} {
			assert.Contains(t, errs, prefix+line)
		}
	}
	assert.Len(t, out, 5*n+1, "lines on stdout")
	assert.Len(t, errs, 4*n+1, "lines on stderr")
}

// scanner reads what a program may take for its stdin.
var scanner = worker.Register("faults.scanner", func(context.Context, struct{}) (string, error) {
	var word string
	if n, err := fmt.Scan(&word); err == nil {
		return "", fmt.Errorf("Scan read %d words: %q", n, word)
	}
	b := make([]byte, 100)
	if n, err := syscall.Read(0, b); n != 0 || err != nil {
		return "", fmt.Errorf("read: %d bytes, %w", n, err)
	}
	out, err := exec.Command("/bin/sh", "-c", "cat; cat </dev/stdin; read x; echo end $?").Output()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("cat")
	cmd.Stdin = os.Stdin
	more, err := cmd.Output()
	return string(out) + string(more), err
})

func TestRow069TaskThatReadsStdinFindsItsEndAtOnce(t *testing.T) {
	f := start(t, 1)
	var futures []*pool.Future[string]
	for range 10 { // with more tasks already in the pipe that could be stolen
		futures = append(futures, submit(f, scanner, struct{}{}))
	}
	for _, future := range futures {
		text, err := await(t, future)
		assert.NoError(t, err)
		assert.Equal(t, "end 1\n", text)
	}
	assert.EqualValues(t, 0, f.Stats().Restarts)
}

// What a task can find among its descriptors: standard ones, nothing of the parent's or its neighbours'.
var openFiles = worker.Register("faults.openFiles", func(context.Context, struct{}) (map[string]string, error) {
	found := map[string]string{}
	entries, err := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", entry.Name())); err == nil {
			found[entry.Name()] = target
		}
	}
	return found, err
})

// The heir has inherited a descriptor that is not close-on-exec.
var _ = role("heir", func() int {
	ctx := context.Background()
	p, err := pool.New(ctx, helperOptions(3)...)
	if err != nil {
		report(judged(err))
		return 1
	}
	defer p.Close()
	results, err := pool.Broadcast(ctx, p, openFiles, struct{}{})
	report(judged(err))
	var all []map[string]string
	for _, r := range results {
		all = append(all, r.Value)
	}
	report(all)
	return 0
})

func TestRow112NothingOfTheParentsOrANeighboursIsOpenInAWorker(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	secret, err := os.Create(filepath.Join(t.TempDir(), "secret"))
	require.NoError(t, err)
	defer secret.Close()
	h := startHelperAs(t, func(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{nil, secret, nil, secret} }, "heir")
	var v verdict
	h.hear(&v)
	require.Empty(t, v.Err)
	var workers []map[string]string
	h.hear(&workers)
	require.Len(t, workers, 3)
	pipes := map[string]int{} // by name: in how many workers
	for _, files := range workers {
		seen := map[string]bool{}
		for fd, target := range files {
			assert.NotContains(t, target, "secret", "descriptor %s", fd)
			if strings.HasPrefix(target, "pipe:") && !seen[target] {
				seen[target] = true
				pipes[target]++
			}
		}
		assert.Equal(t, "/dev/null", files["0"])
	}
	for name, n := range pipes {
		assert.Equal(t, 1, n, "%s is open in several workers", name)
	}
	h.wait()
}
