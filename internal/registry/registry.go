// Package registry holds the functions that were registered by name. Parent and worker run
// the same program, so both find the same function under a name.
package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/procpool/procpool/wire"
)

// MaxName is the longest name of a function in bytes.
const MaxName = 255

// Invoke runs a function on an encoded argument and appends the encoded result to dst. owned says that nobody else uses the memory of arg, so
// that the argument may keep it. A long result is not appended but for what stands before its bytes: those are lent.
// Unless the outcome is wire.Value the error says why, and dst comes back as it was.
type Invoke func(ctx context.Context, arg []byte, owned bool, dst []byte) (out, lent []byte, outcome wire.Outcome, err error)

var (
	mu        sync.RWMutex
	functions = map[string]func() Invoke{}
)

// Register makes a function known. instance returns an Invoke for the use of one worker, which runs one task at a time: it may keep memory for
// the next. Register panics where the name is taken, empty or too long: all of them are mistakes of the program.
func Register(name string, instance func() Invoke) {
	CheckName(name)
	mu.Lock()
	defer mu.Unlock()
	if _, taken := functions[name]; taken {
		panic(fmt.Sprintf("procpool/worker: Register(%q): the name is taken", name))
	}
	functions[name] = instance
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
	instance, ok = functions[name]
	return instance, ok
}

// Names returns the names of all functions, sorted.
func Names() []string {
	mu.RLock()
	defer mu.RUnlock()
	return slices.Sorted(maps.Keys(functions))
}
