package shm_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/shm"
)

func TestEveryTaskIsEitherClaimedOnceOrTakenBack(t *testing.T) {
	p := shm.NewLocal()
	const n = 50
	for batch := range uint64(5_000) {
		p.Arm(batch, n)
		limit := n
		var taking sync.WaitGroup
		taking.Go(func() {
			for from := n; from > 0; from -= 7 {
				limit = p.Recall(batch, from)
			}
		})
		claimed := 0
		claims := p.Claimer(batch)
		for {
			offset, ok := claims.Claim()
			if !ok {
				break
			}
			require.Equal(t, claimed, offset, "in order, without gaps")
			claimed++
		}
		taking.Wait()
		for { // what was not taken back when the claims ran out is still to be had
			if _, ok := claims.Claim(); !ok {
				break
			}
			claimed++
		}
		require.Equal(t, limit, claimed, "batch %d", batch)
		require.Equal(t, claimed, p.Started(batch))
	}
}

// The parent forgets a batch that it took back whole, and arms the word again, before the worker has come to look at it.
func TestAWordThatIsArmedAgainGivesNothingToTheBatchBefore(t *testing.T) {
	p := shm.NewLocal()
	p.Arm(3, 5)
	require.Equal(t, 0, p.Recall(3, 0))
	p.Arm(3+shm.Claims, 2)
	late := p.Claimer(3)
	_, ok := late.Claim()
	require.False(t, ok)
	require.Zero(t, p.Started(3))
	require.Zero(t, p.Recall(3, 0))
	again := p.Claimer(3 + shm.Claims)
	for want := range 2 {
		offset, ok := again.Claim()
		require.True(t, ok)
		require.Equal(t, want, offset)
	}
	_, ok = again.Claim()
	require.False(t, ok)
}

func TestTheLimitNeverFallsBelowWhatHasStarted(t *testing.T) {
	p := shm.NewLocal()
	p.Arm(1, 10)
	claims := p.Claimer(1)
	for range 4 {
		_, ok := claims.Claim()
		require.True(t, ok)
	}
	require.Equal(t, 7, p.Recall(1, 7))
	require.Equal(t, 7, p.Recall(1, 9), "what was taken back does not return")
	require.Equal(t, 4, p.Recall(1, 0))
	_, ok := claims.Claim()
	require.False(t, ok)
}

func TestTheRingKeepsWhatIsNotReceivedOverItsEnd(t *testing.T) {
	p := shm.NewLocal()
	ring := p.Ring()
	random := rand.New(rand.NewPCG(1, 2))
	received := uint64(0)
	var waiting []byte
	for range 2_000 {
		item := make([]byte, 1+random.IntN(shm.MaxRingItem>>random.IntN(12)))
		for i := range item {
			item[i] = byte(random.Uint32())
		}
		if len(waiting)+len(item) > shm.RingSize {
			received += uint64(len(waiting))
			waiting = nil
		}
		ring.Publish(item)
		require.Equal(t, received+uint64(len(waiting)+len(item)), p.Published().Bytes())
		require.Equal(t, ring.Mark(), p.Published())
		waiting = append(waiting, item...)
		got, ok := p.Unreceived(received)
		require.True(t, ok)
		require.True(t, bytes.Equal(waiting, got))
	}
}

func TestAPageThatClaimsWhatCannotBeIsNotBelieved(t *testing.T) {
	p := shm.NewLocal()
	ring := p.Ring()
	ring.Publish([]byte("abc"))
	_, ok := p.Unreceived(4)
	require.False(t, ok, "fewer bytes published than received")
	for range shm.RingSize/1024 + 1 {
		ring.Publish(make([]byte, 1024))
	}
	_, ok = p.Unreceived(0)
	require.False(t, ok, "more bytes than the ring holds")
}
