package main

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAGateLetsItemsPassWhileItIsOpen(t *testing.T) {
	asked := 0
	told := 0
	g := &gate{isOpen: func() (bool, error) { asked++; return asked > 3, nil }, waits: func() { told++ }}
	n := 0
	for range g.stage(t.Context(), slices.Values([]item{{}, {}, {}})) {
		n++
	}
	assert.Equal(t, 3, n)
	assert.GreaterOrEqual(t, asked, 4)
	assert.Equal(t, 1, told)
}

func TestAClosedGateEndsWithTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := &gate{isOpen: func() (bool, error) { cancel(); return false, nil }, pause: 1 << 40, waits: func() {}}
	for range g.stage(ctx, slices.Values([]item{{}})) {
		t.Fatal("it let an item pass")
	}
}

func TestAGateThatCannotTellIsOpen(t *testing.T) {
	g := &gate{isOpen: func() (bool, error) { return false, errors.New("no /proc") }}
	assert.True(t, g.await(t.Context()))
}

func TestTheMachineTellsItsMemoryAndLoad(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux is asked")
	}
	free, err := memoryAvailable()
	require.NoError(t, err)
	assert.Positive(t, free)
	load, err := loadAverage()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, load, 0.0)
}
