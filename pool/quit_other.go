//go:build !unix

package pool

// Quit implements child: nothing here makes a process write down what it is doing.
func (p *process) Quit() { p.Kill() }
