package blob

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func newUnsealed(t *testing.T) (file *os.File, mapping []byte) {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	require.NoError(t, err)
	file = os.NewFile(uintptr(fd), "test")
	t.Cleanup(func() { file.Close() })
	require.NoError(t, file.Truncate(4096))
	mapping, err = unix.Mmap(fd, 0, 4096, unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	return file, mapping
}

// A mapping that can be written to is the one way to be busy that a test can bring about.
func TestMemoryThatIsBusyForAMomentIsSealedNevertheless(t *testing.T) {
	file, mapping := newUnsealed(t)
	time.AfterFunc(20*time.Millisecond, func() { _ = unix.Munmap(mapping) })
	require.NoError(t, seal(file))
	got, err := unix.FcntlInt(file.Fd(), unix.F_GET_SEALS, 0)
	require.NoError(t, err)
	require.Equal(t, seals, got)
}

func TestMemoryThatStaysBusyIsNotWaitedForForEver(t *testing.T) {
	file, mapping := newUnsealed(t)
	defer func() { require.NoError(t, unix.Munmap(mapping)) }()
	require.ErrorIs(t, seal(file), unix.EBUSY)
}
