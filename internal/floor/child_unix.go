//go:build unix

package floor

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
)

// childName is the first argument of a process that Start started.
const childName = "procpool-floor"

// A Child is the other process of an exchange. It is used by one goroutine at a time.
type Child struct {
	process *os.Process
	to      int // blocking descriptors, not in the poller
	from    int
}

// Main plays the child in a process that Start started, and does not return then.
func Main() {
	if len(os.Args) < 2 || os.Args[1] != childName {
		return
	}
	if err := play(os.Args[2:]); err != io.EOF {
		fmt.Fprintf(os.Stderr, "floor: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// play returns io.EOF when the other side has closed its end, and nothing else is as it should be.
func play(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "echo":
		size, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return playEcho(size)
	case len(args) == 1 && args[0] == "batches":
		return playBatches()
	}
	return fmt.Errorf("no exchange is called %q", args)
}

// playEcho reads each message whole before it writes.
func playEcho(size int) error {
	message := make([]byte, size)
	for {
		if err := readFull(0, message); err != nil {
			return err
		}
		if err := writeAll(1, message); err != nil {
			return err
		}
	}
}

// StartEcho starts a child that echoes messages of size bytes.
func StartEcho(size int) (*Child, error) { return start("echo", strconv.Itoa(size)) }

// StartBatches starts a child for Successors.
func StartBatches() (*Child, error) { return start("batches") }

func start(args ...string) (*Child, error) {
	theirIn, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirIn.Close()
	from, theirOut, err := os.Pipe()
	if err != nil {
		to.Close()
		return nil, err
	}
	defer theirOut.Close()
	defer to.Close()
	defer from.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	argv := append([]string{os.Args[0], childName}, args...)
	process, err := os.StartProcess(self, //nolint:gosec // it is this program
		argv, &os.ProcAttr{Files: []*os.File{theirIn, theirOut, os.Stderr}})
	if err != nil {
		return nil, err
	}
	c := &Child{process: process}
	if c.to, err = blocking(to); err == nil {
		if c.from, err = blocking(from); err == nil {
			return c, nil
		}
		_ = syscall.Close(c.to)
	}
	_ = process.Kill()
	_, _ = process.Wait()
	return nil, err
}

// blocking returns a descriptor for the same end of a pipe that the poller knows nothing of.
func blocking(f *os.File) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Dup(int(f.Fd())) // Fd has made the end block
	if err != nil {
		return -1, err
	}
	syscall.CloseOnExec(fd)
	return fd, nil
}

// Echo sends a message and reads it back into answer, which is as long. Both may be the same.
func (c *Child) Echo(message, answer []byte) error {
	if err := writeAll(c.to, message); err != nil {
		return err
	}
	return readFull(c.from, answer)
}

// Close ends the child and waits for it.
func (c *Child) Close() {
	_ = syscall.Close(c.to)
	_ = syscall.Close(c.from)
	_, _ = c.process.Wait()
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := syscall.Write(fd, b)
		if err != nil && err != syscall.EINTR {
			return err
		}
		b = b[max(n, 0):]
	}
	return nil
}

func readFull(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := syscall.Read(fd, b)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		}
		b = b[max(n, 0):]
	}
	return nil
}
