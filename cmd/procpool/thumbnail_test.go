package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// picture is red, with a transparent right half if it can be.
func picture(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width / 2 {
			img.SetNRGBA(x, y, color.NRGBA{R: 255, A: 255})
		}
	}
	return img
}

// imageFile writes img in the format of the name's ending.
func imageFile(t *testing.T, name string, img image.Image) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	_, err := writeFile(path, func(w io.Writer) error {
		switch filepath.Ext(name) {
		case ".png":
			return png.Encode(w, img)
		case ".gif":
			return gif.Encode(w, img, nil)
		}
		return jpeg.Encode(w, img, nil)
	})
	require.NoError(t, err)
	return path
}

func decodeJPEG(t *testing.T, path string) image.Image {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	img, err := jpeg.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	return img
}

func TestThumbnailScalesEachFormat(t *testing.T) {
	for name, format := range map[string]string{"a.png": "png", "a.jpg": "jpeg", "a.gif": "gif"} {
		path, out := imageFile(t, name, picture(400, 100)), t.TempDir()
		made, err := makeThumbnail(t.Context(), thumbnailJob{Path: path, Out: out, Size: 64})
		require.NoError(t, err)
		want := thumbnailMade{
			Path: thumbnailPath(out, path), Bytes: made.Bytes, Width: 64, Height: 16,
			SourceFormat: format, SourceWidth: 400, SourceHeight: 100,
		}
		assert.Equal(t, want, made)
		img := decodeJPEG(t, made.Path)
		assert.Equal(t, image.Pt(64, 16), img.Bounds().Size())
		r, g, _, _ := img.At(10, 8).RGBA()
		assert.Greater(t, r, uint32(0xe000))
		assert.Less(t, g, uint32(0x2000))
	}
}

func TestThumbnailPutsTransparentImagesOnWhite(t *testing.T) {
	path := imageFile(t, "a.png", picture(100, 100))
	made, err := makeThumbnail(t.Context(), thumbnailJob{Path: path, Out: t.TempDir(), Size: 50})
	require.NoError(t, err)
	r, g, b, _ := decodeJPEG(t, made.Path).At(45, 25).RGBA()
	assert.Greater(t, min(r, g, b), uint32(0xf000))
}

func TestThumbnailIsNeverLargerThanItsImage(t *testing.T) {
	path := imageFile(t, "a.gif", picture(10, 20))
	made, err := makeThumbnail(t.Context(), thumbnailJob{Path: path, Out: t.TempDir(), Size: 256})
	require.NoError(t, err)
	assert.Equal(t, []int{10, 20}, []int{made.Width, made.Height})
}

func TestFitKeepsProportions(t *testing.T) {
	assert.Equal(t, image.Pt(256, 128), fit(1000, 500, 256))
	assert.Equal(t, image.Pt(128, 256), fit(500, 1000, 256))
	assert.Equal(t, image.Pt(256, 1), fit(100000, 1, 256))
	assert.Equal(t, image.Pt(256, 256), fit(256, 256, 256))
}

// bomb is a PNG that claims more than it has.
func bomb(width, height uint32) []byte {
	head := []byte("IHDR\x00\x00\x00\x00\x00\x00\x00\x00\x08\x02\x00\x00\x00")
	binary.BigEndian.PutUint32(head[4:], width)
	binary.BigEndian.PutUint32(head[8:], height)
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	b = append(b, head...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
}

func TestThumbnailRefusesABombBeforeItDecodesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bomb.png")
	require.NoError(t, os.WriteFile(path, bomb(60000, 60000), 0o644))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := makeThumbnail(t.Context(), thumbnailJob{Path: path, Out: t.TempDir(), Size: 10})
	runtime.ReadMemStats(&after)
	assert.ErrorIs(t, err, errTooManyPixels)
	assert.ErrorContains(t, err, "60000x60000")
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
}

func TestThumbnailLeavesNothingBehindWhenItFails(t *testing.T) {
	out := t.TempDir()
	path := filepath.Join(t.TempDir(), "cut.png")
	require.NoError(t, os.WriteFile(path, bomb(10, 10), 0o644))
	for _, job := range []thumbnailJob{
		{Path: path, Out: out, Size: 10},
		{Path: "no-such-file", Out: out, Size: 10},
		{Path: "thumbnail.go", Out: out, Size: 10},
		{Path: path, Out: out, Size: 0},
	} {
		_, err := makeThumbnail(t.Context(), job)
		assert.Error(t, err)
	}
	left, err := os.ReadDir(out)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestThumbnailPathStaysBelowOut(t *testing.T) {
	for in, want := range map[string]string{
		"a.png":          "out/a.png.jpg",
		"a.jpg":          "out/a.jpg.jpg",
		"dir/a.png":      "out/dir/a.png.jpg",
		"/abs/a.png":     "out/abs/a.png.jpg",
		"../up/a.png":    "out/_up/up/a.png.jpg",
		"x/../../a.png":  "out/_up/a.png.jpg",
		"./dir//a.b.gif": "out/dir/a.b.gif.jpg",
	} {
		assert.Equal(t, filepath.FromSlash(want), thumbnailPath("out", filepath.FromSlash(in)))
	}
}

func TestThumbnailTakesTheDistributionsPictures(t *testing.T) {
	out := t.TempDir()
	for _, path := range distributionFiles(t, "src/image/testdata/video-*.*") {
		if !hasExt(path, thumbnailBuiltin.exts) {
			continue
		}
		made, err := makeThumbnail(t.Context(), thumbnailJob{Path: path, Out: out, Size: 32})
		require.NoError(t, err, path)
		assert.Equal(t, 32, max(made.Width, made.Height), path)
	}
}
