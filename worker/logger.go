package worker

import (
	"context"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/internal/serve"
	"github.com/procpool/procpool/wire"
)

// Logger returns a logger whose records arrive at the pool's logger, stamped with slot, pid, function and index
// of the task that ctx belongs to. Records below the level of the pool's logger are dropped here
// and cost nothing but the call. Outside of a task it returns hclog.L().
func Logger(ctx context.Context) hclog.Logger {
	t := serve.FromContext(ctx)
	if t == nil {
		return hclog.L()
	}
	return &logger{task: t, level: hclog.Level(t.LogLevel())}
}

// logger is an hclog.Logger that writes to the wire.
type logger struct {
	task  *serve.Task
	level hclog.Level
	name  string
	with  []any
}

var _ hclog.Logger = (*logger)(nil)

func (l *logger) Log(level hclog.Level, msg string, args ...any) {
	if level < l.level || l.level == hclog.Off {
		return
	}
	record := wire.LogBody{Level: int(level), Time: time.Now().UnixNano(), Name: l.name, Msg: msg}
	record.Args = append(plain(l.with), plain(args)...)
	l.task.Log(&record)
}

// plain makes values that any process can print: numbers and booleans stay, all else becomes text,
// in the worker, which knows the types.
func plain(args []any) []any {
	out := make([]any, 0, len(args))
	for _, arg := range args {
		switch v := arg.(type) {
		case nil, bool, string, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
			out = append(out, v)
		case hclog.Format:
			out = append(out, formatted(v))
		default:
			out = append(out, fmt.Sprint(v)) // recovers from panics of String and Error itself
		}
	}
	return out
}

func formatted(f hclog.Format) string {
	if len(f) == 0 {
		return ""
	}
	layout, ok := f[0].(string)
	if !ok {
		return fmt.Sprint([]any(f)...)
	}
	return fmt.Sprintf(layout, f[1:]...)
}

func (l *logger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l *logger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l *logger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l *logger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l *logger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l *logger) IsTrace() bool { return l.level <= hclog.Trace }
func (l *logger) IsDebug() bool { return l.level <= hclog.Debug }
func (l *logger) IsInfo() bool  { return l.level <= hclog.Info }
func (l *logger) IsWarn() bool  { return l.level <= hclog.Warn }
func (l *logger) IsError() bool { return l.level <= hclog.Error }

func (l *logger) ImpliedArgs() []any { return l.with }

func (l *logger) With(args ...any) hclog.Logger {
	derived := *l
	derived.with = append(append([]any(nil), l.with...), args...)
	return &derived
}

func (l *logger) Name() string { return l.name }

func (l *logger) Named(name string) hclog.Logger {
	if l.name != "" {
		name = l.name + "." + name
	}
	return l.ResetNamed(name)
}

func (l *logger) ResetNamed(name string) hclog.Logger {
	derived := *l
	derived.name = name
	return &derived
}

func (l *logger) SetLevel(level hclog.Level) { l.level = level }
func (l *logger) GetLevel() hclog.Level      { return l.level }

func (l *logger) StandardLogger(opts *hclog.StandardLoggerOptions) *log.Logger {
	return log.New(l.StandardWriter(opts), "", 0)
}

// StandardWriter returns a writer each of whose writes is one record, at the forced level or Info.
func (l *logger) StandardWriter(opts *hclog.StandardLoggerOptions) io.Writer {
	level := hclog.Info
	if opts != nil && opts.ForceLevel != hclog.NoLevel {
		level = opts.ForceLevel
	}
	return recordWriter{l, level}
}

type recordWriter struct {
	to    *logger
	level hclog.Level
}

func (w recordWriter) Write(p []byte) (int, error) {
	text := p
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	w.to.Log(w.level, string(text))
	return len(p), nil
}
