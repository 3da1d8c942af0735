package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/pool"
)

// Options say what is measured.
type Options struct {
	Workers int                                 // worker processes
	Budget  time.Duration                       // how long all sections together are to take; it is more where one operation takes long
	Quick   bool                                // for the report
	Only    []string                            // names of sections; all where empty
	Python  string                              // the interpreter; "" measures no Python
	Version string                              // of the command, for the report
	Bare    func(ctx context.Context) *exec.Cmd // starts this program so that it ends at once; nil where it cannot

	// Begin, if not nil, is called before each section, Done after it.
	Begin func(title string)
	Done  func()
}

// bench is one run.
type bench struct {
	Options

	pool   *pool.Pool // of Workers workers
	python *python    // nil where there is none
	report Report
	unit   time.Duration // what 1024 turns of spin take
	dir    string        // for pipes and the peer's script

	spins []float64 // what the same spin took between the sections
}

// section is what can be measured.
type section struct {
	name  string
	share float64 // of the budget
	run   func(*bench, context.Context, time.Duration) (Section, error)
}

// sections in their order. The shares sum up to 1.
var sections = []section{
	{"roundtrip", 0.11, (*bench).roundTrip},
	{"pays", 0.12, (*bench).pays},
	{"batch", 0.18, (*bench).batches},
	{"payload", 0.25, (*bench).payloads},
	{"records", 0.08, (*bench).records},
	{"cpu", 0.10, (*bench).cpu},
	{"skew", 0.06, (*bench).skew},
	{"start", 0.07, (*bench).start},
	{"memory", 0.03, (*bench).memory},
}

// Names are the names of the sections, in their order.
func Names() (names []string) {
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

// chosen are the sections of Only.
func (o *Options) chosen() ([]section, error) {
	if len(o.Only) == 0 {
		return sections, nil
	}
	var some []section
	for _, s := range sections {
		if slices.Contains(o.Only, s.name) {
			some = append(some, s)
		}
	}
	for _, name := range o.Only {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("there is no section %q; there are %v", name, Names())
		}
	}
	return some, nil
}

// Check says what is wrong with the options.
func (o *Options) Check() error {
	if o.Workers < 1 {
		return fmt.Errorf("workers %d: must be at least 1", o.Workers)
	}
	if o.Budget <= 0 {
		return fmt.Errorf("time %v: must be more than 0", o.Budget)
	}
	_, err := o.chosen()
	return err
}

// Run measures. It takes about Budget.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	chosen, _ := o.chosen() // checked
	b := &bench{Options: o, unit: turnTime()}
	dir, err := os.MkdirTemp("", "procpool-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b.dir = dir
	if b.pool, err = b.newPool(ctx, o.Workers); err != nil {
		return nil, err
	}
	defer func() { _ = b.pool.Close() }()
	if o.Python != "" {
		if b.python, err = startPython(ctx, o.Python, dir, o.Workers); err != nil {
			return nil, err
		}
		defer b.python.stop()
	}
	if err := b.run(ctx, chosen); err != nil {
		return nil, err
	}
	return &b.report, nil
}

func (b *bench) newPool(ctx context.Context, workers int) (*pool.Pool, error) {
	p, err := pool.New(ctx, pool.WithWorkers(workers), pool.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		return nil, fmt.Errorf("the pool does not start: %w", err)
	}
	return p, nil
}

func (b *bench) run(ctx context.Context, chosen []section) error {
	began := time.Now()
	b.report = Report{
		Schema: Schema, Started: began.UTC().Truncate(time.Second),
		Settings: Settings{Workers: b.Workers, Budget: b.Budget.Seconds(), Quick: b.Quick},
		Machine:  thisMachine(b.Version),
	}
	if b.python != nil {
		b.report.Machine.Python = b.python.version
	}
	load := newLoad()
	total := 0.0
	for _, s := range chosen {
		total += s.share
	}
	for _, s := range chosen {
		b.sampleNoise()
		if b.Begin != nil {
			b.Begin(s.name)
		}
		measured, err := s.run(b, ctx, time.Duration(float64(b.Budget)*s.share/total))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		measured.Name = s.name
		b.report.Sections = append(b.report.Sections, measured)
		if b.Done != nil {
			b.Done()
		}
	}
	b.sampleNoise()
	b.report.Noise = load.noise(b.spins)
	b.report.Seconds = time.Since(began).Seconds()
	b.report.conclude()
	return nil
}

// race measures the trials of a section, which share its time.
func race(ctx context.Context, s *Section, trials []trial, budget time.Duration) error {
	for i := range trials {
		rows, err := measure(ctx, &trials[i], budget/time.Duration(len(trials)))
		if err != nil {
			return err
		}
		s.Rows = append(s.Rows, rows...)
	}
	return nil
}

// errWrong is returned where a contender's answer is not what it must be: then its figures mean nothing.
var errWrong = errors.New("bug: a wrong answer")
