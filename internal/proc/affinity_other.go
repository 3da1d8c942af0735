//go:build !linux

package proc

import "errors"

// Confine moves the living child to other processors. It works on Linux only.
func (p *Process) Confine([]int) error { return stepError("affinity", errors.ErrUnsupported) }
