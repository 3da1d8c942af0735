package registry_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/registry"
	"github.com/procpool/procpool/wire"
)

func nothing() registry.Invoke {
	return func(_ context.Context, _ []byte, _ registry.How, dst []byte) ([]byte, []byte, wire.Outcome, error) {
		return dst, nil, wire.Value, nil
	}
}

func TestAFunctionIsFoundUnderItsNameAlone(t *testing.T) {
	registry.Register("b", registry.Types{}, nothing)
	registry.Register("a", registry.Types{}, nothing)
	_, ok := registry.Lookup("a")
	require.True(t, ok)
	_, ok = registry.Lookup("A")
	require.False(t, ok)
	require.True(t, slices.IsSorted(registry.Names()))
	require.Subset(t, registry.Names(), []string{"a", "b"})
}

func TestMistakesOfTheProgramPanicWithTheName(t *testing.T) {
	registry.Register("taken", registry.Types{}, nothing)
	require.PanicsWithValue(t, `procpool/worker: Register("taken"): the name is taken`, func() { registry.Register("taken", registry.Types{}, nothing) })
	for _, name := range []string{"", strings.Repeat("x", registry.MaxName+1)} {
		require.Panics(t, func() { registry.Register(name, registry.Types{}, nothing) })
	}
	registry.Register(strings.Repeat("x", registry.MaxName), registry.Types{}, nothing)
}
