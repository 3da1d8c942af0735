package stack

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

const dump = `SIGQUIT: quit
PC=0x498597 m=2 sigcode=0

goroutine 1 [select]:
main.main()
	/src/main.go:7 +0x1

goroutine 7 [sleep]:
time.Sleep(0x3b9aca00)
	/go/src/runtime/time.go:363 +0x165
runtime.gopark(0x0, 0x1)
	/go/src/runtime/proc.go:462 +0xce
example.org/x/disk.(*File).wait(0xc000012345, {0x1, 0x2})
	/src/disk/file.go:99 +0x20
main.init.func6({0x1}, {0x2})
	/src/trials.go:113 +0x9d
example.org/procpool/worker.Register[...].func1.1({0x1})
	/src/worker/register.go:55 +0x22c
`

const panicked = `goroutine 19 [running]:
runtime/debug.Stack()
	/go/src/runtime/debug/stack.go:26 +0x5e
example.org/serve.panicked({0x1})
	/src/exec.go:284 +0x48
panic({0x8e39a0?, 0x36529c8d2e30?})
	/go/src/runtime/panic.go:860 +0x13a
main.init.func8({0x3?})
	/src/trials.go:142 +0x2d
example.org/worker.Register[...].func1.1({0x3})
	/src/register.go:55 +0x236
`

func TestTheFrameOfATaskIsItsInnermostOne(t *testing.T) {
	assert.Equal(t, "time.Sleep (time.go:363)", Frame(dump), "what the function called says most")
	assert.Equal(t, "main.init.func8 (trials.go:142)", Frame(panicked))
	goroutine, found := Goroutine(dump)
	assert.True(t, found)
	assert.NotContains(t, goroutine, "goroutine 1 ")
	assert.Contains(t, goroutine, "goroutine 7 ")
	for _, text := range []string{"", "Traceback (most recent call last):\n", "goroutine 1\n/worker.Register", "\t\n/worker.Register", "\n\tx\n/worker.Register"} {
		assert.NotPanics(t, func() { Frame(text) }, text)
	}
	assert.Empty(t, Frame("goroutine 1 [x]:\nmain.main()\n\tx.go:1 +0x1\n"))
}
