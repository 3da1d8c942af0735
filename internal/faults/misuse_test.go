//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// helperOptions are those of the pools in helpers.
func helperOptions(n int, opts ...pool.Option) []pool.Option {
	return append([]pool.Option{
		pool.WithWorkers(n),
		pool.WithStopGrace(grace),
		pool.WithLogger(hclog.NewNullLogger()),
		pool.WithStdout(io.Discard),
		pool.WithStderr(os.Stderr),
	}, opts...)
}

// judged is verdictOf with what a StartError holds.
func judged(err error) verdict {
	v := verdictOf(err)
	if failed, ok := errors.AsType[*pool.StartError](err); ok {
		v.Stage, v.Stdout, v.Stderr = failed.Stage, string(failed.Stdout), string(failed.Stderr)
	}
	return v
}

// censusVar names a file in which every process of a program notes its start.
const censusVar = "FAULTS_CENSUS"

func noteBirth() {
	ledger(os.Getenv(censusVar)).enter('S', 0)
}

func births(t testing.TB, l ledger) int { return l.read(t).started[0] }

// A program that never calls worker.Main.
var _ = unhookedRole("no hook", func() {
	noteBirth()
	p, err := pool.New(context.Background(), helperOptions(2)...)
	if err == nil {
		p.Close()
	}
	report(judged(err))
	os.Exit(0)
})

func TestRow046ProgramWithoutTheHookIsToldSoAndStartsNoProcess(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	census := newLedger(t)
	begin := time.Now()
	h := startHelper(t, "no hook", censusVar+"="+string(census))
	var v verdict
	h.hear(&v)
	assert.Less(t, time.Since(begin), patience)
	assert.True(t, v.Is["ErrNoMain"], "%+v", v)
	assert.Equal(t, "main", v.Stage)
	assert.Contains(t, v.Err, "worker.Main()")
	assert.Contains(t, v.Err, "TestMain")
	assert.True(t, h.wait().Success())
	assert.Equal(t, 1, births(t, census), "processes")
}

// A program that calls worker.Main, but not where a worker would pass by: each worker runs the program again.
var _ = unhookedRole("hook in the parent only", func() {
	noteBirth()
	if !slices.Contains(os.Args, "procpool-worker") {
		worker.Main()
	}
	p, err := pool.New(context.Background(), helperOptions(2)...)
	if err == nil {
		p.Close()
	}
	if slices.Contains(os.Args, "procpool-worker") {
		fmt.Fprintln(os.Stderr, "second level:", err)
		os.Exit(9)
	}
	report(judged(err))
	os.Exit(0)
})

func TestRow046HookThatAWorkerDoesNotReachIsNoForkBomb(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	census := newLedger(t)
	begin := time.Now()
	h := startHelper(t, "hook in the parent only", censusVar+"="+string(census))
	var v verdict
	h.hear(&v)
	assert.Less(t, time.Since(begin), patience)
	assert.NotEmpty(t, v.Err)
	assert.Contains(t, []string{"hello", "main"}, v.Stage)
	assert.Contains(t, v.Stderr, "second level:", "the StartError holds what the worker said")
	assert.Contains(t, v.Stderr, "worker.Main", "the second level refuses, and says why")
	assert.True(t, h.wait().Success())
	assert.LessOrEqual(t, births(t, census), 1+2, "processes")
}

// A program that makes its pool in an init function.
var _ = unhookedRole("pool in init", func() {
	noteBirth()
	if slices.Contains(os.Args, "procpool-worker") {
		worker.Main()
	}
	begin := time.Now()
	_, err := pool.New(context.Background(), helperOptions(2)...)
	v := judged(err)
	if time.Since(begin) > patience {
		v.Err += " (late)"
	}
	report(v)
	listen()
	worker.Main()
	p, err := pool.New(context.Background(), helperOptions(2)...)
	report(judged(err))
	p.Close()
	os.Exit(0)
})

func TestRow048PoolBeforeTheHookIsRefusedAndAfterItWorks(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	census := newLedger(t)
	h := startHelper(t, "pool in init", censusVar+"="+string(census))
	var v verdict
	h.hear(&v)
	assert.True(t, v.Is["ErrNoMain"], "%+v", v)
	assert.Equal(t, 1, births(t, census), "processes")
	h.tell("go on")
	v = verdict{}
	h.hear(&v)
	assert.Empty(t, v.Err, "after Main")
	assert.Equal(t, 3, births(t, census), "processes")
	assert.True(t, h.wait().Success())
}

// nest builds a pool in a worker, and in its worker the next. By name, since a
// variable cannot be part of its own initial value.
var nest = worker.Named[nesting, int]("faults.nest")

type nesting struct {
	Levels int    // still to build
	Gate   string // where the innermost task knocks, with the level as its index
	Level  int
}

var _ = worker.Register("faults.nest", func(ctx context.Context, n nesting) (int, error) {
	if n.Levels == 0 {
		if n.Gate == "" {
			return n.Level, nil
		}
		_, err := knock(ctx, n.Gate, n.Level)
		return n.Level, err
	}
	p, err := pool.New(ctx, helperOptions(1)...)
	if err != nil {
		return n.Level, err
	}
	defer p.Close()
	return pool.Call(ctx, p, nest, nesting{Levels: n.Levels - 1, Gate: n.Gate, Level: n.Level + 1})
})

func TestRow047PoolsNestToTheDepthLimitAndNoFurther(t *testing.T) {
	f := start(t, 1)
	t.Run("three levels", func(t *testing.T) {
		level, err := call(f, nest, nesting{Levels: 2})
		assert.NoError(t, err)
		assert.Equal(t, 2, level)
	})
	t.Run("the limit", func(t *testing.T) {
		level, err := call(f, nest, nesting{Levels: 9})
		assert.NoError(t, err)
		assert.Equal(t, 9, level)
	})
	t.Run("beyond", func(t *testing.T) {
		_, err := call(f, nest, nesting{Levels: 14})
		if assert.Error(t, err) {
			assert.Contains(t, err.Error(), "10 deep")
		}
	})
}

var _ = role("nested", func() int {
	p, err := pool.New(context.Background(), helperOptions(1)...)
	report(judged(err))
	if err == nil {
		pool.Call(context.Background(), p, nest, nesting{Levels: 4, Gate: os.Getenv(gateVar)})
	}
	return 0
})

// gateVar tells a helper where its tasks knock.
const gateVar = "FAULTS_GATE"

// tagVar marks a helper and all its descendants, so that they can be found again.
const tagVar = "FAULTS_TAG"

func TestRow047NoDescendantOutlivesTheRootOfNestedPools(t *testing.T) {
	bounded(t, time.Minute)
	leaktest.Check(t)
	g := newGate(t)
	tag := fmt.Sprintf("%s=nested-%d", tagVar, os.Getpid())
	h := startHelper(t, "nested", gateVar+"="+g.addr, tag)
	var v verdict
	h.hear(&v)
	require.Empty(t, v.Err)
	require.Equal(t, 4, g.next(t).index)
	var watches []watch
	for _, pid := range marked(tag) {
		watches = append(watches, watchPID(t, pid))
	}
	require.Len(t, watches, 1+5, "the helper and five levels of workers")
	require.NoError(t, h.cmd.Process.Signal(syscall.SIGKILL))
	for _, w := range watches {
		w.ended(t, orphaning)
	}
	assert.Empty(t, marked(tag))
}

// Unset by Main, the marker makes no worker of what a task starts.
func TestRow047GrandchildOfTheSameBinaryIsNoWorker(t *testing.T) {
	f := start(t, 1)
	for _, prefix := range []string{"PROCPOOL_WORKER", "PROCPOOL_COOKIE", "PROCPOOL_SLOT", "PROCPOOL_DEPTH"} {
		environ, err := call(f, environment, prefix)
		require.NoError(t, err)
		assert.Empty(t, environ)
	}
}

var environment = worker.Register("faults.environment", func(_ context.Context, prefix string) ([]string, error) {
	var found []string
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, prefix) {
			found = append(found, kv)
		}
	}
	return found, nil
})
