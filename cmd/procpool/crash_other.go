//go:build !linux

package main

import "os"

// segfault dies of a bad pointer as a Go program does: nobody recovers the panic of
// another goroutine.
func segfault() {
	go func() { *nowhere = 1 }()
	select {}
}

func killSelf() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {} // until it has ended
}

// nowhere points to no memory, which the compiler must not know.
var nowhere *int
