//go:build !linux

package shm

import (
	"time"

	"github.com/procpool/procpool/internal/spin"
)

// Listen does nothing: there are no pages to listen to.
func (p *Page) Listen(uint64) uint32 { return 0 }

// Listener returns 0.
func (p *Page) Listener() uint32 { return 0 }

// Leave returns false.
func (p *Page) Leave(uint64, time.Duration) bool { return false }

// Answer returns false.
func (p *Page) Answer(uint32) (time.Duration, bool) { return 0, false }

// AwaitAnswer returns false.
func (p *Page) AwaitAnswer(time.Duration, *spin.Spinner) bool { return false }

// Hush returns false.
func (p *Page) Hush(uint32) bool { return false }
