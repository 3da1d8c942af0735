//go:build !linux

package shm

import (
	"errors"
	"os"
)

// New fails: this system has no sealed memory. Workers send started-notices instead.
func New() (*Page, error) { return nil, errors.ErrUnsupported }

// Open fails, as New does.
func Open(*os.File) (*Page, error) { return nil, errors.ErrUnsupported }
