// Package stack reads the stacks of goroutines that workers send along with failures.
package stack

import (
	"path"
	"strings"
)

// Frame is where a task was, as "function (file:line)": the innermost frame of its goroutine that is not the
// runtime's. It is "" where the stack, which another program may have written, does not tell.
func Frame(stack string) string {
	goroutine, found := Goroutine(stack)
	if !found {
		return ""
	}
	frames, _, _ := strings.Cut(goroutine, taskMark)
	if at := strings.LastIndex(frames, "\npanic("); at >= 0 {
		frames = frames[at+1:] // what is above it is about the panic, not of it
	}
	return innermost(frames)
}

// taskMark is in the frame that calls the function.
const taskMark = "/worker.Register"

// Goroutine returns the part of a stack that is the task's.
func Goroutine(stack string) (goroutine string, found bool) {
	for goroutine := range strings.SplitSeq(stack, "\n\n") {
		if strings.Contains(goroutine, taskMark) {
			return goroutine, true
		}
	}
	return stack, false
}

// innermost returns the first frame that is not the runtime's. A frame is two lines: the call, and a tab with the
// file, its line and an offset.
func innermost(frames string) string {
	lines := strings.Split(frames, "\n")
	for i := 1; i < len(lines); i++ {
		place, isPlace := strings.CutPrefix(lines[i], "\t")
		call := lines[i-1]
		if !isPlace || isRuntimes(call) {
			continue
		}
		place, _, _ = strings.Cut(place, " ")
		if at := strings.LastIndexByte(call, '('); at > 0 {
			call = call[:at]
		}
		return path.Base(call) + " (" + path.Base(place) + ")"
	}
	return ""
}

func isRuntimes(call string) bool {
	for _, prefix := range []string{"runtime.", "runtime/", "panic(", "internal/", "syscall.", "created by "} {
		if strings.HasPrefix(call, prefix) {
			return true
		}
	}
	return false
}
