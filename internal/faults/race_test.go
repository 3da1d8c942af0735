//go:build linux && race

package faults

const raceFactor = 2 // the race detector makes everything slower
