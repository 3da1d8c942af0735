//go:build unix

package pool

import "syscall"

// Quit implements child. A stopped process would not see the first signal without the second.
func (p *process) Quit() {
	p.Signal(syscall.SIGQUIT)
	p.Signal(syscall.SIGCONT)
}
