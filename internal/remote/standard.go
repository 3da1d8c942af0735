package remote

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"syscall"

	"github.com/procpool/procpool/internal/codec"
)

// What every program shares without registering it. net and os/exec are left
// out on purpose: importing them makes every worker larger, and net makes a
// build a cgo build. They are added in one step, since each step copies what was there, and every start of a worker waits for this.
func init() {
	update(func(s *snapshot) {
		for _, k := range standardKinds {
			s.addKind(k)
		}
		for _, std := range standardSentinels {
			s.addSentinel(std.name, std.err)
		}
	})
}

var standardSentinels = []struct {
	name string
	err  error
}{
	{"io.EOF", io.EOF},
	{"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF},
	{"io.ErrClosedPipe", io.ErrClosedPipe},
	{"io.ErrShortBuffer", io.ErrShortBuffer},
	{"io.ErrShortWrite", io.ErrShortWrite},
	{"io.ErrNoProgress", io.ErrNoProgress},
	{"fs.ErrNotExist", fs.ErrNotExist},
	{"fs.ErrExist", fs.ErrExist},
	{"fs.ErrPermission", fs.ErrPermission},
	{"fs.ErrInvalid", fs.ErrInvalid},
	{"fs.ErrClosed", fs.ErrClosed},
	{"context.Canceled", context.Canceled},
	{"context.DeadlineExceeded", context.DeadlineExceeded},
	{"os.ErrDeadlineExceeded", os.ErrDeadlineExceeded},
	{"os.ErrProcessDone", os.ErrProcessDone},
	{"os.ErrNoDeadline", os.ErrNoDeadline},
	{"errors.ErrUnsupported", errors.ErrUnsupported},
	{"strconv.ErrRange", strconv.ErrRange},
	{"strconv.ErrSyntax", strconv.ErrSyntax},
	{"bufio.ErrTooLong", bufio.ErrTooLong},
	{"bufio.ErrBufferFull", bufio.ErrBufferFull},
	{"bufio.ErrNegativeCount", bufio.ErrNegativeCount},
}

// Their field Err is an interface, of which msgpack would keep the text alone.
// They are written by hand so that Err is rebuilt from the cause.
var standardKinds = []*kind{
	standardKind("fs.PathError", 3,
		func(e *fs.PathError) []string { return []string{e.Op, e.Path, textOf(e.Err)} },
		func(s []string, causes []*Error) *fs.PathError {
			return &fs.PathError{Op: s[0], Path: s[1], Err: wrapped(s[2], causes)}
		}),
	standardKind("os.LinkError", 4,
		func(e *os.LinkError) []string { return []string{e.Op, e.Old, e.New, textOf(e.Err)} },
		func(s []string, causes []*Error) *os.LinkError {
			return &os.LinkError{Op: s[0], Old: s[1], New: s[2], Err: wrapped(s[3], causes)}
		}),
	standardKind("os.SyscallError", 2,
		func(e *os.SyscallError) []string { return []string{e.Syscall, textOf(e.Err)} },
		func(s []string, causes []*Error) *os.SyscallError {
			return &os.SyscallError{Syscall: s[0], Err: wrapped(s[1], causes)}
		}),
	standardKind("strconv.NumError", 3,
		func(e *strconv.NumError) []string { return []string{e.Func, e.Num, textOf(e.Err)} },
		func(s []string, causes []*Error) *strconv.NumError {
			return &strconv.NumError{Func: s[0], Num: s[1], Err: wrapped(s[2], causes)}
		}),
	{name: "syscall.Errno", typ: reflect.TypeFor[syscall.Errno](), append: appendErrno, decode: decodeErrno},
}

// standardKind describes a type that is n strings and a wrapped error, whose
// text is the last of the strings.
func standardKind[E error](name string, n int, fields func(E) []string, build func([]string, []*Error) E) *kind {
	return &kind{
		name:   name,
		typ:    reflect.TypeFor[E](),
		append: func(dst []byte, err error) ([]byte, error) { return appendStrings(dst, fields(err.(E))), nil },
		decode: func(e *Error) (error, error) {
			s, err := readStrings(e.Data, n)
			if err != nil {
				return nil, err
			}
			return build(s, e.Causes), nil
		},
	}
}

// textOf is Error for the field of a wrapped error, which may be nil.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	return sentText(safeText(err))
}

var errForeignErrno = errors.New("errno of another operating system")

func appendErrno(dst []byte, err error) ([]byte, error) {
	dst = codec.AppendArrayHeader(dst, 2)
	dst = codec.AppendString(dst, runtime.GOOS)
	return codec.AppendUint(dst, uint64(err.(syscall.Errno))), nil
}

func decodeErrno(e *Error) (error, error) {
	r := reader{rest: e.Data}
	n, ok := r.arrayHeader()
	if !ok || n != 2 {
		return nil, errMalformed
	}
	goos, ok1 := r.text()
	number, ok2 := r.uint()
	switch {
	case !ok1 || !ok2 || uint64(uintptr(number)) != number:
		return nil, errMalformed
	case string(goos) != runtime.GOOS:
		return nil, errForeignErrno
	}
	return syscall.Errno(number), nil
}

func appendStrings(dst []byte, s []string) []byte {
	dst = codec.AppendArrayHeader(dst, len(s))
	for _, v := range s {
		dst = codec.AppendString(dst, v)
	}
	return dst
}

func readStrings(src []byte, n int) ([]string, error) {
	r := reader{rest: src}
	if got, ok := r.arrayHeader(); !ok || got != n {
		return nil, errMalformed
	}
	s := make([]string, n)
	for i := range s {
		v, ok := r.text()
		if !ok {
			return nil, errMalformed
		}
		s[i] = string(v)
	}
	return s, nil
}
