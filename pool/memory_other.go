//go:build !linux

package pool

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/procpool/procpool/internal/blob"
)

func memoryOf(int) (memory, error) { return memory{}, errors.ErrUnsupported }

func mappedOf(int, func(blob.FileID) bool) int64 { return 0 }

func limitData(int, int64) error { return errors.ErrUnsupported }

func dying(int) bool { return false }

func traced(int) bool { return false }

// ownPeak is 0: nothing is inherited here.
func ownPeak() int64 { return 0 }

// canLimit says why resource limits of other processes cannot be set here.
func canLimit() error { return fmt.Errorf("%w on %s", errors.ErrUnsupported, runtime.GOOS) }

// canMeasure says why memory limits cannot be had here.
func canMeasure() error {
	return fmt.Errorf("%w on %s: it needs Linux's /proc and prlimit", errors.ErrUnsupported, runtime.GOOS)
}
