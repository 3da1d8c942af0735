//go:build linux && cgo

package main

import "github.com/procpool/procpool/internal/faults/crash"

// segfault writes through a null pointer in C.
func segfault() { crash.Fault() }
