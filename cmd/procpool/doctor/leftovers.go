package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/pool"
)

type leftoverFacts struct {
	Took  int64    `json:"took_ns"` // the closing of a pool with a task that hangs
	Left  []string `json:"left"`    // processes and descriptors, of this check and all before it
	Fault string   `json:"fault"`
}

// probeLeftovers closes a pool in the middle of its work, and looks what is there that was not when the doctor came.
func probeLeftovers(ctx context.Context, s *system) (f leftoverFacts, err error) {
	if s.before.unsure != "" {
		return f, errors.New(s.before.unsure)
	}
	p, err := s.startPool(ctx)
	if err == nil {
		at := pool.Go(ctx, p, hang, struct{}{})
		if s.Workers > 1 { // with one it would wait for the task that hangs
			if _, err := pool.Call(ctx, p, echo, 1); err != nil {
				f.Fault = brief(err)
			}
		}
		began := time.Now()
		p.Close()
		f.Took = int64(time.Since(began))
		if _, err := at.Wait(ctx); !errors.Is(err, pool.ErrClosed) && f.Fault == "" {
			f.Fault = fmt.Sprintf("a task under way was not ended by Close: %s", brief(err))
		}
	}
	f.Left = s.leftovers(ctx)
	if len(f.Left) > 0 {
		return f, nil
	}
	return f, err
}

// leftovers waits a moment for what is on its way out.
func (s *system) leftovers(ctx context.Context) []string {
	for until := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left := takeCensus().since(s.before)
		if len(left) == 0 || ctx.Err() != nil || time.Now().After(until) {
			return left
		}
	}
}

func judgeLeftovers(_ *system, f leftoverFacts) verdict {
	const does = "Close kills workers with all that they started, and reaps them; Shutdown lets them finish first"
	switch {
	case len(f.Left) > 0:
		return verdict{Problem, "left behind: " + strings.Join(f.Left, ", "), does, "this is a fault of procpool: please report it with this output"}
	case f.Fault != "":
		return verdict{Problem, f.Fault, does, "see the problems above"}
	}
	return verdict{OK, fmt.Sprintf("a pool at work was closed in %s; no process, descriptor or socket is left", span(time.Duration(f.Took))), does, ""}
}

type orphanFacts struct {
	Workers int      `json:"workers"` // of the program that was killed
	Took    int64    `json:"took_ns"` // until they were gone
	Left    []string `json:"left"`
	Fault   string   `json:"fault"`
}

func judgeOrphans(_ *system, f orphanFacts) verdict {
	const does = "the kernel kills the groups of all workers when their parent is gone, whatever it died of"
	switch {
	case len(f.Left) > 0:
		return verdict{Problem, "workers have outlived their parent: " + strings.Join(f.Left, ", "), does, "end them with kill -9; see life-pipe above"}
	case f.Fault != "":
		return verdict{Problem, f.Fault, does, "see the problems above"}
	}
	return verdict{OK, fmt.Sprintf("a program was killed (SIGKILL) while %s looped for ever: gone after %s", numeral.Of(int64(f.Workers), "worker"), span(time.Duration(f.Took))), does, ""}
}
