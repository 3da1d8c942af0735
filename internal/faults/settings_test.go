//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/internal/syncbuf"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// wallClock is what makes a time without its monotonic reading, or compares times as the wall clock shows them.
var wallClock = []string{"Unix", "UnixMilli", "UnixMicro", "UnixNano", "Date", "Round", "In", "UTC", "Local"}

// mayTellTime are the files and directories that tell people or other programs what time it is, and the programs that test the pool.
var mayTellTime = []string{"pool/log.go", "worker/logger.go", "pool/monitor", "internal/codec/time.go", "internal/soak", "internal/faults"}

// No test may set the clock of the machine that it runs on. Go's times compare by their monotonic reading as long as they have one, so it
// is enough that nothing that measures or waits ever makes a time that has none.
func TestRow107NothingIsMeasuredByTheWallClock(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	for _, dir := range []string{"pool", "worker", "wire", "internal"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, d os.DirEntry, err error) error {
			name, _ := filepath.Rel(root, path)
			switch {
			case err == nil && d.IsDir() && slices.Contains(mayTellTime, name):
				return filepath.SkipDir
			case err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || slices.Contains(mayTellTime, name):
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files++
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if f, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(wallClock, f.Sel.Name) && (f.Sel.Name != "In" || len(call.Args) == 1) && !isMath(f) {
						t.Errorf("%s calls %s: what it makes follows the wall clock", name, f.Sel.Name)
					}
				}
				return true
			})
			return nil
		}))
	}
	assert.Greater(t, files, 50)
}

// isMath reports whether a function is of package math.
func isMath(f *ast.SelectorExpr) bool {
	of, ok := f.X.(*ast.Ident)
	return ok && of.Name == "math"
}

// After each of these faults the pool has as many goroutines as before, not only in the end.
func TestRow111NoFaultLeavesAGoroutineBehind(t *testing.T) {
	f := start(t, 2, pool.WithStopGrace(100*time.Millisecond))
	faults := map[string]func(){
		"a death":            func() { submit(f, obey, order{Do: "signal 9"}).Wait(t.Context()) },
		"a panic":            func() { submit(f, obey, order{Do: "panic x"}).Wait(t.Context()) },
		"an early break":     func() { breakEarly(t, f) },
		"a cancelled call":   func() { cancelEarly(t, f, order{Do: "wait"}) },
		"a stubborn task":    func() { cancelEarly(t, f, order{Do: "deadlock", Stubborn: true}) },
		"an abandoned wait":  func() { submit(f, double, 1) },
		"a bad argument":     func() { submit(f, takeAny, odd("channel")).Wait(t.Context()) },
		"an input that ends": func() { pool.Map(t.Context(), f.Pool, double, nil) },
		"a resize":           func() { f.Resize(t.Context(), 3); f.Resize(t.Context(), 2) },
	}
	whole := func() bool {
		s := f.Stats()
		idle := 0
		for _, w := range f.Workers() {
			if fmt.Sprint(w.State) == "idle" {
				idle++
			}
		}
		return s.Busy == 0 && s.Queued == 0 && idle == 2 && len(f.Workers()) == 2
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			eventually(t, patience, "the pool is whole", whole)
			fault() // once for what is made on demand and stays
			f.works()
			eventually(t, patience, "the pool is whole", whole)
			var before int
			eventually(t, patience, "the goroutines come to rest", func() bool {
				n := runtime.NumGoroutine()
				rest := n == before
				before = n
				time.Sleep(10 * time.Millisecond)
				return rest
			})
			for range 5 {
				fault()
			}
			f.works()
			eventually(t, patience, "no more goroutines than before", func() bool { return whole() && runtime.NumGoroutine() <= before })
		})
	}
}

func breakEarly(t testing.TB, f *fixture) {
	for range pool.Stream(t.Context(), f.Pool, double, slices.Values(make([]int, 1000))) {
		break
	}
}

// cancelEarly cancels a call as soon as its task runs.
func cancelEarly(t testing.TB, f *fixture, o order) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	future := pool.Go(ctx, f.Pool, obey, o)
	eventually(t, patience, "the task runs", func() bool { return f.Stats().Busy > 0 })
	cancel()
	await(t, future)
}

// Chaos: what goes wrong, where and how often is random, and yet each task has its own outcome, once, and no other. FAULTS_SEED repeats
// a run, FAULTS_ROUNDS makes it longer.
func TestRow116RandomFaultsUnderLoadGiveEachTaskItsOwnOutcome(t *testing.T) {
	seed := uint64(envInt("FAULTS_SEED", int(time.Now().UnixNano()>>10)))
	t.Logf("FAULTS_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	f := start(t, 3, pool.WithMaxTasksPerWorker(50), pool.WithStderr(new(syncbuf.Buffer)))
	wants := []struct {
		verb string
		want outcome
	}{
		{"signal 9", dies(fate{signal: 9})}, {"exit 0", dies(fate{})}, {"exit 7", dies(fate{code: 7})},
		{"go-panic x", dies(fate{code: 2})}, {"panic x", fails[*pool.PanicError]("x")}, {"fail x", fails[*pool.RemoteError]("x")},
		{"goexit", fails[*pool.PanicError]("")}, {"junk \x00\x01", func(t testing.TB, err error) { brokeProtocol(t, err) }},
	}
	for range 2 * envInt("FAULTS_ROUNDS", 1) {
		const n = 150
		l := newLedger(t)
		orders, fates := make([]order, n), make([]int, n)
		for i := range orders {
			orders[i], fates[i] = order{Index: i, Ledger: l, Size: random.IntN(2) * random.IntN(40_000)}, -1
			if random.IntN(8) == 0 {
				fates[i] = random.IntN(len(wants))
				orders[i].Do = wants[fates[i]].verb
			}
		}
		opts := []pool.CallOption{pool.Chunk(random.IntN(20))}
		size := 1 + random.IntN(4)
		resized := make(chan error, 1)
		go func() { resized <- f.Resize(t.Context(), size) }()
		f.n = size
		seen := 0
		for r := range pool.Results(t.Context(), f.Pool, obey, slices.Values(orders), opts...) {
			seen++
			if i := r.Index; fates[i] < 0 {
				assert.NoError(t, r.Err, "task %d", i)
				assert.Equal(t, i, r.Value.Index)
				assert.Len(t, r.Value.Data, orders[i].Size)
			} else {
				wants[fates[i]].want(t, r.Err)
				fates[i] = -1 // a second one would be a failure
			}
		}
		assert.Equal(t, n, seen)
		assert.NoError(t, recv(t, resized))
		for i, times := range l.read(t).started {
			assert.Equal(t, 1, times, "starts of task %d", i)
		}
	}
	f.replaced()
}

// The contortionist does a bit of everything under the settings that its environment gives.
var _ = role("contortionist", func() int {
	err := contort()
	report(judged(err))
	return 0
})

func contort() error {
	ctx := context.Background()
	p, err := pool.New(ctx, helperOptions(2, pool.WithWorkerProcs(runtime.GOMAXPROCS(0)))...)
	if err != nil {
		return err
	}
	defer p.Close()
	deaths := pool.Go(ctx, p, obey, order{Do: "signal 9"})
	numbers, err := pool.Map(ctx, p, double, make([]int, 2000))
	if err != nil || len(numbers) != 2000 {
		return fmt.Errorf("%d numbers: %w", len(numbers), err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	echoes, err := pool.Map(ctx, p, echo, [][]byte{data, data, data, data})
	if err != nil || !bytes.Equal(echoes[3], data) {
		return fmt.Errorf("echoes: %w", err)
	}
	if _, err := deaths.Wait(ctx); err == nil {
		return errors.New("a death went unnoticed")
	}
	for range pool.Stream(ctx, p, double, slices.Values(make([]int, 1000))) {
		break
	}
	cancelled, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := pool.Call(cancelled, p, obey, order{Do: "wait"}); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a call after its deadline: %w", err)
	}
	return p.Shutdown(ctx)
}

func TestRow117PoolWorksWhateverTheRuntimesSettings(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		for _, gc := range []string{"1", "100"} {
			for _, pipe := range []int{4096, 64 << 10} {
				env := []string{fmt.Sprint("GOMAXPROCS=", procs), "GOGC=" + gc, fmt.Sprintf("%s=%d", leaktest.PipeVar, pipe)}
				t.Run(strings.Join(env, " "), func(t *testing.T) {
					bounded(t, time.Minute)
					leaktest.Check(t)
					h := startHelper(t, "contortionist", env...)
					var v verdict
					h.hear(&v)
					assert.Empty(t, v.Err)
					h.wait()
				})
			}
		}
	}
}

var initialEnv = worker.Register("faults.initialEnv", func(context.Context, struct{}) ([]string, error) {
	initial, err := os.ReadFile("/proc/self/environ")
	return append(os.Environ(), string(initial)), err
})

func TestRowS15CleanEnvironmentHoldsNoSecretOfTheParents(t *testing.T) {
	const secret = "correct horse battery staple"
	t.Setenv("FAULTS_SECRET", secret)
	f := start(t, 1, pool.WithCleanEnv(), pool.WithEnv("FAULTS_MODE=batch", "GORACE="+os.Getenv("GORACE")))
	env, err := call(f, initialEnv, struct{}{})
	require.NoError(t, err)
	assert.Contains(t, env, "FAULTS_MODE=batch")
	for _, kv := range env {
		assert.NotContains(t, kv, secret)
		assert.NotContains(t, kv, "PATH=")
	}
}
