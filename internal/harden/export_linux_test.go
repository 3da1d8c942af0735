package harden

// RestrictAs is Restrict on a kernel with an older Landlock.
func RestrictAs(r Rules, abi int) error { return r.restrict(kernel{abi: abi, errata: signalErratum}) }

// SupportedBy is Supported on another kernel.
func SupportedBy(r Rules, abi, errata int, reason error) (Rules, []*UnsupportedError) {
	return r.supported(kernel{abi: abi, errata: errata, reason: reason})
}

// Interpreter is what the image at path names.
func Interpreter(path string) string { return interpreter(path) }
