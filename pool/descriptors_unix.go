//go:build unix

package pool

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// leastDescriptors is how many descriptors of the parent a worker takes at the very least. They are nine on Linux, but fewer where there is no socket and no page.
const leastDescriptors = 5

// manyWorkers is how many are worth the question: of fewer it shows soon enough.
const manyWorkers = 100

// checkDescriptors refuses numbers of workers that cannot be: to start thousands before one fails takes long.
func checkDescriptors(workers int) error {
	var limit unix.Rlimit
	if workers < manyWorkers || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || uint64(workers) <= limit.Cur/leastDescriptors {
		return nil
	}
	return fmt.Errorf("WithWorkers(%d): each takes %d descriptors of this process or more, and it may have %d (ulimit -n): %w", workers, leastDescriptors, limit.Cur, unix.EMFILE)
}

// tooManyFiles says more of a start that failed for want of descriptors.
func tooManyFiles(err error) error {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return err
	}
	return fmt.Errorf("%w: this process may have %d descriptors, and each worker takes about nine: fewer workers, or a higher limit (ulimit -n)", err, limit.Cur)
}
