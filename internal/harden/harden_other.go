//go:build !linux

package harden

import "errors"

const needsLinux = "needs Linux"

// ABI is the version of Landlock that the kernel offers to this process; 0 where there is none.
func ABI() int { return 0 }

// Errata are the corrections of Landlock that the kernel has, a bit each; 0 where there are none, or it does not tell.
func Errata() int { return 0 }

// Supported drops from r what this system cannot give and says what that is and why: here it is all.
func (r Rules) Supported() (possible Rules, missing []*UnsupportedError) {
	for _, rule := range []struct {
		asked bool
		name  string
	}{{r.NoNewPrivs, "no_new_privs"}, {r.Files, "files"}, {r.Network, "network"}, {r.Signals, "signals"}} {
		if rule.asked {
			missing = append(missing, &UnsupportedError{Rule: rule.name, Reason: needsLinux})
		}
	}
	return Rules{ReadOnly: r.ReadOnly, ReadWrite: r.ReadWrite, Image: r.Image}, missing
}

// Restrict fails if r forbids anything.
func (r Rules) Restrict() error {
	_, missing := r.Supported()
	if len(missing) == 0 {
		return nil
	}
	return refused(missing[0])
}

// Apply fails if l limits anything.
func (l Limits) Apply(int) error {
	if err := l.check(); err != nil || l == (Limits{}) {
		return err
	}
	return errors.ErrUnsupported
}

// RaiseOOMScore fails.
func RaiseOOMScore(_, _ int) error { return errors.ErrUnsupported }
