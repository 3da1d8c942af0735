package blob

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// files makes a test run with memfd and without.
func files(t *testing.T, test func(t *testing.T, create func([]byte) (*Memory, error))) {
	t.Helper()
	t.Run("memfd", func(t *testing.T) { test(t, New) })
	t.Run("file", func(t *testing.T) {
		test(t, func(data []byte) (*Memory, error) {
			file, err := newFile(data)
			if err != nil {
				return nil, err
			}
			m := &Memory{file: file}
			return m, m.stat()
		})
	})
}

// mapped counts the mappings of this process whose line in /proc/self/maps contains text.
func mapped(t *testing.T, text string) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return strings.Count(string(maps), text)
}

func TestMemoryIsWhatWasWritten(t *testing.T) {
	files(t, func(t *testing.T, create func([]byte) (*Memory, error)) {
		for _, n := range []int{0, 1, 4095, 4096, 1<<20 + 1} {
			want := bytes.Repeat([]byte{7}, n)
			m, err := create(want)
			require.NoError(t, err)
			require.Equal(t, n, m.Size())
			got, err := m.Copy()
			require.NoError(t, err)
			require.Equal(t, want, got)
			got, err = m.Bytes()
			require.NoError(t, err)
			require.Equal(t, want, got)
			again, err := m.Bytes()
			require.NoError(t, err)
			if n > 0 {
				require.Same(t, &got[0], &again[0])
			}
			m.Close()
			m.Close()
			_, err = m.Bytes()
			require.ErrorIs(t, err, ErrReleased)
			_, err = m.Copy()
			require.ErrorIs(t, err, ErrReleased)
		}
	})
	require.Zero(t, mapped(t, "procpool-blob"))
}

func TestNobodyCanChangeTheMemory(t *testing.T) {
	files(t, func(t *testing.T, create func([]byte) (*Memory, error)) {
		m, err := create([]byte("sealed"))
		require.NoError(t, err)
		defer m.Close()
		_, err = m.file.WriteAt([]byte("x"), 0)
		require.Error(t, err)
		require.Error(t, m.file.Truncate(0))
		require.Error(t, m.file.Truncate(1<<20))
		_, err = unix.MmapPtr(int(m.file.Fd()), 0, nil, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.Error(t, err)
	})
}

func TestWritingToTheBytesIsAFault(t *testing.T) {
	m, err := New([]byte("read only"))
	require.NoError(t, err)
	defer m.Close()
	data, err := m.Bytes()
	require.NoError(t, err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	require.Panics(t, func() { data[0] = 'x' })
}

// A goroutine that reads behind its task's back must not end the process.
func TestWhoReadsRetiredMemoryFindsZeros(t *testing.T) {
	m, err := New(bytes.Repeat([]byte{7}, 1<<20))
	require.NoError(t, err)
	data, err := m.Bytes()
	require.NoError(t, err)
	require.Equal(t, 1, mapped(t, "procpool-blob"))
	m.Retire()
	require.Zero(t, mapped(t, "procpool-blob"), "the memory itself is given back at once")
	require.Equal(t, make([]byte, 1<<20), data)
	_, err = m.Bytes()
	require.ErrorIs(t, err, ErrReleased)
	runtime.KeepAlive(m)
}

func TestTheCollectorGivesBackWhatIsForgotten(t *testing.T) {
	func() {
		m, err := New(make([]byte, 1<<20))
		require.NoError(t, err)
		_, err = m.Bytes()
		require.NoError(t, err)
	}()
	for end := time.Now().Add(10 * time.Second); mapped(t, "procpool-blob") > 0; time.Sleep(time.Millisecond) {
		runtime.GC()
		require.True(t, time.Now().Before(end))
	}
}

func TestOnlySealedMemoryIsAdoptedFromAStranger(t *testing.T) {
	memfd := func(size int64, data string, with int) *os.File {
		fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		require.NoError(t, err)
		file := os.NewFile(uintptr(fd), "test")
		_, err = file.WriteString(data)
		require.NoError(t, err)
		require.NoError(t, file.Truncate(size))
		_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, with)
		require.NoError(t, err)
		return file
	}
	plain, err := newFile([]byte("plain"))
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	zero, err := os.Open("/dev/zero")
	require.NoError(t, err)
	dir, err := os.Open("/")
	require.NoError(t, err)
	for name, file := range map[string]*os.File{
		"a plain file": plain, "a pipe": r, "a device": zero, "a directory": dir,
		"no seals":           memfd(5, "12345", 0),
		"can be shortened":   memfd(5, "12345", seals&^unix.F_SEAL_SHRINK),
		"can be written":     memfd(5, "12345", seals&^unix.F_SEAL_WRITE),
		"seals can be added": memfd(5, "12345", seals&^unix.F_SEAL_SEAL),
		"holes":              memfd(1<<40, "12345", seals),
	} {
		_, err := Adopt(file, false)
		require.Error(t, err, name)
		require.ErrorIs(t, file.Close(), os.ErrClosed, name)
	}
	m, err := Adopt(memfd(5, "12345", seals), false)
	require.NoError(t, err)
	got, err := m.Copy()
	require.NoError(t, err)
	require.Equal(t, "12345", string(got))
	m.Close()
}

func links(t *testing.T) (parent, worker Link) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	parent, worker = NewLink(os.NewFile(uintptr(p[0]), "parent"), false), NewLink(os.NewFile(uintptr(p[1]), "worker"), true)
	t.Cleanup(func() { parent.Close(); worker.Close() })
	return parent, worker
}

func TestMemoryPassesALinkBothWays(t *testing.T) {
	test := func(t *testing.T, parent, worker Link) {
		m, err := New([]byte("contents"))
		require.NoError(t, err)
		defer m.Close()
		for _, ends := range [][2]Link{{parent, worker}, {worker, parent}} {
			from, to := ends[0], ends[1]
			_, _, err := to.Recv(false)
			require.ErrorIs(t, err, ErrEmpty)
			require.NoError(t, from.Send(Here, m, false))
			require.NoError(t, from.Send(Gone, nil, true))
			s, got, err := to.Recv(true)
			require.NoError(t, err)
			require.Equal(t, Here, s)
			data, err := got.Bytes()
			require.NoError(t, err)
			require.Equal(t, "contents", string(data))
			got.Close()
			s, got, err = to.Recv(true)
			require.NoError(t, err)
			require.Equal(t, Gone, s)
			require.Nil(t, got)
		}
		require.NoError(t, parent.Close())
		_, _, err = worker.Recv(true)
		require.Error(t, err)
	}
	t.Run("socket", func(t *testing.T) { parent, worker := links(t); test(t, parent, worker) })
	t.Run("local", func(t *testing.T) { parent, worker := Pair(); test(t, parent, worker) })
}

func TestWhoDoesNotTakeWhatIsSentIsFoundOut(t *testing.T) {
	parent, _ := links(t)
	m, err := New([]byte("contents"))
	require.NoError(t, err)
	defer m.Close()
	for n := 0; ; n++ {
		require.Less(t, n, 1_000_000)
		if err = parent.Send(Here, m, false); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, ErrFull)
}

func TestMoreDescriptorsThanOneAreClosed(t *testing.T) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	parent := NewLink(os.NewFile(uintptr(p[0]), "parent"), false)
	defer parent.Close()
	defer unix.Close(p[1])
	before := len(openFiles(t))
	for _, n := range []int{2, 3, 100, 253} {
		fds := make([]int, n)
		for i := range fds {
			fds[i] = p[1]
		}
		require.NoError(t, unix.Sendmsg(p[1], []byte{1}, unix.UnixRights(fds...), nil, 0))
		_, _, err := parent.Recv(false)
		require.ErrorContains(t, err, "more than one")
		require.Len(t, openFiles(t), before)
	}
}

func TestAProcessWithoutDescriptorsSaysSoAndGoesOn(t *testing.T) {
	parent, worker := links(t)
	m, err := New([]byte("contents"))
	require.NoError(t, err)
	defer m.Close()
	require.NoError(t, worker.Send(Here, m, true))
	require.NoError(t, worker.Send(Here, m, true))
	var was unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: was.Max}))
	_, _, got := parent.Recv(false)
	_, made := New([]byte("x"))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &was))
	require.ErrorIs(t, got, ErrNoRoom)
	require.ErrorIs(t, made, unix.EMFILE)
	s, again, err := parent.Recv(false)
	require.NoError(t, err)
	require.Equal(t, Here, s)
	again.Close()
}

func openFiles(t *testing.T) []os.DirEntry {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return entries
}
