//go:build !linux

package shm

// CanNudge says that Nudge reaches a worker that waits. There are no pages to do it with.
const CanNudge = false

// Nudge does nothing.
func (p *Page) Nudge() {}

// Nudges returns 0.
func (p *Page) Nudges() uint32 { return 0 }

// AwaitNudge is never called.
func (p *Page) AwaitNudge(uint32) {}
