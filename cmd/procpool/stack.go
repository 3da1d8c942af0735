package main

import (
	"path"
	"strings"
)

// taskFrame is where a task was, as "function (file:line)": the innermost frame of its goroutine that is not the
// runtime's. It is "" where the stack, which another program may have written, does not tell.
func taskFrame(stack string) string {
	for goroutine := range strings.SplitSeq(stack, "\n\n") {
		if before, _, isTask := strings.Cut(goroutine, "/worker.Register"); isTask {
			if at := strings.LastIndex(before, "\npanic("); at >= 0 {
				before = before[at+1:] // what is above it is about the panic, not of it
			}
			return innermost(before)
		}
	}
	return ""
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
