// Package registry holds the functions that were registered by name. Parent and worker run
// the same program, so both find the same function under a name.
package registry

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/procpool/procpool/wire"
)

// MaxName is the longest name of a function in bytes.
const MaxName = 255

// Invoke runs a function on an encoded argument and appends the encoded result to dst. A long result is not appended but for what stands before
// its bytes: those are lent. Unless the outcome is wire.Value the error says why, and dst comes back as it was.
type Invoke func(ctx context.Context, arg []byte, how How, dst []byte) (out, lent []byte, outcome wire.Outcome, err error)

// How says what an Invoke may do with its argument and its result.
type How struct {
	Owned      bool // nobody else uses the memory of the argument, which may keep it
	Positional bool // the result is decoded as the function's own type: its structs may be arrays
}

// Types are those of a function's argument and result.
type Types struct{ Arg, Result reflect.Type }

type function struct {
	types    Types
	instance func() Invoke
}

var (
	mu        sync.RWMutex
	functions = map[string]function{}
)

// Register makes a function known. instance returns an Invoke for the use of one worker, which runs one task at a time: it may keep memory for
// the next. Register panics where the name is taken, empty or too long: all of them are mistakes of the program.
func Register(name string, types Types, instance func() Invoke) {
	CheckName(name)
	mu.Lock()
	defer mu.Unlock()
	if _, taken := functions[name]; taken {
		panic(fmt.Sprintf("procpool/worker: Register(%q): the name is taken", name))
	}
	functions[name] = function{types, instance}
}

// CheckName panics where name cannot be the name of a function.
func CheckName(name string) {
	if name == "" || len(name) > MaxName {
		panic(fmt.Sprintf("procpool/worker: %q cannot name a function: a name has 1 to %d bytes", name, MaxName))
	}
}

// Lookup returns what makes instances of the function of that name.
func Lookup(name string) (instance func() Invoke, ok bool) {
	mu.RLock()
	defer mu.RUnlock()
	f, ok := functions[name]
	return f.instance, ok
}

// HasTypes reports whether the function of that name is known and has these types.
func HasTypes(name string, types Types) bool {
	mu.RLock()
	defer mu.RUnlock()
	f, ok := functions[name]
	return ok && f.types == types
}

// Names returns the names of all functions, sorted.
func Names() []string {
	mu.RLock()
	defer mu.RUnlock()
	return slices.Sorted(maps.Keys(functions))
}

// TypesOf returns the types of the function of that name; ok is false where it is not known.
func TypesOf(name string) (types Types, ok bool) {
	mu.RLock()
	defer mu.RUnlock()
	f, ok := functions[name]
	return f.types, ok
}
