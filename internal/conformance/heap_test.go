//go:build unix

package conformance_test

import "runtime"

// heap is what the process has allocated and not yet dropped.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
