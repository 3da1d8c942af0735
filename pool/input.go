package pool

import (
	"context"
	"iter"
)

// Recv makes a channel an input of Stream. It ends when the channel is closed or ctx ends.
func Recv[A any](ctx context.Context, ch <-chan A) iter.Seq[A] {
	return func(yield func(A) bool) {
		for {
			select {
			case a, open := <-ch:
				if !open || !yield(a) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// inputError tells the failure of an input from any other reason why a context ends: what was submitted before is still wanted.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

// Checked makes a sequence that can fail an input of Stream. At the first error it calls cancel with it and ends. Give Stream the context that cancel
// belongs to; it yields the results of what was read before, and its last error is then context.Canceled and the input's:
//
//	ctx, cancel := context.WithCancelCause(ctx)
//	defer cancel(nil)
//	for r, err := range pool.Stream(ctx, p, parse, pool.Checked(readLines(f), cancel)) { ... }
func Checked[A any](seq iter.Seq2[A, error], cancel context.CancelCauseFunc) iter.Seq[A] {
	return func(yield func(A) bool) {
		for a, err := range seq {
			if err != nil {
				cancel(&inputError{err})
				return
			}
			if !yield(a) {
				return
			}
		}
	}
}
