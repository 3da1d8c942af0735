package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/pool"
)

// joblogPart is about the job log: a line for each item, in the columns of GNU parallel.
type joblogPart struct {
	file string
}

func (l *joblogPart) define(fs *pflag.FlagSet) {
	fs.StringVar(&l.file, "joblog", "", "write a line for each item to `FILE`, in the columns of GNU parallel; +FILE appends to it")
}

func (l *joblogPart) check(_ *runFlags, changed func(string) bool) error {
	if changed("joblog") && strings.TrimPrefix(l.file, "+") == "" {
		return errors.New("--joblog: no file is named")
	}
	return nil
}

func (l *joblogPart) join(j *job) error {
	if l.file == "" || j.dry {
		return nil
	}
	log, err := openJoblog(l.file, j.command)
	if err != nil {
		return fmt.Errorf("--joblog: %w", err)
	}
	j.recorders = append(j.recorders, log)
	return nil
}

const joblogHeader = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"

// joblog writes the job log. Lines are gathered for a moment, as those of standard output.
type joblog struct {
	f       *os.File
	lines   *sink
	command commandLine
}

// openJoblog begins a log: an empty one, or, where the name begins with a plus sign as for GNU parallel, at the end of
// the one that there is.
func openJoblog(name string, command commandLine) (*joblog, error) {
	path, appends := strings.CutPrefix(name, "+")
	mode := os.O_TRUNC
	if appends {
		mode = os.O_APPEND
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|mode, 0o666) //nolint:gosec // who may read it is for the umask to say, as with any output
	if err != nil {
		return nil, err
	}
	l := &joblog{f: f, lines: newSink(f), command: command}
	if info, err := f.Stat(); err != nil || info.Size() == 0 {
		_ = l.lines.line([]byte(joblogHeader))
		if err := l.lines.flush(); err != nil { // now, since what is full may be known before anything is run
			_ = f.Close()
			return nil, err
		}
	}
	return l, nil
}

func (l *joblog) record(o outcome) error {
	return l.wrapped(l.lines.line([]byte(l.line(o, time.Now()))))
}

func (l *joblog) close(bool) error {
	err := l.lines.flush()
	if closed := l.f.Close(); err == nil {
		err = closed
	}
	return l.wrapped(err)
}

func (l *joblog) wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("--joblog: %w", err)
}

// line is the line of an outcome that came now. Sequence numbers count from one. The host is that of a local job.
func (l *joblog) line(o outcome, now time.Time) string {
	exitval, signal := exitStatus(o.err)
	t := &o.timing
	began := now.Add(-t.Exec - t.Held - t.Return - t.Pickup - t.DecodeResult)
	ran := t.Exec
	var timeout *pool.TimeoutError
	if ran == 0 && errors.As(o.err, &timeout) {
		began, ran = now.Add(-timeout.Limit), timeout.Limit
	}
	return fmt.Sprintf("%d\t:\t%.3f\t%10.3f\t%d\t%d\t%d\t%d\t%s",
		o.item.index+1, float64(began.UnixMilli())/1e3, ran.Seconds(), t.ArgBytes, t.ResultBytes, exitval, signal, l.command.text(o.item))
}

// exitStatus is how an item ended, in the terms of a program: an error is exit value 1, a panic or what is no argument 2, a time
// limit -1 as for GNU parallel. A worker that died says it by itself, but that to exit with 0 is a failure too.
func exitStatus(err error) (exitval, signal int) {
	var (
		timeout  *pool.TimeoutError
		panicked *pool.PanicError
		exit     *pool.ExitError
		task     *pool.TaskError
	)
	switch {
	case err == nil:
		return 0, 0
	case errors.As(err, &timeout):
		if timeout.Hard {
			return -1, int(syscall.SIGKILL)
		}
		return -1, 0
	case errors.As(err, &exit):
		if s, ok := exit.Signal.(syscall.Signal); ok {
			return 0, int(s)
		}
		return max(1, exit.Code), 0
	case errors.As(err, &panicked), !errors.As(err, &task):
		return 2, 0
	}
	return 1, 0
}
