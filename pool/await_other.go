//go:build !linux

package pool

import (
	"syscall"
	"time"
)

// canListen says that a caller can wait for his answer himself. Here he would wait for milliseconds at least.
const canListen = false

type waiter struct{}

func newWaiter(syscall.RawConn) *waiter { return nil }

func (*waiter) await(time.Duration) bool { return false }
