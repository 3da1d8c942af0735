package worker

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/internal/registry"
	"github.com/procpool/procpool/internal/remote"
	"github.com/procpool/procpool/internal/serve"
	"github.com/procpool/procpool/wire"
)

// Func is a function that workers can run: a name, and the types of its argument and result.
// Get one from Register or Named.
type Func[A, R any] struct{ name string }

// Name returns the name that the function is registered under.
func (f Func[A, R]) Name() string { return f.name }

// Register names fn so that workers can run it. Call it from a package-level variable, so that it runs
// before Main in the parent and in the workers:
//
//	var parse = worker.Register("parse", parseFile)
//
// It panics where the name is taken, empty or longer than 255 bytes, and where fn is nil. Argument and result travel as
// msgpack; whether their types can be encoded shows with the first value. Structs travel by the names of their fields or, between
// processes of this program, by their order, which is faster and says the same.
// Functions without argument or result use struct{}.
func Register[A, R any](name string, fn func(ctx context.Context, arg A) (R, error)) Func[A, R] {
	if fn == nil {
		panic(fmt.Sprintf("procpool/worker: Register(%q): the function is nil", name))
	}
	args, named := codec.For[A](), codec.For[R]()
	positional := named.Positional()
	carries := args.Carries() || named.Carries()
	lends := carries || named.Lends()
	types := registry.Types{Arg: reflect.TypeFor[A](), Result: reflect.TypeFor[R]()}
	registry.Register(name, types, func() registry.Invoke {
		var a, noArg A // here, because what is decoded into is on the heap: one for each worker, not for each task
		var r, noResult R
		return func(ctx context.Context, arg []byte, how registry.How, dst []byte) (out, lent []byte, outcome wire.Outcome, err error) {
			laps := serve.LapsOf(ctx)
			by := carrierOf(ctx, carries)
			switch {
			case how.Owned:
				err = args.DecodeOwnedBy(arg, &a, by)
			case carries:
				err = args.DecodeBy(arg, &a, by)
			default:
				err = args.Decode(arg, &a)
			}
			if err != nil {
				return dst, nil, wire.Undecodable, err
			}
			laps.Decoded()
			r, err = fn(ctx, a)
			laps.Returned()
			a = noArg // the next task of this function may be long in coming
			if err != nil {
				r = noResult
				return dst, nil, wire.Failed, err
			}
			results := named
			if how.Positional {
				results = positional
			}
			if lends {
				out, lent, err = results.AppendLentBy(dst, &r, by)
			} else {
				out, err = results.Append(dst, &r)
			}
			r = noResult
			if err != nil {
				return dst, nil, wire.Unencodable, err
			}
			return out, lent, wire.Value, nil
		}
	})
	return Func[A, R]{name}
}

// carrierOf returns what the values of a task take along, nil where they cannot.
func carrierOf(ctx context.Context, needed bool) codec.Carrier {
	if !needed {
		return nil
	}
	by, _ := ctx.(codec.Carrier) // the task itself
	return by
}

// Register2 registers a function of two arguments; callers pack them with Pack2. It is
// Python's starmap:
//
//	var power = worker.Register2("power", func(_ context.Context, x, y float64) (float64, error) { ... })
//	pool.Map(ctx, p, power, []worker.Args2[float64, float64]{worker.Pack2(2.0, 8.0)})
func Register2[A, B, R any](name string, fn func(context.Context, A, B) (R, error)) Func[Args2[A, B], R] {
	return Register(name, func(ctx context.Context, args Args2[A, B]) (R, error) { return fn(ctx, args.A, args.B) })
}

// Register3 registers a function of three arguments; callers pack them with Pack3.
func Register3[A, B, C, R any](name string, fn func(context.Context, A, B, C) (R, error)) Func[Args3[A, B, C], R] {
	return Register(name, func(ctx context.Context, args Args3[A, B, C]) (R, error) {
		return fn(ctx, args.A, args.B, args.C)
	})
}

// Named returns a function that only another program registers: the one that pool.WithCommand starts.
// Nothing checks the types but the encoding itself. It panics where name is empty or longer than 255 bytes.
func Named[A, R any](name string) Func[A, R] {
	registry.CheckName(name)
	return Func[A, R]{name}
}

// RegisterError makes a sentinel cross the process boundary: where errors.Is finds err in what a
// function returned, it finds it again in the error that the caller gets. Call it from a
// package-level variable or init. The usual ones of the standard library are registered
// already: io.EOF, fs.ErrNotExist and its kin, the context's errors, os.ErrDeadlineExceeded and others.
// It panics where the name is taken or empty, or err is nil.
func RegisterError(name string, err error) {
	if err == nil {
		panic(errors.New("procpool/worker: RegisterError(" + name + "): the error is nil"))
	}
	remote.RegisterSentinel(name, err)
}

// RegisterErrorType makes an error type cross the process boundary with its exported fields, as msgpack:
// errors.As finds it in the error that the caller gets. E is the type that implements error, often a pointer.
// *fs.PathError, *os.LinkError, *os.SyscallError, syscall.Errno and *strconv.NumError are registered already. It panics
// where the name or the type is taken, or E is an interface.
func RegisterErrorType[E error](name string) { remote.RegisterType[E](name) }
