//go:build !linux

package main

import "errors"

func memoryAvailable() (int64, error) { return 0, errors.ErrUnsupported }

func loadAverage() (float64, error) { return 0, errors.ErrUnsupported }
