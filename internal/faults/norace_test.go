//go:build linux && !race

package faults

const raceFactor = 1
