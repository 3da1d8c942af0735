package leaktest

import (
	"runtime"
	"strings"
)

// A goroutine as it appears in a dump.
type goroutine struct {
	id    string
	stack string
}

// forEver are the goroutines that live as long as the process, by a line of their stacks. Those of package testing are
// older than the tests and need not be named.
var forEver = []string{
	"internal/proc.(*spawner).loop", // one per niceness, see there
	"os/signal.loop",                // since the first signal.Notify
}

// expected reports whether g is no leak by its nature.
func (g goroutine) expected() bool { return containsAny(g.stack, forEver) }

// goroutines lists all goroutines of the program.
func goroutines() (all []goroutine) {
	for stack := range strings.SplitSeq(strings.TrimSpace(dump()), "\n\n") {
		if id, ok := goroutineID(stack); ok {
			all = append(all, goroutine{id: id, stack: stack})
		}
	}
	return all
}

// goroutineID reads "goroutine 7 [select]:".
func goroutineID(stack string) (string, bool) {
	rest, ok := strings.CutPrefix(stack, "goroutine ")
	if !ok {
		return "", false
	}
	id, _, ok := strings.Cut(rest, " ")
	return id, ok
}

func dump() string {
	for size := 1 << 16; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return string(buf[:n])
		}
	}
}
