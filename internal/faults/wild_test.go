//go:build linux

package faults

import "unsafe"

// touch reads at an address. The indirection keeps vet and the compiler from seeing that
// it is not a pointer.
func touch(address uintptr) error {
	p := *(**byte)(unsafe.Pointer(&address))
	if *p == 0 {
		return nil
	}
	return nil
}

// pointer is the address of a mapping that Go knows nothing of.
func pointer(address uintptr) *byte { return *(**byte)(unsafe.Pointer(&address)) }
