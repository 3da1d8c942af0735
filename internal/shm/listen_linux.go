package shm

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/spin"
)

// The listen word holds the name of the batch whose only answer the parent waits for, whether it sleeps meanwhile, and whether the worker has left the answer in the ring.
const (
	nameMask = 1<<30 - 1
	asleep   = 1 << 30
	left     = 1 << 31
)

func (p *Page) listen() *uint32 { return (*uint32)(unsafe.Pointer(&p.mem[offListen])) }

// Listen says that the parent waits for the only answer of a batch, in AwaitAnswer. It returns a name for Hush; 0 if the batch cannot be waited for.
func (p *Page) Listen(batch uint64) (name uint32) {
	name = uint32(batch) & nameMask
	atomic.StoreUint32(p.listen(), name)
	return name
}

// Listener returns for what the parent waits, 0 for nothing.
func (p *Page) Listener() uint32 { return atomic.LoadUint32(p.listen()) & nameMask }

// Leave is the worker's: it leaves the only answer of a batch, which is published, in the ring if the parent waits for that; false if it is to be
// written as always. exec is what the task took.
func (p *Page) Leave(batch uint64, exec time.Duration) bool {
	word, name := p.listen(), uint32(batch)&nameMask
	if name == 0 || atomic.LoadUint32(word)&^asleep != name {
		return false
	}
	p.word(offListen + 8).Store(uint64(exec))
	return settle(word, name, name|left)
}

// settle ends the waiting for the batch of that name, with a value for the word, and wakes who sleeps; false if nobody waits any more.
func settle(word *uint32, name, value uint32) bool {
	for {
		was := atomic.LoadUint32(word)
		if was&^asleep != name {
			return false
		}
		if atomic.CompareAndSwapUint32(word, was, value) {
			if was&asleep != 0 {
				wake(word)
			}
			return true
		}
	}
}

// Answer reports whether the answer to the batch of that name has been left in the ring, and what the task took.
func (p *Page) Answer(name uint32) (exec time.Duration, ok bool) {
	if atomic.LoadUint32(p.listen()) != name|left {
		return 0, false
	}
	return time.Duration(p.word(offListen + 8).Load()), true
}

// AwaitAnswer waits so long for the answer that Listen has announced, and reports whether it is in the ring.
func (p *Page) AwaitAnswer(d time.Duration, s *spin.Spinner) bool {
	word := p.listen()
	name := atomic.LoadUint32(word) & nameMask
	if name == 0 {
		return false
	}
	turn := s.Start()
	for atomic.LoadUint32(word) == name && turn.Again() {
	}
	turn.Stop(atomic.LoadUint32(word) != name)
	atomic.CompareAndSwapUint32(word, name, name|asleep)
	end := time.Now().Add(d)
	for atomic.LoadUint32(word) == name|asleep {
		limit := unix.NsecToTimespec(int64(max(time.Until(end), 0)))
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(name|asleep), uintptr(unsafe.Pointer(&limit)), 0, 0)
		if errno == unix.ETIMEDOUT && atomic.CompareAndSwapUint32(word, name|asleep, 0) {
			return false
		}
	}
	return atomic.LoadUint32(word) == name|left
}

// Hush ends the waiting for a batch; false if the answer has been left, or nobody waits.
func (p *Page) Hush(name uint32) bool { return name != 0 && settle(p.listen(), name, 0) }
