package pool

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/internal/codec"
	"github.com/procpool/procpool/wire"
	"github.com/procpool/procpool/worker"
)

// report is one progress event on its way to WithOnReport.
type report struct {
	info  worker.TaskInfo
	value worker.Raw
}

// maxReports and maxReportBytes are how much waits for a WithOnReport that does not keep up.
const (
	maxReports     = 1024
	maxReportBytes = 16 << 20
)

// journal is the pool's logger. Where that is hclog's own, which writes to os.Stderr, a standard error whose reader is gone costs the
// records and not the program: a failed write to descriptor 2 raises SIGPIPE (os/signal says so), and the death of a worker, which is
// logged, must not be the parent's.
type journal struct {
	hclog.Logger
	standard bool // it writes to standard error
}

// Log implements hclog.Logger for all levels.
func (j journal) Log(level hclog.Level, msg string, args ...any) {
	if level < j.GetLevel() || j.standard && unheard(os.Stderr) {
		return
	}
	j.Logger.Log(level, msg, args...)
}

func (j journal) Debug(msg string, args ...any) { j.Log(hclog.Debug, msg, args...) }
func (j journal) Warn(msg string, args ...any)  { j.Log(hclog.Warn, msg, args...) }
func (j journal) Error(msg string, args ...any) { j.Log(hclog.Error, msg, args...) }

// Named implements hclog.Logger.
func (j journal) Named(name string) hclog.Logger { return journal{j.Logger.Named(name), j.standard} }

// logLevel returns the lowest level that a logger wants, as the protocol numbers them.
func logLevel(l hclog.Logger) int { return int(l.GetLevel()) }

// record passes a log record of a worker on to the pool's logger.
func (p *proc) record(f wire.Frame) {
	body, err := wire.ParseLog(f)
	if err != nil {
		return // the protocol says: discarded
	}
	level := hclog.Level(body.Level)
	if level < hclog.Trace || level > hclog.Error {
		level = hclog.Info
	}
	p.core.mu.Lock()
	info, _ := p.taskLocked(f)
	slot := p.slot.id
	p.core.mu.Unlock()
	logger := p.core.log
	if body.Name != "" {
		logger = logger.Named(logText(body.Name))
	}
	args := append(logArgs(body.Args), "slot", slot, "pid", p.child.PID())
	if info.Func != "" {
		args = append(args, "func", info.Func, "index", info.Index)
	}
	args = append(args, "worker_time", time.Unix(0, body.Time).Format(time.RFC3339Nano))
	p.telling.Store(true)
	defer p.telling.Store(false)
	logger.Log(level, logText(body.Msg), args...)
}

const (
	maxLogText = 64 << 10
	maxLogArgs = 64
)

// logText makes a worker's text fit for a log, which may be a terminal: short, valid, and without control characters but newlines and tabs.
func logText(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxLogText)], "\uFFFD")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '.'
		}
		return r
	}, s)
}

// logArgs does the same with the arguments of a record; what is no text, number or boolean is shown as a text.
func logArgs(args []any) []any {
	args = slices.Clone(args[:min(len(args), maxLogArgs)])
	for i, a := range args {
		switch a := a.(type) {
		case nil, bool, int64, uint64, float64:
		case string:
			args[i] = logText(a)
		default:
			args[i] = logText(fmt.Sprint(a))
		}
	}
	return args
}

// validValue reports whether b is one well formed value.
func validValue(b []byte) bool { return codec.CheckOne(b) == nil }
