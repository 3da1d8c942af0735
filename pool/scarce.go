package pool

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/procpool/procpool/internal/blob"
)

// collections is how often this process collects garbage because descriptors or memory are scarce: it is the same garbage for all pools.
var collections struct {
	mu   sync.Mutex // held while it collects: who finds them scarce meanwhile waits and has the good of it
	last time.Time  // when it last began
}

const (
	collectEvery = time.Second           // at most: where nothing is forgotten, collecting is of no use
	freedWithin  = 50 * time.Millisecond // the runtime runs cleanups some time after the collection that found them
)

// isScarce reports whether an error says that this process, or the system, has no descriptor or memory left.
func isScarce(err error) bool {
	for _, e := range []error{blob.ErrNoRoom, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// collect frees what was forgotten and never released, of which the collector knows only that it is small. It waits until something is freed, for moments.
func (s *blobs) collect() {
	collections.mu.Lock()
	defer collections.mu.Unlock()
	if n, _ := s.count(); n == 0 || time.Since(collections.last) < collectEvery {
		return
	}
	collections.last = time.Now()
	select {
	case <-s.freed: // earlier
	default:
	}
	runtime.GC()
	select {
	case <-s.freed:
	case <-time.After(freedWithin):
	}
}

// scarce adds to an error what may be the reason.
func (s *blobs) scarce(err error) error {
	n, _ := s.count()
	return fmt.Errorf("%w; the pool has %s", err, unreleased(n))
}

func unreleased(n int) string {
	if n == 1 {
		return "1 Blob that is not released"
	}
	return fmt.Sprintf("%d Blobs that are not released", n)
}
