//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package boot

import (
	"errors"
	"fmt"
)

func armLife() {}

func takeFiles() (Files, error) {
	return Files{}, fmt.Errorf("procpool: worker processes: %w on this system", errors.ErrUnsupported)
}

func shrugOffInterrupt() {}

// CloseOnExecFrom does nothing here: no descriptor is inherited by number.
func CloseOnExecFrom(int) {}
