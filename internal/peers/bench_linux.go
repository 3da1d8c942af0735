package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/pool"
)

// workers is how many worker processes every side has.
const workers = 2

// bench is one run of the program.
type bench struct {
	quick    bool
	progress io.Writer
	dir      string // of the minimal program, once it is built

	ctx context.Context
}

func newBench(quick bool, progress io.Writer) *bench {
	return &bench{quick: quick, progress: progress, ctx: context.Background()}
}

func (b *bench) close() {
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

// rounds returns how many rounds are counted.
func (b *bench) rounds(full int) int {
	if b.quick {
		return 3
	}
	return full
}

// count returns how many operations are in a round.
func (b *bench) count(full int) int {
	if b.quick {
		return max(1, full/5)
	}
	return full
}

// pool starts a pool as a user would who knows only how many workers he wants.
func (b *bench) pool() (*pool.Pool, error) {
	return pool.New(b.ctx, pool.WithWorkers(workers), pool.WithLogger(hclog.NewNullLogger()))
}

// onPool runs a row that needs a pool.
func onPool(row func(b *bench, p *pool.Pool) ([]finding, error)) func(*bench) ([]finding, error) {
	return func(b *bench) ([]finding, error) {
		p, err := b.pool()
		if err != nil {
			return nil, err
		}
		defer p.Close()
		return row(b, p)
	}
}

// check is what came of an operation: its error, or that its answer is wrong.
func check(err error, right bool, what string) error {
	if err == nil && !right {
		err = errors.New("a wrong answer")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
