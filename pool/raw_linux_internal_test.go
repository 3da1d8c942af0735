package pool

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAWireIsReadAndFailsAsItsFile(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	wire := newWire(r)

	read := make(chan []byte)
	go func() {
		b := make([]byte, 10)
		n, _ := wire.Read(b) // it waits
		read <- b[:n]
	}()
	_, err = w.WriteString("hello")
	require.NoError(t, err)
	require.Equal(t, "hello", string(<-read))

	long := bytes.Repeat([]byte("0123456789"), 2*rawMost)
	go func() {
		_, _ = w.Write(long)
		_ = w.Close()
	}()
	got, err := io.ReadAll(io.MultiReader(io.LimitReader(wire, 100), wire))
	require.NoError(t, err)
	require.Equal(t, long, got)
	n, err := wire.Read(make([]byte, 10))
	require.Zero(t, n)
	require.Equal(t, io.EOF, err)
	n, err = wire.Read(nil)
	require.Zero(t, n)
	require.NoError(t, err)
}

func TestAWireWaitsNoLongerThanItsFileMay(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	wire := newWire(r)
	require.NoError(t, r.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, err = wire.Read(make([]byte, 10))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, r.SetReadDeadline(time.Time{}))

	closed := make(chan error)
	go func() {
		_, err := wire.Read(make([]byte, 10))
		closed <- err
	}()
	require.NoError(t, r.Close())
	require.ErrorIs(t, <-closed, os.ErrClosed)
	_, err = newWire(r).Read(make([]byte, 10))
	require.ErrorIs(t, err, os.ErrClosed)
}
