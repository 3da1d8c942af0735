//go:build !linux

package pool

import "time"

// usage is not known on this system.
func usage(int) (rss int64, cpu time.Duration) { return 0, 0 }
