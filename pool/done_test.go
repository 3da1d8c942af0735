package pool_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/pool"
)

func TestDoneTellsThatThePoolHasEnded(t *testing.T) {
	for name, end := range map[string]func(*pool.Pool){
		"Shutdown": func(p *pool.Pool) { _ = p.Shutdown(t.Context()) },
		"Close":    func(p *pool.Pool) { _ = p.Close() },
		"dropped":  func(*pool.Pool) { runtime.GC() },
	} {
		t.Run(name, func(t *testing.T) {
			p, err := pool.New(t.Context(), pool.WithWorkers(1), pool.WithLogger(hclog.NewNullLogger()))
			require.NoError(t, err)
			done := p.Done()
			select {
			case <-done:
				t.Fatal("it has not ended")
			default:
			}
			end(p)
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Fatal("nobody was told")
			}
		})
	}
}
