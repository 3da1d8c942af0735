package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// received is what package pool makes of an Error.
type received struct{ node *Error }

func (r *received) Error() string   { return r.node.Message }
func (r *received) Unwrap() []error { return r.node.Targets() }

func send(t testing.TB, err error) *received {
	t.Helper()
	e, parseErr := Parse(Append(nil, err))
	require.NoError(t, parseErr)
	return &received{e}
}

var (
	errApp    = errors.New("application sentinel")
	errOther  = errors.New("another sentinel")
	errNobody = errors.New("registered by nobody")
)

// codeError is registered by pointer, sizeError by value.
type codeError struct {
	Code   int
	Detail string
	Tags   []string
}

func (e *codeError) Error() string { return fmt.Sprintf("code %d: %s", e.Code, e.Detail) }

type sizeError struct{ Want, Got int }

func (e sizeError) Error() string { return fmt.Sprintf("want %d, got %d", e.Want, e.Got) }

// emptyError has nothing that msgpack carries.
type emptyError struct{ _ int }

func (*emptyError) Error() string { return "nothing to see" }

type wordError string

func (e wordError) Error() string { return "word: " + string(e) }

// opError wraps like the standard library's, and is not known to package remote.
type opError struct {
	Op  string
	Err error
}

func (e *opError) Error() string { return e.Op + ": " + e.Err.Error() }
func (e *opError) Unwrap() error { return e.Err }

// matcher answers to a sentinel that it does not wrap, as syscall.Errno does.
type matcher struct{ target error }

func (m matcher) Error() string        { return "matches" }
func (m matcher) Is(target error) bool { return target == m.target }

// offering hands out an error by its As method alone.
type offering struct{}

func (offering) Error() string { return "offers" }
func (offering) As(target any) bool {
	if p, ok := target.(**codeError); ok {
		*p = &codeError{Code: 7}
		return true
	}
	return false
}

func init() {
	RegisterSentinel("test.errApp", errApp)
	RegisterSentinel("test.errOther", errOther)
	RegisterType[*codeError]("test.codeError")
	RegisterType[sizeError]("test.sizeError")
	RegisterType[*emptyError]("test.emptyError")
	RegisterType[wordError]("test.wordError")
	RegisterType[*opError]("test.opError")
}

func openMissing(t testing.TB) error {
	_, err := os.Open(filepath.Join(t.TempDir(), "missing"))
	require.Error(t, err)
	return err
}

func TestErrorsIsFindsTheSameInTheParentAsInTheWorker(t *testing.T) {
	_, numErr := strconv.Atoi("12x")
	_, rangeErr := strconv.ParseInt("999", 10, 8)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	deep := io.EOF
	for range 100 {
		deep = fmt.Errorf("deeper: %w", deep)
	}
	many := make([]error, 600)
	for i := range many {
		many[i] = fmt.Errorf("error %d", i)
	}
	many[599] = errApp

	sent := map[string]error{
		"a plain error":                     errors.New("plain"),
		"a sentinel itself":                 io.EOF,
		"a wrapped sentinel":                fmt.Errorf("read: %w", io.ErrUnexpectedEOF),
		"two wrapped at once":               fmt.Errorf("%w and %w", errApp, os.ErrClosed),
		"joined":                            errors.Join(errApp, nil, errOther),
		"a joined error below a wrapped":    fmt.Errorf("top: %w", errors.Join(errors.New("x"), fmt.Errorf("y: %w", errOther))),
		"a path error":                      openMissing(t),
		"a wrapped path error":              fmt.Errorf("load: %w", openMissing(t)),
		"an errno":                          syscall.EACCES,
		"an errno of a thing not supported": syscall.ENOSYS,
		"a link error":                      &os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EEXIST},
		"a syscall error":                   os.NewSyscallError("fcntl", syscall.EPERM),
		"a number's syntax":                 numErr,
		"a number's range":                  rangeErr,
		"a context that was cancelled":      ctx.Err(),
		"a deadline":                        fmt.Errorf("call: %w", context.DeadlineExceeded),
		"a deadline of a file":              os.ErrDeadlineExceeded,
		"a method Is":                       matcher{target: errApp},
		"a method Is below":                 fmt.Errorf("wrap: %w", matcher{target: io.EOF}),
		"an unregistered sentinel":          fmt.Errorf("x: %w", errNobody),
		"a chain deeper than the tree":      deep,
		"more joined than the tree takes":   errors.Join(many...),
		"a line too long":                   bufio.ErrTooLong,
		"a registered type with a cause":    &opError{"op", fmt.Errorf("inner: %w", io.ErrClosedPipe)},
	}
	for name, err := range sent {
		t.Run(name, func(t *testing.T) {
			got := send(t, err)
			assert.Equal(t, sentText(err.Error()), got.Error())
			assert.Equal(t, fmt.Sprintf("%T", err), got.node.Type)
			for _, s := range load().sentinels {
				assert.Equal(t, errors.Is(err, s.err), errors.Is(got, s.err), "errors.Is %s", s.name)
			}
			assert.NotErrorIs(t, got, errNobody)
		})
	}
}

func TestErrorsAsFindsTheValueOfARegisteredType(t *testing.T) {
	t.Run("a pointer with its fields", func(t *testing.T) {
		want := &codeError{Code: 404, Detail: "no such thing", Tags: []string{"a", "b"}}
		got, found := errors.AsType[*codeError](send(t, fmt.Errorf("call: %w", want)))
		require.True(t, found)
		assert.Equal(t, want, got)
	})
	t.Run("a value", func(t *testing.T) {
		got, found := errors.AsType[sizeError](send(t, errors.Join(errApp, sizeError{3, 4})))
		require.True(t, found)
		assert.Equal(t, sizeError{3, 4}, got)
	})
	t.Run("a string", func(t *testing.T) {
		got, found := errors.AsType[wordError](send(t, wordError("boom")))
		require.True(t, found)
		assert.Equal(t, wordError("boom"), got)
	})
	t.Run("a value without exported fields", func(t *testing.T) {
		_, found := errors.AsType[*emptyError](send(t, &emptyError{}))
		assert.True(t, found)
	})
	t.Run("the first of several, depth first", func(t *testing.T) {
		err := errors.Join(fmt.Errorf("x: %w", &codeError{Code: 1}), &codeError{Code: 2})
		got, found := errors.AsType[*codeError](send(t, err))
		require.True(t, found)
		assert.Equal(t, 1, got.Code)
	})
	t.Run("what only an As method offers", func(t *testing.T) {
		got, found := errors.AsType[*codeError](send(t, fmt.Errorf("x: %w", offering{})))
		require.True(t, found)
		assert.Equal(t, 7, got.Code)
	})
	t.Run("an errno", func(t *testing.T) {
		got, found := errors.AsType[syscall.Errno](send(t, openMissing(t)))
		require.True(t, found)
		assert.Equal(t, syscall.ENOENT, got)
	})
	t.Run("not what was not sent", func(t *testing.T) {
		_, found := errors.AsType[*codeError](send(t, errors.Join(errApp, io.EOF)))
		assert.False(t, found)
	})
}

func TestAPathErrorArrivesWithItsFieldsAndItsErrno(t *testing.T) {
	err := openMissing(t)
	got, found := errors.AsType[*fs.PathError](send(t, fmt.Errorf("load: %w", err)))
	require.True(t, found)
	assert.Equal(t, err, got)
	assert.ErrorIs(t, got, fs.ErrNotExist)
}

func TestStandardErrorsArriveEqual(t *testing.T) {
	_, numErr := strconv.Atoi("12x")
	for name, err := range map[string]error{
		"os.LinkError":                 &os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EEXIST},
		"os.SyscallError":              os.NewSyscallError("fcntl", syscall.EPERM),
		"strconv.NumError":             numErr,
		"fs.PathError with a sentinel": &fs.PathError{Op: "read", Path: "p", Err: io.ErrUnexpectedEOF},
		"syscall.Errno":                syscall.EINTR,
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, err, send(t, err).node.Targets()[0])
		})
	}
}

func TestAWrappedErrorOfNoRegisteredTypeIsRebuiltWithTextAndTargets(t *testing.T) {
	err := &fs.PathError{Op: "read", Path: "p", Err: fmt.Errorf("checksum: %w", errApp)}
	got, found := errors.AsType[*fs.PathError](send(t, err))
	require.True(t, found)
	assert.Equal(t, err.Error(), got.Error())
	assert.ErrorIs(t, got, errApp)

	plain, found := errors.AsType[*fs.PathError](send(t, &fs.PathError{Op: "read", Path: "p", Err: errNobody}))
	require.True(t, found)
	assert.EqualError(t, plain.Err, errNobody.Error())
}

func TestAnErrorFieldOfAUsersTypeGetsItsCauseBack(t *testing.T) {
	got, found := errors.AsType[*opError](send(t, &opError{"dial", syscall.ECONNREFUSED}))
	require.True(t, found)
	assert.Equal(t, syscall.ECONNREFUSED, got.Err)

	got, found = errors.AsType[*opError](send(t, &opError{"dial", errNobody}))
	require.True(t, found)
	assert.EqualError(t, got.Err, errNobody.Error())
}

func TestTargetsComeDepthFirstAndSentinelsOnce(t *testing.T) {
	err := errors.Join(
		&opError{"a", io.EOF},
		&codeError{Code: 1},
		fmt.Errorf("again: %w", io.EOF),
		errApp,
	)
	got := send(t, err).node.Targets()
	require.Len(t, got, 4)
	assert.IsType(t, &opError{}, got[0])
	assert.Equal(t, []error{io.EOF, &codeError{Code: 1}, errApp}, got[1:])
}

func TestTargetsMayBeAskedByManyAtOnce(t *testing.T) {
	e := send(t, errors.Join(openMissing(t), &codeError{Code: 1}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			assert.ErrorIs(t, e, fs.ErrNotExist)
			registerFreshSentinel(t)
		})
	}
	wg.Wait()
}

var testNames sync.Map

// registerFreshSentinel registers a name that nobody else uses.
func registerFreshSentinel(t testing.TB) {
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s.%d", t.Name(), i)
		if _, taken := testNames.LoadOrStore(name, true); !taken {
			RegisterSentinel(name, errors.New(name))
			return
		}
	}
}

func TestANilErrorArrivesAsUnknown(t *testing.T) {
	assert.Equal(t, unknownText, send(t, nil).Error())
}

func TestAnEmptyTextStaysEmpty(t *testing.T) {
	assert.Empty(t, send(t, errors.New("")).Error())
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	assert.True(t, strings.HasPrefix(string(Append([]byte("before"), io.EOF)), "before"))
}
