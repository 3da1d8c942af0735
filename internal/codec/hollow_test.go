package codec

import (
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type secret struct{ a, b int }

func refusesHollow[T any](t *testing.T) {
	t.Helper()
	var v T
	dst, err := For[T]().Append([]byte("kept"), &v)
	require.ErrorIs(t, err, errHollow)
	require.Contains(t, err.Error(), "codec: codec.secret")
	require.Equal(t, "kept", string(dst))
	require.ErrorIs(t, For[T]().Decode([]byte{0x80}, &v), errHollow)
}

func takes[T any](t *testing.T, v T) {
	t.Helper()
	_, err := For[T]().Append(nil, &v)
	require.NoError(t, err)
}

func TestAValueOfWhichNothingWouldTravelIsRefused(t *testing.T) {
	require.Equal(t, secret{1, 2}, secret{a: 1, b: 2})
	refusesHollow[secret](t)
	refusesHollow[*secret](t)
	refusesHollow[[]secret](t)
	refusesHollow[map[string]*secret](t)
	refusesHollow[[2][]secret](t)
	refusesHollow[map[secret]int](t)
	refusesHollow[struct {
		N    int
		Deep []struct{ Kept secret }
	}](t)
	_, err := For[struct {
		N    int
		Deep []struct{ Kept *secret }
	}]().Append(nil, nil)
	require.ErrorContains(t, err, "codec: codec.secret at .Deep[].Kept: it has fields, but none that is exported")
}

func TestAValueOfWhichSomethingTravelsOrNothingIsMeantToIsNot(t *testing.T) {
	takes(t, struct{}{})
	takes(t, struct{ _ int }{})
	takes(t, time.Now())
	takes(t, []time.Time{time.Now()})
	takes(t, big.NewInt(5))
	takes(t, struct {
		sync.Mutex
		N int
	}{})
	takes(t, struct {
		N      int
		secret secret
	}{})
	takes(t, struct {
		N    int
		Lock sync.Mutex
		Left secret `msgpack:"-"`
	}{})
	takes(t, struct {
		N   int
		Any any
	}{Any: 1})
	takes(t, struct{ secret }{})
	type list []list
	takes(t, list{})
	type chain *chain
	takes(t, chain(nil))
}
