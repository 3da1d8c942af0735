package numeral

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCountsAreReadable(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		assert.Equal(t, want, Thousands(n))
	}
	assert.Equal(t, "1 worker", Of(1, "worker"))
	assert.Equal(t, "1,200 workers", Of(1200, "worker"))
	assert.Equal(t, "0 processes", Of(int64(0), "process"))
}
