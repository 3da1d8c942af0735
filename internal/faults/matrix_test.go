//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// The table of this file is stage by manner of death: where on a task's way
// something goes wrong, and how. Every case runs directly and from a callback, where a
// pool that waits for itself would hang.

// A sendBomb goes off when the parent encodes it.
type sendBomb struct{ Verb string }

func (b sendBomb) EncodeMsgpack(e *msgpack.Encoder) error { return explode(e.EncodeString, b.Verb) }

// explode does what may happen in the parent: it fails or panics. What is no such thing is passed on.
func explode(pass func(string) error, verb string) error {
	verb, text, _ := strings.Cut(verb, " ")
	switch verb {
	case "fail":
		return errors.New(text)
	case "panic":
		panic(text)
	}
	return pass(verb)
}

// An argBomb goes off when the worker decodes it.
type argBomb struct{ Verb string }

func (b argBomb) EncodeMsgpack(e *msgpack.Encoder) error { return e.EncodeString(b.Verb) }

func (b *argBomb) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	if b.Verb, err = d.DecodeString(); err != nil {
		return err
	}
	return perform(context.Background(), b.Verb)
}

// A resultBomb goes off when the worker encodes it.
type resultBomb struct{ Verb string }

func (b resultBomb) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := perform(context.Background(), b.Verb); err != nil {
		return err
	}
	return e.EncodeString(b.Verb)
}

func (b *resultBomb) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	b.Verb, err = d.DecodeString()
	return err
}

// A returnBomb goes off when the parent decodes it.
type returnBomb struct{ Verb string }

func (b returnBomb) EncodeMsgpack(e *msgpack.Encoder) error { return e.EncodeString(b.Verb) }

func (b *returnBomb) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	if b.Verb, err = d.DecodeString(); err != nil {
		return err
	}
	return explode(func(string) error { return nil }, b.Verb)
}

var (
	takeSendBomb = worker.Register("faults.takeSendBomb", func(_ context.Context, b sendBomb) (int, error) { return 1, nil })
	takeArgBomb  = worker.Register("faults.takeArgBomb", func(_ context.Context, b argBomb) (int, error) { return 1, nil })
	makeResult   = worker.Register("faults.makeResultBomb", func(_ context.Context, verb string) (resultBomb, error) { return resultBomb{verb}, nil })
	makeReturn   = worker.Register("faults.makeReturnBomb", func(_ context.Context, verb string) (returnBomb, error) { return returnBomb{verb}, nil })
	doAsTold     = worker.Register("faults.doAsTold", func(ctx context.Context, verb string) (int, error) { return 1, perform(ctx, verb) })
)

// deaths are manners in which a process ends wherever it is, and what the task says then.
var deaths = map[string]outcome{
	"exit 0":             dies(fate{code: 0, reason: pool.ReasonExit}),
	"exit 7":             dies(fate{code: 7, reason: pool.ReasonExit}),
	"log.Fatal goodbye":  dies(fate{code: 1, reason: pool.ReasonExit, stderr: "goodbye"}),
	"signal 9":           dies(fate{signal: 9, reason: pool.ReasonSignal}),
	"signal 15":          dies(fate{signal: 15, reason: pool.ReasonSignal}),
	"signal 11":          dies(fate{code: 2, reason: pool.ReasonCrash, stderr: "SIGSEGV"}),
	"wild":               dies(fate{code: 2, reason: pool.ReasonCrash, stderr: "unexpected fault address"}),
	"overflow":           dies(fate{code: 2, reason: pool.ReasonCrash, stderr: "stack"}),
	"go-panic elsewhere": dies(fate{code: 2, reason: pool.ReasonCrash, stderr: "panic: elsewhere"}),
}

// A stage is a place on a task's way: how to be there, and what follows there from the manners that a process survives.
type stage struct {
	name     string
	run      func(f *fixture, verb string, done func(error))
	deadly   bool // the process that goes wrong is the worker
	survived map[string]outcome
}

// at builds a stage from a function and its argument for a verb.
func at[A, R any](name string, fn worker.Func[A, R], arg func(verb string) A, deadly bool, survived map[string]outcome) stage {
	return stage{name: name, deadly: deadly, survived: survived, run: func(f *fixture, verb string, done func(error)) {
		submit(f, fn, arg(verb)).OnDone(func(_ R, err error) { done(err) })
	}}
}

var stages = []stage{
	at("encode the argument", takeSendBomb, func(verb string) sendBomb { return sendBomb{verb} }, false, map[string]outcome{
		"fail x":  onSide("parent"),
		"panic x": onSide("parent"),
	}),
	at("decode the argument", takeArgBomb, func(verb string) argBomb { return argBomb{verb} }, true, map[string]outcome{
		"fail x":  onSide("worker"),
		"panic x": onSide("worker"),
		"goexit":  survivable,
	}),
	at("run", doAsTold, func(verb string) string { return verb }, true, map[string]outcome{
		"fail x":  fails[*pool.RemoteError]("x"),
		"panic x": fails[*pool.PanicError]("x"),
		"goexit":  fails[*pool.PanicError]("oexit"),
	}),
	at("encode the result", makeResult, func(verb string) string { return verb }, true, map[string]outcome{
		"fail x":  onSide("worker"),
		"panic x": onSide("worker"),
		"goexit":  survivable,
	}),
	at("decode the result", makeReturn, func(verb string) string { return verb }, false, map[string]outcome{
		"fail x":  onSide("parent"),
		"panic x": onSide("parent"),
	}),
}

// survivable asks that an error is the task's own and no process's.
func survivable(t testing.TB, err error) {
	t.Helper()
	var exit *pool.ExitError
	if assert.Error(t, err) {
		taskError(t, err)
		assert.False(t, errors.As(err, &exit), "%v", err)
	}
}

func TestRow002To013And020To023EveryStageByEveryMannerOfDeath(t *testing.T) {
	for _, s := range stages {
		for _, from := range []string{"directly", "from a callback"} {
			t.Run(s.name+" "+from, func(t *testing.T) {
				f := start(t, 2)
				if s.deadly {
					for verb, want := range deaths {
						t.Run(verb, func(t *testing.T) { want(t, s.outcome(f, verb, from)) })
						f.works()
					}
					f.replaced()
				}
				before := f.meet(2)
				for verb, want := range s.survived {
					t.Run(verb, func(t *testing.T) { want(t, s.outcome(f, verb, from)) })
					f.works()
				}
				assert.ElementsMatch(t, before, f.meet(2), "workers survive what only their task does not")
			})
		}
	}
}

// outcome is what the stage's task says if it goes wrong in the given manner.
func (s stage) outcome(f *fixture, verb, from string) error {
	told := make(chan error, 2)
	run := func() { s.run(f, verb, func(err error) { told <- err }) }
	if from == "directly" {
		run()
	} else {
		g := newGate(f.t)
		submit(f, obey, order{Gate: g.addr}).OnDone(func(answer, error) { run() })
		g.next(f.t).order("") // only now, so that run is called by the pool and not by OnDone
	}
	return recv(f.t, told)
}

// recv receives from a channel, within reason.
func recv[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing received in %v\n%s", patience, stacks())
		panic("unreachable")
	}
}

// The stages that are no task's: before the first one and after the last.
func TestRow002To013DeathInTheFinalizerCostsNoResult(t *testing.T) {
	manners := []string{"fail x", "panic x", "goexit", "deadlock"}
	for verb := range deaths {
		manners = append(manners, verb)
	}
	for _, verb := range manners {
		t.Run(verb, func(t *testing.T) {
			f := start(t, 2, pool.WithFinalizer(lastWords, verb))
			f.spent = true
			args := make([]int, 100)
			future := pool.GoMap(t.Context(), f.Pool, double, args)
			follow(f, future)
			ctx, cancel := context.WithTimeout(t.Context(), grace+killing+patience)
			defer cancel()
			err := f.Shutdown(ctx)
			if verb != "fail x" {
				assert.NoError(t, err, "Shutdown")
			}
			results, err := await(t, future)
			assert.NoError(t, err)
			assert.Len(t, results, 100)
			for range 2 {
				assert.Equal(t, pool.ReasonStopped, f.exit().Reason)
			}
		})
	}
}

var takeAny = worker.Register("faults.takeAny", func(_ context.Context, x any) (any, error) { return x, nil })

var makeOdd = worker.Register("faults.makeOdd", func(_ context.Context, kind string) (any, error) { return odd(kind), nil })

// A ring is a value without an end.
type ring struct{ Next *ring }

func endless() *ring {
	r := new(ring)
	r.Next = r
	return r
}

func deep(n int) any {
	var v any = 1
	for range n {
		v = []any{v}
	}
	return v
}

func odd(kind string) any {
	switch kind {
	case "channel":
		return make(chan int)
	case "function":
		return func() {}
	case "nil function":
		return (func())(nil)
	case "cycle of pointers":
		return endless()
	case "cycle of maps":
		m := map[string]any{}
		m["m"] = m
		return m
	case "cycle of slices":
		s := make([]any, 1)
		s[0] = s
		return s
	case "a million levels":
		return deep(1_000_000)
	}
	panic(kind)
}

var odds = []string{"channel", "function", "nil function", "cycle of pointers", "cycle of maps", "cycle of slices", "a million levels"}

func TestRow021ResultThatCannotBeEncodedIsAnEncodeErrorAndTheWorkerLives(t *testing.T) {
	f := start(t, 1)
	pid := f.pidAt(0)
	for _, kind := range odds {
		t.Run(kind, func(t *testing.T) {
			_, err := call(f, makeOdd, kind)
			onSide("worker")(t, err)
		})
	}
	f.works()
	assert.Equal(t, pid, f.pidAt(0))
}

func TestRow022ResultThatCannotBeDecodedCostsThatTaskAndTheStreamStaysInStep(t *testing.T) {
	f := start(t, 1)
	pid := f.pidAt(0)
	verbs := []string{"fail x", "ok", "panic x", "ok", "fail x", "ok"}
	results, err := pool.Map(t.Context(), f.Pool, makeReturn, verbs)
	var errs pool.Errors
	require.ErrorAs(t, err, &errs)
	require.Len(t, errs, 3)
	for i, e := range errs {
		assert.Equal(t, 2*i, e.Index)
		onSide("parent")(t, e)
		assert.Equal(t, "ok", results[2*i+1].Verb)
	}
	assert.Equal(t, pid, f.pidAt(0))
}

// loky's queue_full: many values that cannot be encoded, among good ones, by any door.
func TestRow023HundredBadArgumentsAndHundredGoodOnesDoNotJamTheQueue(t *testing.T) {
	f := start(t, 2, pool.WithQueueSize(8))
	sent := f.Stats().BytesSent
	for i := range 100 {
		_, err := call(f, takeAny, odd(odds[i%3]))
		onSide("parent")(t, err)
	}
	assert.Equal(t, sent, f.Stats().BytesSent, "nothing was sent")
	args := make([]any, 200)
	for i := range args {
		if args[i] = any(i); i%2 == 0 {
			args[i] = func() {}
		}
	}
	results, err := pool.Map(t.Context(), f.Pool, takeAny, args)
	var errs pool.Errors
	require.ErrorAs(t, err, &errs)
	assert.Len(t, errs, 100)
	for i, e := range errs {
		assert.Equal(t, 2*i, e.Index)
		onSide("parent")(t, e)
		assert.EqualValues(t, 2*i+1, results[2*i+1])
	}
	i := 0
	for r, err := range pool.Stream(t.Context(), f.Pool, takeAny, pool.Recv(t.Context(), feed(args))) {
		if i%2 == 0 {
			onSide("parent")(t, err)
		} else {
			assert.NoError(t, err)
			assert.EqualValues(t, i, r)
		}
		i++
	}
	assert.Equal(t, len(args), i)
}

// feed returns a closed channel that holds the values.
func feed[A any](values []A) <-chan A {
	ch := make(chan A, len(values))
	for _, v := range values {
		ch <- v
	}
	close(ch)
	return ch
}

var takeRing = worker.Register("faults.takeRing", func(_ context.Context, r *ring) (int, error) { return 1, nil })

func TestRow024EndlessAndVeryDeepArgumentsAreEncodeErrors(t *testing.T) {
	f := start(t, 1)
	for _, kind := range odds {
		t.Run(kind, func(t *testing.T) {
			_, err := call(f, takeAny, odd(kind))
			onSide("parent")(t, err)
		})
	}
	t.Run("typed cycle", func(t *testing.T) {
		_, err := call(f, takeRing, endless())
		onSide("parent")(t, err)
	})
	t.Run("typed and long", func(t *testing.T) {
		var r *ring
		for range 1_000_000 {
			r = &ring{r}
		}
		_, err := call(f, takeRing, r)
		onSide("parent")(t, err)
	})
	for _, levels := range []int{10, 100, 500} {
		t.Run(fmt.Sprint(levels, " levels"), func(t *testing.T) {
			back, err := call(f, takeAny, deep(levels))
			if assert.NoError(t, err) {
				for range levels {
					inner, ok := back.([]any)
					require.True(t, ok, "%T", back)
					require.Len(t, inner, 1)
					back = inner[0]
				}
				assert.EqualValues(t, 1, back)
			}
		})
	}
}
