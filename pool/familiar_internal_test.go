package pool

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/worker"
)

func TestWhatIsFamiliarIsNotTakenForAFunctionOfOtherTypesOrAnotherName(t *testing.T) {
	p := &Pool{core: &core{}}
	number, text, other := worker.Named[int, int]("f"), worker.Named[string, []int]("f"), worker.Named[int, int]("g")
	for range 3 * missesForAnother { // each of them is the familiar one for a while
		n, err := newTyped(p, number)
		require.NoError(t, err)
		require.Equal(t, "f", n.fn)
		require.Equal(t, "int", n.argType)
		s, err := newTyped(p, text)
		require.NoError(t, err)
		require.Equal(t, "f", s.fn)
		require.Equal(t, "string", s.argType)
		require.Equal(t, "[]int", s.results.TypeName())
		o, err := newTyped(p, other)
		require.NoError(t, err)
		require.Equal(t, "g", o.fn)
	}
	_, err := newTyped(p, worker.Func[int, int]{})
	require.ErrorIs(t, err, errZeroFunc)
}

func TestAFunctionThatIsNotFamiliarCostsNoAllocation(t *testing.T) {
	p := &Pool{core: &core{}}
	one, other := worker.Named[int, int]("f"), worker.Named[int, int]("g")
	allocs := testing.AllocsPerRun(missesForAnother, func() {
		_, _ = newTyped(p, one)
		_, _ = newTyped(p, other)
	})
	require.Less(t, allocs, 1.0, "but for the one in %d that is kept", missesForAnother)
}

func TestEachCallOfAFamiliarFunctionCarriesItsOwn(t *testing.T) {
	p := &Pool{core: &core{}}
	carries := worker.Named[worker.Blob, int]("f")
	a, err := newTyped(p, carries)
	require.NoError(t, err)
	b, err := newTyped(p, carries)
	require.NoError(t, err)
	require.NotNil(t, a.pack)
	require.NotSame(t, a.pack, b.pack)
}
