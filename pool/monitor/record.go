package monitor

import (
	"errors"
	"strings"
	"unicode"

	"github.com/procpool/procpool/pool"
)

// A snapshot is sent each second, so what it says of one task is bounded, and what it says of all of them. Of standard error the end says most, of a stack the
// beginning.
const (
	maxError  = 1 << 10
	maxArg    = 1 << 10
	maxStderr = 4 << 10
	maxStack  = 16 << 10
	maxTexts  = 256 << 10 // of all records; the first ones get them
)

const cutMark = "[cut]"

func records(list []pool.TaskRecord) []Record {
	all := make([]Record, 0, len(list))
	room := maxTexts
	for i := range list {
		r := record(&list[i])
		if size := len(r.Stderr) + len(r.Stack); size > room {
			r.Stderr, r.Stack = mark(r.Stderr), mark(r.Stack)
		} else {
			room -= size
		}
		all = append(all, r)
	}
	return all
}

// mark stands for a text for which there is no room.
func mark(text string) string {
	if text == "" {
		return ""
	}
	return cutMark
}

func record(t *pool.TaskRecord) Record {
	r := Record{
		Func: t.Func, Index: t.Index, Slot: t.Slot, PID: t.PID, Attempt: t.Attempt, Ended: t.Ended,
		Exec: t.Timing.Exec.Seconds(), Total: t.Timing.Total().Seconds(), Arg: head(t.Arg, maxArg),
	}
	if t.Err != nil {
		r.explain(t.Err)
	}
	return r
}

// explain says what happened, and shows what was left behind.
func (r *Record) explain(err error) {
	if task, ok := errors.AsType[*pool.TaskError](err); ok && task.Err != nil {
		err = task.Err // function, item and worker are told already
	}
	r.Kind = kind(err)
	r.Error = head(oneLine(err.Error()), maxError)
	if died, ok := errors.AsType[*pool.ExitError](err); ok {
		r.Stderr = tail(text(string(died.Stderr)), maxStderr)
	}
	if late, ok := errors.AsType[*pool.TimeoutError](err); ok {
		r.Stack = head(text(late.Stack), maxStack)
	} else if panicked, ok := errors.AsType[*pool.PanicError](err); ok {
		r.Stack = head(text(panicked.Stack), maxStack)
	}
}

// kind says in a word how a task failed.
func kind(err error) string {
	switch err.(type) {
	case *pool.RemoteError:
		return "returned"
	case *pool.PanicError:
		return "panic"
	case *pool.ExitError:
		return "exit"
	case *pool.TimeoutError:
		return "timeout"
	case *pool.EncodeError:
		return "encode"
	case *pool.DecodeError:
		return "decode"
	}
	if errors.Is(err, pool.ErrNotRegistered) {
		return "unregistered"
	}
	return "error"
}

// head is the beginning of a text, in at most so many bytes.
func head(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len(cutMark)-1], "") + " " + cutMark
}

// tail is the end of a text.
func tail(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return cutMark + " " + strings.ToValidUTF8(text[len(text)-most+len(cutMark)+1:], "")
}

// oneLine is a text without line breaks and what drives a terminal.
func oneLine(s string) string {
	return text(strings.ReplaceAll(strings.TrimSpace(s), "\n", " · "))
}

// text is what may be shown of a text that anybody may have written: in a terminal it must not do anything.
func text(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if !unicode.IsPrint(r) && r != ' ' || r == unicode.ReplacementChar {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(s, "."))
}
