package remote

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

const panicPrefix = "procpool/worker: "

// registered holds what both processes agree on by name. It is read for every
// error and written while packages initialise, so readers take a snapshot
// without a lock and writers replace it.
var registered struct {
	mu      sync.Mutex // held by writers
	current atomic.Pointer[snapshot]
}

// A snapshot is never changed once it is published.
type snapshot struct {
	sentinels []sentinel // in the order of registration, as are kinds
	byName    map[string]error
	kinds     []*kind
	kindNamed map[string]*kind
	byType    map[reflect.Type]*kind
}

type sentinel struct {
	name       string
	err        error
	comparable bool // what errors.Is asks of a target before it compares
}

func load() *snapshot {
	if s := registered.current.Load(); s != nil {
		return s
	}
	return &snapshot{}
}

// update publishes a changed copy. A panic in change leaves what was.
func update(change func(*snapshot)) {
	registered.mu.Lock()
	defer registered.mu.Unlock()
	next := load().clone()
	change(next)
	registered.current.Store(next)
}

func (s *snapshot) clone() *snapshot {
	c := &snapshot{
		sentinels: slices.Clone(s.sentinels),
		byName:    maps.Clone(s.byName),
		kinds:     slices.Clone(s.kinds),
		kindNamed: maps.Clone(s.kindNamed),
		byType:    maps.Clone(s.byType),
	}
	if c.byName == nil {
		c.byName = map[string]error{}
		c.kindNamed = map[string]*kind{}
		c.byType = map[reflect.Type]*kind{}
	}
	return c
}

// RegisterSentinel makes err one of the errors that errors.Is finds on the other
// side of the process boundary. Call it while packages initialise, with the same
// name in both processes. Names of sentinels and of types do not meet.
//
// It panics if err is nil, if the name is empty or longer than 256 bytes, and if
// the name is taken. One error may have two names, so that a package can register
// a sentinel that another has registered too.
func RegisterSentinel(name string, err error) {
	checkName("RegisterError", name)
	if err == nil {
		panic(fmt.Sprintf(panicPrefix+"RegisterError(%q): the error is nil", name))
	}
	update(func(s *snapshot) { s.addSentinel(name, err) })
}

func (s *snapshot) addSentinel(name string, err error) {
	if old, taken := s.byName[name]; taken {
		panic(fmt.Sprintf(panicPrefix+"RegisterError(%q): the name is taken by %q", name, safeText(old)))
	}
	s.byName[name] = err
	s.sentinels = append(s.sentinels, sentinel{name, err, reflect.TypeOf(err).Comparable()})
}

func (s *snapshot) addKind(k *kind) {
	if old, taken := s.kindNamed[k.name]; taken {
		panic(fmt.Sprintf(panicPrefix+"RegisterErrorType[%v](%q): the name is taken by %v", k.typ, k.name, old.typ))
	}
	if old, taken := s.byType[k.typ]; taken {
		panic(fmt.Sprintf(panicPrefix+"RegisterErrorType[%v](%q): the type is already registered as %q", k.typ, k.name, old.name))
	}
	s.kinds = append(s.kinds, k)
	s.kindNamed[k.name] = k
	s.byType[k.typ] = k
}

func checkName(function, name string) {
	if name == "" {
		panic(panicPrefix + function + ": the name is empty")
	}
	if len(name) > maxName {
		panic(fmt.Sprintf(panicPrefix+"%s: a name of %d bytes, at most %d are allowed", function, len(name), maxName))
	}
}
