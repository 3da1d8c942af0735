//go:build !linux

package spin

import "os"

// canYield is false where nobody has measured that it pays.
const canYield = false

func yield() {}

// Readable returns nil.
func Readable(*os.File) func() bool { return nil }
