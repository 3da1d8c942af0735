package main

import (
	"context"
	"image/png"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMandelbrotKnowsSomePoints(t *testing.T) {
	for _, inside := range [][2]float64{{0, 0}, {-1, 0}, {-2, 0}, {0.25, 0}, {-0.1, 0.75}} {
		assert.Equal(t, mandelbrotDepth, escapeTime(inside[0], inside[1]), "%v", inside)
	}
	assert.Equal(t, 1, escapeTime(3, 0))
	assert.Less(t, escapeTime(0.3, 0), 20)
}

func TestMandelbrotIsTheSamePictureEverywhere(t *testing.T) {
	v, err := parseView("64x48")
	require.NoError(t, err)
	d, err := drawMandelbrot(t.Context(), v)
	require.NoError(t, err)
	assert.Equal(t, mandelbrotDrawn{Inside: 500, Iterations: 514394, SHA256: d.SHA256}, d)
	assert.Equal(t, "9e3f300745ebaa76", d.SHA256[:16])
	// The set is 1.5066 large; the picture shows 3.5 x 2.625 of the plane.
	assert.InDelta(t, 1.5066/(3.5*2.625), float64(d.Inside)/(64*48), 0.02)
}

func TestMandelbrotWritesAPicture(t *testing.T) {
	v, err := parseView("16x9@-0.7436,0.1318,0.01")
	require.NoError(t, err)
	v.Out = t.TempDir()
	d, err := drawMandelbrot(t.Context(), v)
	require.NoError(t, err)
	f, err := os.Open(d.Path)
	require.NoError(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	require.NoError(t, err)
	assert.Equal(t, 16*9, img.Bounds().Dx()*img.Bounds().Dy())
}

func TestMandelbrotRefusesWhatIsNoPicture(t *testing.T) {
	for _, text := range []string{"", "10", "10x", "x10", "axb", "10x10@", "10x10@1,2", "10x10@1,2,x", "1x1x1"} {
		_, err := parseView(text)
		assert.Error(t, err, "%q", text)
	}
	for _, text := range []string{"0x1", "1x-1", "100000x100000", "9223372036854775807x9223372036854775807", "1x1@0,0,0", "1x1@NaN,0,1", "1x1@0,0,Inf"} {
		v, err := parseView(text)
		require.NoError(t, err)
		_, err = drawMandelbrot(t.Context(), v)
		assert.Error(t, err, "%q", text)
	}
}

func TestMandelbrotEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v, _ := parseView("4000x4000")
	_, err := drawMandelbrot(ctx, v)
	assert.ErrorIs(t, err, context.Canceled)
}
