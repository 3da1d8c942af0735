//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package proc

import (
	"errors"
	"os"
)

const (
	inPoller    = true
	notInPoller = false
)

var errPlatform = stepError("platform", errors.ErrUnsupported)

func pipeToChild(bool) (ours, theirs *os.File, err error) { return nil, nil, errPlatform }

func pipeFromChild() (ours, theirs *os.File, err error) { return nil, nil, errPlatform }

func socketPair() (ours, theirs *os.File, err error) { return nil, nil, errPlatform }

// spawn is never reached: no pipe could be made.
func spawn(*Spec, string, *links) (*Process, error) { return nil, errPlatform }

type watch struct{}

func (watch) await(int) bool { return false }

func (watch) killGroup(int) {}

func (watch) close() {}

func selfImage() (string, error) { return os.Executable() }

func describe(path string) string { return path }

func searchable(string) error { return nil }

func setCapacity(*os.File, int) {}
