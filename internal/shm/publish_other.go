//go:build !amd64 || race

package shm

import "sync/atomic"

// publish stores v where others see it after all that was stored before.
func publish(word *uint64, v uint64) { atomic.StoreUint64(word, v) }
