// Package pooltest makes pools for tests.
//
// The test binary is the program that the workers run, so TestMain has to call worker.Main first:
//
//	func TestMain(m *testing.M) {
//		worker.Main()
//		os.Exit(m.Run())
//	}
//
//	func TestParse(t *testing.T) {
//		p := pooltest.New(t, pool.WithWorkers(2))
//		got, err := pool.Call(t.Context(), p, parse, "testdata/a.txt")
//		...
//	}
package pooltest

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/procpool/procpool/internal/leaktest"
	"github.com/procpool/procpool/pool"
)

// marker is the environment variable by which the processes of one pool, and what they started, are found again.
const marker = "PROCPOOL_TEST"

// patience is how long processes that were killed have to be gone.
const patience = 5 * time.Second

// New returns a pool that is closed when the test ends. The test fails if the pool cannot be started, or if then
// a process is left that it started, or one of theirs (on Linux; elsewhere only Close itself is checked).
//
// Workers' output and the pool's log go to the test's log; options change that as usual. It may be called from parallel tests.
func New(tb testing.TB, opts ...pool.Option) *pool.Pool {
	tb.Helper()
	mark := marker + "=" + rand.Text()
	logger := hclog.New(&hclog.LoggerOptions{Output: tb.Output(), Level: hclog.Debug, DisableTime: true})
	all := append([]pool.Option{
		pool.WithStdout(tb.Output()), pool.WithStderr(tb.Output()), pool.WithLogger(logger),
	}, opts...)
	p, err := pool.New(tb.Context(), append(all, pool.WithEnv(mark))...)
	if err != nil {
		tb.Fatalf("pooltest: %v", err)
	}
	tb.Cleanup(func() { end(tb, p, mark) })
	return p
}

// end closes the pool and looks for what it left behind.
func end(tb testing.TB, p *pool.Pool, mark string) {
	tb.Helper()
	if err := p.Close(); err != nil {
		tb.Errorf("pooltest: Close: %v", err)
	}
	if s := p.Stats(); s.Queued+s.Running != 0 {
		tb.Errorf("pooltest: tasks are left after Close: %+v", s)
	}
	var left []int
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = leaktest.ScanCookie(mark); len(left) == 0 {
			return
		}
	}
	tb.Errorf("pooltest: processes of the pool are left after Close: %v", left)
}
