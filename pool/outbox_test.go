package pool

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// narrow is a pipe that takes little at once, and has to be emptied.
type narrow struct {
	mu     sync.Mutex
	room   int
	got    []byte
	more   *sync.Cond
	closed bool
}

func newNarrow() *narrow {
	n := &narrow{}
	n.more = sync.NewCond(&n.mu)
	return n
}

var errNarrow = errors.New("the pipe is closed")

// Send implements pipe.
func (n *narrow) Send(wait bool, step func(vectorWriter) bool) error {
	for !step(n) && wait {
		n.mu.Lock()
		for n.room == 0 && !n.closed {
			n.more.Wait()
		}
		n.mu.Unlock()
	}
	return nil
}

// writeVector implements vectorWriter.
func (n *narrow) writeVector(pieces [][]byte) (done int, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, b := range pieces {
		if n.closed {
			return done, errNarrow
		}
		take := min(len(b), n.room)
		n.got = append(n.got, b[:take]...)
		n.room -= take
		done += take
	}
	return done, nil
}

func (n *narrow) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	n.more.Broadcast()
	return nil
}

// empty makes room and returns how much has come.
func (n *narrow) empty(room int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.room = room
	n.more.Broadcast()
	return len(n.got)
}

func TestFramesLeaveInTheirOrderWhoeverWritesThem(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		pipe := newNarrow()
		o := newOutbox(pipe, nil)
		var running sync.WaitGroup
		running.Go(o.run)
		var want []byte
		var order sync.Mutex // stands for core.mu
		var senders sync.WaitGroup
		for sender := range 4 {
			sizes := make([]int, 20)
			for i := range sizes {
				sizes[i] = random.IntN(2 * copyBelow)
			}
			senders.Go(func() {
				for _, size := range sizes {
					head, body := []byte{byte(sender), byte(size)}, bytes.Repeat([]byte{byte(sender)}, size)
					order.Lock()
					want = append(append(want, head...), body...)
					o.add(head, body, nil, nil)
					order.Unlock()
					o.flush()
				}
			})
		}
		done := make(chan struct{})
		go func() { senders.Wait(); close(done) }()
		require.Eventually(t, func() bool {
			come := pipe.empty(100_000)
			select {
			case <-done:
				return come == len(want)
			default:
				return false
			}
		}, 20*time.Second, time.Microsecond)
		require.True(t, bytes.Equal(want, pipe.got))
		_ = pipe.Close()
		o.end()
		running.Wait()
	}
}

func TestAnOutboxThatEndsWhileItWaitsForThePipeEndsItsGoroutine(t *testing.T) {
	for range 200 {
		pipe := newNarrow()
		o := newOutbox(pipe, nil)
		var running sync.WaitGroup
		running.Go(o.run)
		o.add([]byte("frame"), nil, nil, nil)
		running.Go(o.flush)
		_ = pipe.Close()
		o.end()
		running.Wait()
		o.add([]byte("late"), nil, nil, nil) // dropped
		o.flush()
		require.Empty(t, pipe.got)
	}
}

// The memory of a long body is the caller's: nothing may be appended to it, and it may not be used again.
func TestALongBodyIsWrittenFromWhereItIsAndLeftAlone(t *testing.T) {
	pipe := newNarrow()
	pipe.room = 1 << 20
	o := newOutbox(pipe, nil)
	backing := bytes.Repeat([]byte{'x'}, 2*copyBelow+100)
	body := backing[:2*copyBelow]
	o.add([]byte("a"), body, nil, nil)
	o.add([]byte("b"), []byte("short"), nil, nil)
	o.flush()
	require.Len(t, pipe.got, 1+len(body)+6)
	require.Equal(t, byte('x'), backing[len(body)])
	o.add([]byte("c"), nil, nil, nil)
	o.flush()
	require.Equal(t, byte('x'), backing[0])
}

// A caller whose call is answered may do with its argument what it likes.
func TestWhatIsReclaimedIsNotReadAnyMoreAndStillWritten(t *testing.T) {
	pipe := newNarrow()
	pipe.room = 10
	o := newOutbox(pipe, nil)
	lender, other := new(int), new(int)
	mine, others := bytes.Repeat([]byte{'m'}, 100), bytes.Repeat([]byte{'o'}, 100)
	o.add([]byte("head"), nil, mine, lender)
	o.add([]byte("head"), nil, others, other)
	o.flush()
	require.Equal(t, "headmmmmmm", string(pipe.got))
	o.reclaim(lender)
	clear(mine)
	require.Same(t, &others[0], &o.queue[len(o.queue)-1].buf[0], "it was not lent by the same")
	var running sync.WaitGroup
	running.Go(o.run) // flush has left the rest to it
	require.Eventually(t, func() bool { return pipe.empty(1000) == 208 }, 20*time.Second, time.Microsecond)
	require.Equal(t, "head"+string(bytes.Repeat([]byte{'m'}, 100))+"head"+string(others), string(pipe.got))
	_ = pipe.Close()
	o.end()
	running.Wait()
}

func TestAWorkerIsNudgedUntilAllOfAnUrgentFrameIsInThePipe(t *testing.T) {
	pipe := newNarrow()
	nudges := 0
	o := newOutbox(pipe, func() { nudges++ })
	pipe.room = 3
	o.add([]byte("ab"), nil, nil, nil)
	o.flush()
	require.Zero(t, nudges, "nothing was urgent")
	o.addUrgent([]byte("cd"))
	o.flush()
	require.Equal(t, "abc", string(pipe.got))
	require.Equal(t, 1, nudges, "the worker has to make room")
	pipe.room = 10
	o.write(false) // as run does
	require.Equal(t, "abcd", string(pipe.got))
	require.Equal(t, 2, nudges, "it has all of it")
	o.add([]byte("e"), nil, nil, nil)
	o.flush()
	require.Equal(t, "abcde", string(pipe.got))
	require.Equal(t, 2, nudges)
}
