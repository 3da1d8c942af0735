//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package boot

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// The descriptors that a worker is started with.
const (
	fdIn   = 0
	fdOut  = 1
	fdErr  = 2
	fdLife = 3
	fdPage = 4
	fdText = 5

	fdBlobs = 6

	firstHigh = 10 // the lowest number for descriptors that tasks should not stumble over
)

func takeFiles() (files Files, err error) {
	if err := checkWire(); err != nil {
		return Files{}, err
	}
	defer func() {
		if err != nil {
			files.close()
			files = Files{}
		}
	}()
	if files.In, err = takeWire(fdIn, "wire in"); err != nil {
		return files, err
	}
	if files.Out, err = takeWire(fdOut, "wire out"); err != nil {
		return files, err
	}
	if files.Page, err = takePage(); err != nil {
		return files, err
	}
	if files.Blobs, err = takeBlobs(); err != nil {
		return files, err
	}
	if err = replaceStdin(); err != nil {
		return files, err
	}
	if err = replaceStdout(); err != nil {
		return files, err
	}
	CloseOnExecFrom(3)
	return files, nil
}

func (f Files) close() {
	for _, file := range []*os.File{f.In, f.Out, f.Page, f.Blobs} {
		file.Close() // of a nil file: an error, nothing else
	}
}

// checkWire tells a worker from a program that somebody started by hand with the marker still in the environment.
func checkWire() error {
	for fd, name := range []string{"standard input", "standard output"} {
		if !isChannel(fd) {
			return strayMarker(fmt.Errorf("its %s is neither a pipe nor a socket", name))
		}
	}
	return nil
}

func isChannel(fd int) bool { return hasType(fd, unix.S_IFIFO, unix.S_IFSOCK) }

func isPipe(fd int) bool { return hasType(fd, unix.S_IFIFO) }

func hasType(fd int, types ...uint32) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return false
	}
	return slices.Contains(types, uint32(st.Mode)&unix.S_IFMT) //nolint:unconvert // 16 bits on Darwin
}

// takeWire moves one direction of the wire to a high number and, where wirePolled says so, into the runtime's poller.
func takeWire(fd int, name string) (*os.File, error) {
	high, err := dupHigh(fd, name)
	if err != nil {
		return nil, err
	}
	// The parent's end is another open file description and 0 and 1 are about to be replaced: nobody else sees this flag.
	if err := unix.SetNonblock(high, wirePolled); err != nil {
		unix.Close(high)
		return nil, fmt.Errorf("procpool: %s: %w", name, err)
	}
	return os.NewFile(uintptr(high), name), nil
}

// takePage moves the status page to a high number, where the marker promises one.
func takePage() (*os.File, error) {
	if !current.marker.Page {
		return nil, nil
	}
	high, err := dupHigh(fdPage, "status page")
	if err != nil {
		return nil, err
	}
	unix.Close(fdPage)
	return os.NewFile(uintptr(high), "status page"), nil
}

// takeBlobs moves the socket for descriptors to a high number, where the parent has made one.
func takeBlobs() (*os.File, error) {
	if !hasType(fdBlobs, unix.S_IFSOCK) {
		return nil, nil
	}
	high, err := dupHigh(fdBlobs, "link")
	if err != nil {
		return nil, err
	}
	unix.Close(fdBlobs)
	return os.NewFile(uintptr(high), "link"), nil
}

func dupHigh(fd int, name string) (int, error) {
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstHigh)
	if err != nil {
		return -1, fmt.Errorf("procpool: %s: %w", name, err)
	}
	return high, nil
}

// replaceStdin gives tasks an input that has ended.
func replaceStdin() error {
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		null, err = endedPipe() // a root directory without /dev
	}
	if err != nil {
		return fmt.Errorf("procpool: replacing stdin: %w", err)
	}
	return moveTo(null, fdIn, "replacing stdin")
}

// endedPipe is a pipe that nobody can write any more.
func endedPipe() (int, error) {
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		return -1, err
	}
	unix.Close(p[1])
	return p[0], nil
}

// replaceStdout gives tasks an output of their own. Without one from the parent they share stderr.
func replaceStdout() error {
	if isPipe(fdText) {
		return moveTo(fdText, fdOut, "replacing stdout")
	}
	if err := dupOnto(fdErr, fdOut); err != nil {
		return fmt.Errorf("procpool: replacing stdout: %w", err)
	}
	return nil
}

// moveTo makes from become to, inheritable.
func moveTo(from, to int, step string) error {
	err := dupOnto(from, to)
	unix.Close(from)
	if err != nil {
		return fmt.Errorf("procpool: %s: %w", step, err)
	}
	return nil
}

// dupOnto is dup2, begun again if a signal came between.
func dupOnto(from, to int) error {
	for {
		err := dup2(from, to)
		if !errors.Is(err, syscall.EINTR) && !errors.Is(err, syscall.EBUSY) {
			return err
		}
	}
}

// shrugOffInterrupt makes SIGINT do nothing to this process. The signal is caught rather than ignored, although that costs
// a thread: an ignored signal stays ignored in whatever a task starts, where shells and Python then refuse to handle it
// and a task's own exec.Cmd cannot be interrupted. A caught one is back to its default there.
func shrugOffInterrupt() {
	// Nobody receives; package signal drops what does not fit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT)
}
