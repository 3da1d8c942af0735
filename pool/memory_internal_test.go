package pool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPeakThatIsNotKnownIsNotTold(t *testing.T) {
	require.EqualError(t, allocationFailed(96<<20, 0), "an allocation beyond the limit of 96.0 MiB failed (WithMemoryLimit)")
	require.EqualError(t, allocationFailed(96<<20, 90<<20), "an allocation beyond the limit of 96.0 MiB failed (WithMemoryLimit); it had 90.0 MiB at the most")
}
