package boot

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// The variables that make a process a worker. All of them are unset by Settle, so that what a task starts is no worker.
const (
	envWorker = "PROCPOOL_WORKER" // "1", then ",page" and ",procs=N" where they apply
	envCookie = "PROCPOOL_COOKIE"
	envSlot   = "PROCPOOL_SLOT"
	envDepth  = "PROCPOOL_DEPTH"
	envProcs  = "PROCPOOL_GOMAXPROCS" // what GOMAXPROCS was before the parent set it for the worker; absent if it was not set

	goMaxProcs = "GOMAXPROCS"
)

var ownVariables = []string{envWorker, envCookie, envSlot, envDepth, envProcs}

// version is the first field of PROCPOOL_WORKER. Parent and worker are one build, so a mismatch means a stray variable.
const version = "1"

// Marker is what the parent tells the child through the environment.
type Marker struct {
	Cookie string // 32 hexadecimal characters, which the worker's hello starts with
	Slot   int    // -1 in a spare
	Depth  int    // 1 in a worker of an ordinary process, 2 in a worker's worker
	Page   bool   // descriptor 4 is a status page
	Procs  int    // GOMAXPROCS for the worker alone, not for what it starts; 0 leaves the variable alone
}

// Apply returns env as the environment of a worker with this marker: without marks of an outer pool, and with GOMAXPROCS
// replaced if the marker says so. env is not changed. Prefer it to Env: of a variable that is set twice the first counts,
// so that a GOMAXPROCS that is merely appended is not seen.
func (m Marker) Apply(env []string) []string {
	env = Strip(env)
	original, had := "", false
	if m.Procs > 0 {
		env, original, had = cut(env, goMaxProcs)
	}
	return append(env, m.variables(original, had)...)
}

// Env returns the variables of the marker alone, for an environment that has no GOMAXPROCS or is put after them. The
// worker's children get the GOMAXPROCS of this process back.
func (m Marker) Env() []string {
	original, had := os.LookupEnv(goMaxProcs)
	return m.variables(original, had)
}

func (m Marker) variables(original string, had bool) []string {
	mark := version
	if m.Page {
		mark += ",page"
	}
	if m.Procs > 0 {
		mark += ",procs=" + strconv.Itoa(m.Procs)
	}
	vars := []string{
		envWorker + "=" + mark,
		envCookie + "=" + m.Cookie,
		envSlot + "=" + strconv.Itoa(m.Slot),
		envDepth + "=" + strconv.Itoa(m.Depth),
	}
	if m.Procs > 0 {
		vars = append(vars, goMaxProcs+"="+strconv.Itoa(m.Procs))
		if had {
			vars = append(vars, envProcs+"="+original)
		}
	}
	return vars
}

// Strip returns a copy of env without procpool's own variables.
func Strip(env []string) []string {
	out := make([]string, 0, len(env)+len(ownVariables)+1)
	for _, kv := range env {
		if name, _, _ := strings.Cut(kv, "="); !isOwn(name) {
			out = append(out, kv)
		}
	}
	return out
}

func isOwn(name string) bool {
	return slices.Contains(ownVariables, name)
}

// cut removes every setting of name from env, in place, and returns the one that counted.
func cut(env []string, name string) (rest []string, value string, had bool) {
	rest = env[:0]
	for _, kv := range env {
		n, v, _ := strings.Cut(kv, "=")
		if n != name {
			rest = append(rest, kv)
		} else if !had {
			value, had = v, true
		}
	}
	return rest, value, had
}

// parse reads a marker back; present says whether there is one at all. With an error the marker is what could be read.
func parse(lookup func(string) (string, bool)) (m Marker, present bool, err error) {
	mark, present := lookup(envWorker)
	if !present {
		return m, false, nil
	}
	get := func(name string) string { v, _ := lookup(name); return v }
	var errs [4]error
	m.Page, m.Procs, errs[0] = parseMark(mark)
	m.Cookie, errs[1] = parseCookie(get(envCookie))
	m.Slot, errs[2] = parseNumber(envSlot, get(envSlot), -1)
	m.Depth, errs[3] = parseNumber(envDepth, get(envDepth), 1)
	return m, true, errors.Join(errs[:]...)
}

func parseMark(mark string) (page bool, procs int, err error) {
	fields := strings.Split(mark, ",")
	if fields[0] != version {
		return false, 0, fmt.Errorf("%s=%.40q is not a mark of this version", envWorker, mark)
	}
	for _, f := range fields[1:] {
		name, value, _ := strings.Cut(f, "=")
		switch name {
		case "page":
			page = true
		case "procs":
			if procs, err = parseNumber(envWorker+": procs", value, 1); err != nil {
				return page, 0, err
			}
		default:
			return page, procs, fmt.Errorf("%s=%.40q has an unknown field", envWorker, mark)
		}
	}
	return page, procs, nil
}

func parseCookie(s string) (string, error) {
	if s == "" {
		return "", errors.New(envCookie + " is missing")
	}
	if len(s) != 32 || strings.Trim(s, "0123456789abcdefABCDEF") != "" {
		return "", fmt.Errorf("%s=%.40q is not 32 hexadecimal characters", envCookie, s)
	}
	return s, nil
}

// parseNumber accepts min to a million, in decimal.
func parseNumber(name, s string, min int) (int, error) {
	const limit = 1_000_000
	if s == "" {
		return 0, fmt.Errorf("%s is missing", name)
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < min || n > limit {
		return 0, fmt.Errorf("%s=%.40q is not a number from %d to %d", name, s, min, limit)
	}
	return n, nil
}
