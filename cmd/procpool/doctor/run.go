package doctor

import (
	"context"
	"os/exec"
	"runtime"
	"slices"
	"time"
)

// Options say what to look at. The zero value looks at everything, for as many workers as a pool has by default.
type Options struct {
	Version string                              // for the report
	Workers int                                 // how many workers the limits are judged for, and the live part starts; 0 is GOMAXPROCS
	Quick   bool                                // leave the live part out
	Only    []string                            // names of checks; empty is all. A live check that is named runs even if Quick
	Bare    func(ctx context.Context) *exec.Cmd // this program, ending at once: what a start costs; nil where that is not measured
	Parent  func(ctx context.Context) *exec.Cmd // this program, with a pool whose workers ignore everything; nil where that is not tried
	Begin   func(check string)                  // called before each check; may be nil
}

// Check complains about checks that do not exist.
func (o *Options) Check() error { return checkOnly(o.Only) }

// Run looks. The only error is that of ctx; what went wrong otherwise is a finding.
func Run(ctx context.Context, opts Options) (*Report, error) {
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	s := &system{Options: opts, root: "/", before: takeCensus()}
	return s.report(ctx, allChecks())
}

func (s *system) report(ctx context.Context, checks []check) (*Report, error) {
	began := time.Now()
	r := &Report{Procpool: s.Version, State: OK, Workers: s.Workers, Quick: s.Quick, Findings: []Finding{}}
	for _, c := range checks {
		if !s.wants(&c) {
			continue
		}
		if s.Begin != nil {
			s.Begin(c.name)
		}
		f := c.bounded(ctx, s)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		r.State = worse(r.State, f.State)
		r.Findings = append(r.Findings, f)
	}
	r.Seconds = time.Since(began).Seconds()
	return r, nil
}

func (s *system) wants(c *check) bool {
	if len(s.Only) > 0 {
		return slices.Contains(s.Only, c.name)
	}
	return !s.Quick || c.group != groupLive
}
