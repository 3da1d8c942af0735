package remote

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzParse holds Parse to what it promises of bytes from a worker gone mad: an
// error or a bounded tree of printable texts, whose targets can be used.
func FuzzParse(f *testing.F) {
	_, numErr := strconv.Atoi("x")
	for _, err := range []error{
		nil,
		errors.New("plain"),
		fmt.Errorf("wrapped: %w", io.EOF),
		errors.Join(errApp, errOther, &codeError{Code: 1, Detail: "d", Tags: []string{"t"}}),
		&os.PathError{Op: "open", Path: "p", Err: syscall.ENOENT},
		&os.LinkError{Op: "link", Old: "a", New: "b", Err: syscall.EEXIST},
		os.NewSyscallError("read", syscall.EINTR),
		numErr,
		&opError{"op", io.ErrClosedPipe},
		sizeError{1, 2},
		wordError("w"),
	} {
		f.Add(Append(nil, err))
	}
	f.Add([]byte{0x80})
	f.Add([]byte{0x91, 0x91, 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, src []byte) {
		e, err := Parse(src)
		if err != nil {
			return
		}
		require.LessOrEqual(t, count(e), maxNodes)
		require.LessOrEqual(t, depth(e), maxDepth)
		checkTexts(t, e)
		for _, target := range e.Targets() {
			_ = target.Error()
			_ = errors.Is(target, errNobody)
		}
		again, err := Parse(appendNode(nil, e))
		require.NoError(t, err)
		require.Equal(t, e.Message, again.Message)
	})
}

func checkTexts(t *testing.T, e *Error) {
	for _, s := range append([]string{e.Message, e.Type, e.As}, e.Is...) {
		require.True(t, utf8.ValidString(s))
		require.LessOrEqual(t, len(s), maxText)
		require.Equal(t, s, printable(s))
	}
	for _, c := range e.Causes {
		checkTexts(t, c)
	}
}
