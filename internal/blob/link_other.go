//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package blob

import "os"

// NewLink returns nil: there are no links here.
func NewLink(*os.File, bool) Link { return nil }
