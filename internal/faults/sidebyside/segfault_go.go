//go:build linux && !cgo

package main

import "unsafe"

// segfault reads where nothing is mapped, which ends a program as a fault in C does. The indirection keeps vet and the compiler from
// seeing that it is no pointer.
func segfault() {
	address := uintptr(0x1ead0000beef)
	if **(**byte)(unsafe.Pointer(&address)) == 0 {
		return
	}
}
