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
	limit, known := descriptorLimit()
	if workers < manyWorkers || !known || uint64(workers) <= limit/leastDescriptors {
		return nil
	}
	return fmt.Errorf("WithWorkers(%d): each takes %d descriptors of this process or more, and it may have %d (ulimit -n): %w", workers, leastDescriptors, limit, unix.EMFILE)
}

// tooManyFiles says more of a start that failed for want of descriptors.
func tooManyFiles(err error) error {
	limit, known := descriptorLimit()
	if !known {
		return err
	}
	return fmt.Errorf("%w: this process may have %d descriptors, and each worker takes about nine: fewer workers, or a higher limit (ulimit -n)", err, limit)
}

func descriptorLimit() (n uint64, known bool) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return limit.Cur, err == nil
}
