package boot

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDescriptorsAreMarkedWithOrWithoutCloseRange(t *testing.T) {
	for name, mark := range map[string]func(int){"close_range": CloseOnExecFrom, "one by one": closeOnExecEach} {
		t.Run(name, func(t *testing.T) {
			below, above := dupFrom(t, 40), dupFrom(t, 50)
			mark(50)
			if isMarked(t, below) || !isMarked(t, above) {
				t.Errorf("%d: %v, %d: %v", below, isMarked(t, below), above, isMarked(t, above))
			}
			if !slices.Contains(openDescriptors(), above) || !slices.Contains(someDescriptors(), above) {
				t.Errorf("descriptor %d is not listed", above)
			}
		})
	}
}

func TestAnInputThatEndedNeedsNoDevice(t *testing.T) {
	fd, err := endedPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if n, err := unix.Read(fd, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}

// dupFrom opens a descriptor that is inheritable and has at least the number first.
func dupFrom(t *testing.T, first int) int {
	t.Helper()
	fd, err := unix.FcntlInt(2, unix.F_DUPFD, first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func isMarked(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.FD_CLOEXEC != 0
}
