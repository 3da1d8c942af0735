//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package blob

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

var errPlatform = fmt.Errorf("shared memory: %w on %s", errors.ErrUnsupported, runtime.GOOS)

// New fails: memory cannot be passed between processes here.
func New([]byte) (*Memory, error) { return nil, errPlatform }

// Adopt fails, as New does.
func Adopt(*os.File, bool) (*Memory, error) { return nil, errPlatform }

func mapFile(*os.File, int) ([]byte, error) { return nil, errPlatform }

func unmap([]byte) {}

func blank([]byte) error { return errPlatform }
