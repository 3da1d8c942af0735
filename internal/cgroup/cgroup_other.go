//go:build !linux

package cgroup

import "errors"

// A Parent does not exist on this system.
type Parent struct{}

// A Group does not exist on this system.
type Group struct{}

// Open fails: cgroups are Linux's.
func Open(string) (*Parent, error) { return nil, errors.ErrUnsupported }

// New fails, as Open does.
func (*Parent) New(string) (*Group, error) { return nil, errors.ErrUnsupported }

// SetMemory fails, as Open does.
func (*Group) SetMemory(int64) error { return errors.ErrUnsupported }

// Add fails, as Open does.
func (*Group) Add(int) error { return errors.ErrUnsupported }

// FD returns false.
func (*Group) FD() (int, bool) { return -1, false }

// OOMKills fails, as Open does.
func (*Group) OOMKills() (int64, error) { return 0, errors.ErrUnsupported }

// Peak returns 0.
func (*Group) Peak() int64 { return 0 }

// Kill fails, as Open does.
func (*Group) Kill() error { return errors.ErrUnsupported }

// Remove fails, as Open does.
func (*Group) Remove() error { return errors.ErrUnsupported }
