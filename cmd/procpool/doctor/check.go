package doctor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// A check is one line of the report.
type check struct {
	name  string
	group string
	about string // one line, for lists
	limit time.Duration
	facts reflect.Type
	run   func(ctx context.Context, s *system) Finding
}

// A system is what probes look at: the real one, or a test's.
type system struct {
	Options
	root string // "/" but in tests; the files of /proc and /sys are read below it

	before census                 // what there was before the first check
	noPool atomic.Pointer[string] // why no pool is started any more; nil while one may be
}

// probeLimit bounds a probe that says nothing else.
const probeLimit = 3 * time.Second

// newCheck makes a check of a probe and its judge.
func newCheck[F any](name, group, about string, probe func(context.Context, *system) (F, error), judge func(*system, F) verdict) check {
	c := check{name: name, group: group, about: about, limit: probeLimit, facts: reflect.TypeFor[F]()}
	c.run = func(ctx context.Context, s *system) Finding {
		facts, err := probe(ctx, s)
		if err != nil {
			return c.finding(unknown(err), nil)
		}
		return c.finding(judge(s, facts), facts)
	}
	return c
}

// within gives a check another limit.
func (c check) within(d time.Duration) check {
	c.limit = d
	return c
}

// unknown is the verdict where a probe could not find anything out.
func unknown(err error) verdict {
	if errors.Is(err, errors.ErrUnsupported) {
		return verdict{state: Note, found: fmt.Sprintf("not looked at: this system is %s, and the check is for Linux", runtime.GOOS)}
	}
	if refused, ok := errors.AsType[*noPoolError](err); ok && refused.tried {
		return verdict{Problem, "no pool starts: " + refused.text, startDoes, "see the problems above, and try fewer workers (--workers 1)"}
	} else if ok {
		return verdict{state: Note, found: "not tried: " + refused.text}
	}
	return verdict{state: Note, found: "could not be found out: " + err.Error()}
}

func (c *check) finding(v verdict, facts any) Finding {
	return Finding{Check: c.name, Group: c.group, State: v.state, Found: v.found, Does: v.does, Improve: v.improve, Facts: facts}
}

// bounded runs the check for as long as it may take. A probe that hangs in the kernel is left behind: nothing else can be done about it.
func (c *check) bounded(ctx context.Context, s *system) Finding {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	done := make(chan Finding, 1) // so that a late probe never waits for who has left
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- c.finding(verdict{state: Problem, found: fmt.Sprintf("bug: the check panicked: %v", r)}, nil)
			}
		}()
		done <- c.run(ctx, s)
	}()
	select {
	case f := <-done:
		return f
	case <-time.After(2 * c.limit): // a probe that obeys ctx has as long again to say what it was about
		return c.finding(verdict{
			state: Problem, found: fmt.Sprintf("no answer within %v: what it waits for never comes", 2*c.limit),
			improve: "a sandbox that swallows signals or system calls would do that",
		}, nil)
	}
}

// Info describes a check for lists.
type Info struct {
	Name, Group, About string
	Live               bool     // it starts processes, and is left out by Quick
	Keys               []string // of its facts in the JSON output
}

// Checks lists all checks in their order.
func Checks() (infos []Info) {
	for _, c := range allChecks() {
		infos = append(infos, Info{Name: c.name, Group: c.group, About: c.about, Live: c.group == groupLive, Keys: keysOf(c.facts)})
	}
	return infos
}

// keysOf are the JSON names of a struct's fields.
func keysOf(t reflect.Type) (keys []string) {
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		keys = append(keys, name)
	}
	return keys
}

// names of the checks that there are.
func checkNames() (names []string) {
	for _, c := range allChecks() {
		names = append(names, c.name)
	}
	return names
}

// checkOnly complains of a check that does not exist.
func checkOnly(only []string) error {
	names := checkNames()
	for _, name := range only {
		if slices.Contains(names, name) {
			continue
		}
		for _, near := range names {
			if len(name) > 2 && (strings.HasPrefix(near, name) || strings.HasPrefix(name, near)) {
				return fmt.Errorf("there is no check %q; did you mean %s?", name, near)
			}
		}
		return fmt.Errorf("there is no check %q; there are %s", name, strings.Join(names, ", "))
	}
	return nil
}
