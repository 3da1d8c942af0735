package main

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestCPUsThatThereAreNotAreNamed(t *testing.T) {
	var ours unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &ours))
	one, last := -1, maxCPU
	for cpu := range maxCPU {
		if ours.IsSet(cpu) {
			one = cpu
		}
	}
	if hasCPU(last) {
		t.Skip("a machine with more than a thousand CPUs")
	}
	r := runCommand(t, "", "run", "echo", "x", "--affinity", strconv.Itoa(one)+","+strconv.Itoa(last))
	assert.Equal(t, exitUsage, r.code)
	assert.Contains(t, r.stderr, "--affinity: there is no CPU 1023")
	assert.True(t, hasCPU(one))
	var after unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &after))
	assert.Equal(t, ours, after)
}
