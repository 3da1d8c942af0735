//go:build unix

package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// codeError is an error with something inside.
type codeError struct {
	Code int
	Text string
}

func (e *codeError) Error() string { return fmt.Sprintf("code %d: %s", e.Code, e.Text) }

// errKey is a sentinel, Python's KeyError.
var errKey = errors.New("no such key")

func init() {
	worker.RegisterErrorType[*codeError]("codeError")
	worker.RegisterError("errKey", errKey)
}

var failTyped = worker.Register("failTyped", func(_ context.Context, code int) (int, error) {
	return 0, fmt.Errorf("at work: %w", &codeError{Code: code, Text: "typed"})
})

var failKey = worker.Register("failKey", func(_ context.Context, key string) (int, error) {
	return 0, fmt.Errorf("%w: %s", errKey, key)
})

var failPanic = worker.Register("failPanic", func(_ context.Context, text string) (int, error) {
	panic(text)
})

func TestC025AnErrorKeepsItsTypeItsFieldsAndItsText(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		_, err := pool.Call(t.Context(), p, failTyped, 123)
		var typed *codeError
		require.ErrorAs(t, err, &typed)
		require.Equal(t, codeError{Code: 123, Text: "typed"}, *typed)
		var remote *pool.RemoteError
		require.ErrorAs(t, err, &remote)
		require.Equal(t, "at work: code 123: typed", remote.Message)
		require.Contains(t, err.Error(), remote.Message)
		require.Contains(t, err.Error(), "failTyped")
	})
}

// The same error in both modes, so that what inline debugging shows is what
// production sees. Python's thread pool hands the error over as it is.
func TestC027AnInlineErrorLooksLikeOneFromAProcess(t *testing.T) {
	bounded(t, func() {
		var seen [2]*pool.TaskError
		for i, m := range []mode{processes, inline} {
			_, err := pool.Call(t.Context(), m.pool(t, 1), failTyped, 123)
			require.ErrorAs(t, err, &seen[i])
			var typed *codeError
			require.ErrorAs(t, err, &typed)
			require.Equal(t, codeError{Code: 123, Text: "typed"}, *typed)
		}
		require.IsType(t, seen[0].Err, seen[1].Err)
		require.Equal(t, seen[0].Err.Error(), seen[1].Err.Error())
		require.Equal(t, seen[0].Func, seen[1].Func)
		require.Equal(t, seen[0].Index, seen[1].Index)
		require.Equal(t, seen[0].Attempt, seen[1].Attempt)
	})
}

// failLong and succeedLong answer with more than a pipe holds.
var failLong = worker.Register("failLong", func(ctx context.Context, v visit) (string, error) {
	if err := v.wait(ctx); err != nil {
		return "", err
	}
	return "", errors.New(strings.Repeat(v.Tag, 1<<20))
})

func TestC028MapWaitsForTheRestAfterAFailureAndShutdownDoesNotBlock(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		g := newGate(t)
		f := pool.GoMap(t.Context(), p, failLong, g.visits(2))
		both := g.wait(t, 2)
		both[0].release()
		eventually(t, "the first task failed", func() bool { return p.Stats().Failed == 1 })
		select {
		case <-f.Done():
			t.Fatal("the map did not wait for its second task")
		default:
		}
		both[1].release()
		_, err := f.Wait(t.Context())
		var failed pool.Errors
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed, 2)
		for i, e := range failed {
			require.Equal(t, i, e.Index)
			var remote *pool.RemoteError
			require.ErrorAs(t, e, &remote)
			require.True(t, strings.HasPrefix(remote.Message, strings.Repeat(fmt.Sprint(i), 1024)))
		}
		require.LessOrEqual(t, len(err.Error()), 4096)
		shut(t, p)
	})
}

func TestC032OnDoneReceivesTheErrorThatWaitReturns(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		var told error
		f := pool.Go(t.Context(), p, failKey, "k")
		f.OnDone(func(_ int, err error) { told = err })
		_, err := f.Wait(t.Context())
		require.ErrorIs(t, err, errKey)
		require.ErrorIs(t, told, errKey)
		require.Equal(t, err.Error(), told.Error())
	})
}

var unencodable = worker.Register("unencodable", func(_ context.Context, i int) (any, error) {
	return func() int { return i }, nil
})

func TestC033AResultThatCannotBeEncodedIsAnErrorAndTheWorkersLive(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 4)
		before := pids(p)
		for i := range 20 {
			var told error
			f := pool.Go(t.Context(), p, unencodable, i)
			f.OnDone(func(_ any, err error) { told = err })
			_, err := f.Wait(t.Context())
			for _, err := range []error{err, told} {
				var encodeError *pool.EncodeError
				require.ErrorAs(t, err, &encodeError)
				require.Equal(t, "worker", encodeError.Side)
				require.NotEmpty(t, encodeError.Type)
				require.ErrorContains(t, encodeError.Err, "func")
			}
		}
		require.Equal(t, before, pids(p))
		got, err := pool.Call(t.Context(), p, sqr, 3)
		require.NoError(t, err)
		require.Equal(t, 9, got)
		shut(t, p)
	})
}

// failKeyLater is failKey after a visit, so that callbacks are registered
// before it fails.
var failKeyLater = worker.Register("failKeyLater", func(ctx context.Context, v visit) (int, error) {
	return 0, errors.Join(errKey, v.wait(ctx))
})

func TestC035aACallbackThatPanicsFailsItsFutureAndNothingElse(t *testing.T) {
	errCallback := errors.New("callback failed")
	callbacks := map[string]func(error){
		"own error":      func(error) { panic(errCallback) },
		"text":           func(error) { panic("callback failed") },
		"received error": func(err error) { panic(errors.Join(err, errCallback)) },
		"own context":    func(err error) { panic(fmt.Errorf("%w: %w", errCallback, err)) },
	}
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		g := newGate(t)
		for name, callback := range callbacks {
			other := pool.Go(t.Context(), p, visiting, g.visit("other"))
			g.next(t) // the other job runs while the callback panics

			// Panics with text have no error in them.
			is := func(err error) bool { return name == "text" || errors.Is(err, errCallback) }

			one := pool.Go(t.Context(), p, failKeyLater, g.visit(name))
			one.OnDone(func(_ int, err error) { callback(err) })
			g.next(t).release()
			_, err := one.Wait(t.Context())
			require.ErrorContains(t, err, "callback failed", name)
			require.True(t, is(err), "%s: %v", name, err)
			require.ErrorIs(t, err, errKey, name)

			many := pool.GoMap(t.Context(), p, failKeyLater, []visit{g.visit(name)})
			many.OnDone(func(_ []int, err error) { callback(err) })
			g.next(t).release()
			_, err = many.Wait(t.Context())
			require.ErrorContains(t, err, "callback failed", name)
			require.True(t, is(err), "%s: %v", name, err)
			require.ErrorIs(t, err, errKey, name)

			success := pool.Go(t.Context(), p, visiting, g.visit(name))
			success.OnDone(func(int, error) { callback(errCallback) })
			g.next(t).release()
			_, err = success.Wait(t.Context())
			require.ErrorContains(t, err, "callback failed", name)
			require.True(t, is(err), "%s: %v", name, err)

			select {
			case <-other.Done():
				t.Fatal("a callback ended another job")
			default:
			}
			other.Cancel()
			_, err = answered(t, other)
			require.ErrorIs(t, err, context.Canceled)
		}
		got, err := pool.Map(t.Context(), p, sqr, upTo(10))
		require.NoError(t, err)
		require.Equal(t, squares(10), got)
		shut(t, p)
	})
}

// emptyError has no text, nilError is an error whose value is a nil pointer,
// and brokenError panics when it is asked for its text.
type (
	emptyError  struct{}
	nilError    struct{}
	brokenError struct{}
)

func (emptyError) Error() string  { return "" }
func (*nilError) Error() string   { return "nil, and an error" }
func (brokenError) Error() string { panic("no text") }

var failFalsy = worker.Register("failFalsy", func(_ context.Context, kind string) (int, error) {
	switch kind {
	case "empty":
		return 0, emptyError{}
	case "nil pointer":
		var e *nilError
		return 0, e
	case "zero errno":
		return 0, syscall.Errno(0)
	default:
		return 0, brokenError{}
	}
})

func TestC068AnErrorThatLooksLikeNoneIsDelivered(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 2)
		kinds := []string{"empty", "nil pointer", "zero errno", "broken"}
		_, err := pool.Map(t.Context(), p, failFalsy, kinds)
		var failed pool.Errors
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed, len(kinds))
		for i, e := range failed {
			require.Equal(t, i, e.Index)
			require.Error(t, e.Err, kinds[i])
			require.NotEmpty(t, e.Error(), kinds[i])
		}
	})
}

func TestC072APanicShowsWhereItHappened(t *testing.T) {
	each(t, func(t *testing.T, m mode) {
		p := m.pool(t, 5)
		_, err := pool.Call(t.Context(), p, failPanic, "oh no")
		var panicError *pool.PanicError
		require.ErrorAs(t, err, &panicError)
		require.Equal(t, "oh no", panicError.Value)
		require.Contains(t, panicError.Stack, "errors_test.go:")
		require.Contains(t, err.Error(), "oh no")
	})
}
