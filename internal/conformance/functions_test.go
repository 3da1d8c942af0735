//go:build unix

package conformance_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"strconv"

	"github.com/procpool/procpool/worker"
)

// Functions that many tests use; those of a single test stand beside it.

var sqr = worker.Register("sqr", func(_ context.Context, x int) (int, error) { return x * x, nil })

var mul = worker.Register2("mul", func(_ context.Context, x, y int) (int, error) { return x * y, nil })

var power = worker.Register2("power", func(_ context.Context, x, y int) (int, error) {
	p := 1
	for range y {
		p *= x
	}
	return p, nil
})

var pid = worker.Register("pid", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })

var parseInt = worker.Register("parseInt", func(_ context.Context, s string) (int, error) { return strconv.Atoi(s) })

var hardexit = worker.Register("hardexit", func(_ context.Context, code int) (int, error) {
	os.Exit(code)
	return 0, nil
})

// echo registers the identity of one type.
func echo[T any](name string) worker.Func[T, T] {
	return worker.Register("echo "+name, func(_ context.Context, v T) (T, error) { return v, nil })
}

var (
	echoInt     = echo[int]("int")
	echoAny     = echo[any]("any")
	echoPayload = echo[*payload]("payload")
	echoBytes   = echo[[]byte]("bytes")
)

// A payload is something that can be seen to be garbage.
type payload struct {
	N    int
	Data []byte
}

func newPayload(n int) *payload { return &payload{N: n, Data: make([]byte, 1024)} }

// errSayWhen is what a failing input fails with.
var errSayWhen = errors.New("say when")

// gen yields 0 .. total-1 and fails in place of item when; at once if when is
// negative.
func gen(total, when int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		if when < 0 {
			yield(0, errSayWhen)
			return
		}
		for i := range total {
			if i == when {
				yield(0, errSayWhen)
				return
			}
			if !yield(i, nil) {
				return
			}
		}
	}
}

// genPanic is gen, failing by a panic.
func genPanic(total, when int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, err := range gen(total, when) {
			if err != nil {
				panic(err)
			}
			if !yield(i) {
				return
			}
		}
	}
}

// appendLine appends a line to a file, whichever process calls it.
func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}
