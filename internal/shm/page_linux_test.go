package shm_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/shm"
)

// again is another descriptor of a file, as a child has it.
func again(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	require.NoError(t, err)
	return os.NewFile(uintptr(fd), "again")
}

func TestBothMappingsSeeTheSamePage(t *testing.T) {
	parent, err := shm.New()
	require.NoError(t, err)
	defer parent.Close()
	worker, err := shm.Open(again(t, parent.File()))
	require.NoError(t, err)
	defer worker.Close()
	parent.Arm(9, 3)
	claims := worker.Claimer(9)
	offset, ok := claims.Claim()
	require.True(t, ok)
	require.Zero(t, offset)
	require.Equal(t, 1, parent.Recall(9, 0))
	_, ok = claims.Claim()
	require.False(t, ok)
	worker.Ring().Publish([]byte("result"))
	items, ok := parent.Unreceived(3)
	require.True(t, ok)
	require.Equal(t, "ult", string(items))
}

// A page that shrinks under its reader kills it by SIGBUS, which nothing recovers from.
func TestThePageCannotBeMadeShorter(t *testing.T) {
	page, err := shm.New()
	require.NoError(t, err)
	defer page.Close()
	file := again(t, page.File())
	defer file.Close()
	require.ErrorIs(t, file.Truncate(0), unix.EPERM)
	require.ErrorIs(t, file.Truncate(shm.Size*2), unix.EPERM)
	_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE)
	require.Error(t, err, "no seal can be added")
}

func TestWhatIsNoStatusPageIsNotMapped(t *testing.T) {
	memfd := func(size int64, seals int) *os.File {
		fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		require.NoError(t, err)
		file := os.NewFile(uintptr(fd), "test")
		require.NoError(t, file.Truncate(size))
		if seals != 0 {
			_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals)
			require.NoError(t, err)
		}
		return file
	}
	const all = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	plain, err := os.CreateTemp(t.TempDir(), "plain")
	require.NoError(t, err)
	for name, file := range map[string]*os.File{
		"a plain file":       plain,
		"no seals":           memfd(shm.Size, 0),
		"a seal too few":     memfd(shm.Size, unix.F_SEAL_GROW|unix.F_SEAL_SEAL),
		"too short":          memfd(shm.Size-1, all),
		"empty":              memfd(0, all),
		"without the magic":  memfd(shm.Size, all),
		"longer than a page": memfd(2*shm.Size, all),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := shm.Open(file)
			require.Error(t, err)
		})
	}
}
