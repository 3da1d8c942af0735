package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// termGrace is what a patient command has after SIGTERM or SIGHUP. It is less than what service managers
// commonly wait before they send SIGKILL.
const termGrace = 5 * time.Second

// interrupts turns signals into the wishes of a user. The first Ctrl-C ends the context, or, where the
// command is patient, asks it to come to an end. The second one ends the context of a patient command
// too. After that a signal has its default effect: it ends the process at once, and the kernel ends the
// workers with it. SIGTERM and SIGHUP, which are sent only once as a rule, are a Ctrl-C with a second one
// after termGrace.
type interrupts struct {
	cancel context.CancelFunc
	first  chan struct{} // closed by the first signal

	mu      sync.Mutex
	patient bool
}

type interruptsKey struct{}

// withInterrupts returns a context that signals end.
func withInterrupts(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	in := &interrupts{cancel: cancel, first: make(chan struct{})}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	go in.watch(ctx, signals) // ends with ctx
	return context.WithValue(ctx, interruptsKey{}, in), cancel
}

// patience makes the first signal close the channel that it returns, instead of ending ctx. Where
// no signals are watched the channel is nil.
func patience(ctx context.Context) <-chan struct{} {
	in, ok := ctx.Value(interruptsKey{}).(*interrupts)
	if !ok {
		return nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.patient = true
	return in.first
}

func (in *interrupts) watch(ctx context.Context, signals chan os.Signal) {
	defer signal.Stop(signals)
	var late <-chan time.Time
	asked := false
	for {
		select {
		case s := <-signals:
			if !in.isPatient() || asked {
				in.cancel()
				return
			}
			if asked = true; s != os.Interrupt {
				late = time.After(termGrace)
			}
			close(in.first)
		case <-late:
			in.cancel()
			return
		case <-ctx.Done():
			return
		}
	}
}

func (in *interrupts) isPatient() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.patient
}
