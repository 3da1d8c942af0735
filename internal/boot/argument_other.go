//go:build !linux

package boot

func keepArgument() {}

// ShowSlot makes tools show the slot of a worker that was a spare, on Linux.
func ShowSlot(int) {}
