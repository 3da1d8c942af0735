package boot

import (
	"os"
	"strconv"
	"strings"
	"unsafe"
)

// argument is where the kernel has the last argument of a spare, which tools show; nil in other processes. On Linux Go's os.Args are not copies.
var argument []byte

// keepArgument keeps the memory of the last argument for ShowSlot. What the program sees in os.Args becomes a copy, and stays as it is: somebody may
// be reading it when the slot is known.
func keepArgument() {
	if len(os.Args) == 0 {
		return
	}
	last := &os.Args[len(os.Args)-1]
	argument = unsafe.Slice(unsafe.StringData(*last), len(*last))
	*last = strings.Clone(*last)
}

// ShowSlot makes tools (ps, top) show the slot of a worker that was a spare. It does nothing where the number is longer than the word that stands there.
func ShowSlot(slot int) {
	text := strconv.Itoa(slot)
	if len(text) > len(argument) {
		return
	}
	clear(argument[copy(argument, text):])
}
