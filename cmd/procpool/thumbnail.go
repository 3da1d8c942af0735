package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	"image/jpeg"
	_ "image/png"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/image/draw"

	"github.com/procpool/procpool/worker"
)

var thumbnailBuiltin = builtin{
	name:  "thumbnail",
	about: "scale JPEG, PNG and GIF images down to a JPEG",
	details: `The thumbnail of dir/photo.png is OUT/dir/photo.png.jpg. Images are never enlarged, transparent
ones get a white background, and of an animation the first picture is taken. An image of
more than 64 million pixels is refused before it is decoded.`,
	arg:   "PATH",
	input: "an image, or a directory that is searched for them",
	paths: true,
	exts:  []string{".jpg", ".jpeg", ".png", ".gif"},
	open:  openThumbnail,
}

var thumbnail = worker.Register("thumbnail", makeThumbnail)

// maxPixels bounds what is decoded: a file of a few kilobytes can claim a picture of
// several gigabytes.
const maxPixels = 64 << 20

const thumbnailQuality = 85

// errTooManyPixels is found by errors.Is in the parent.
var errTooManyPixels = errors.New("too many pixels")

func init() { worker.RegisterError("procpool/thumbnail.errTooManyPixels", errTooManyPixels) }

// thumbnailJob is the argument of the function thumbnail.
type thumbnailJob struct {
	Path string `json:"path"`
	Out  string `json:"out"`  // directory
	Size int    `json:"size"` // longest side, in pixels
}

// thumbnailMade is its result.
type thumbnailMade struct {
	Path         string `json:"path"`
	Bytes        int64  `json:"bytes"`
	Width        int    `json:"width"`
	Height       int    `json:"height"`
	SourceFormat string `json:"source_format"`
	SourceWidth  int    `json:"source_width"`
	SourceHeight int    `json:"source_height"`
}

func openThumbnail(fs *pflag.FlagSet) task {
	out := fs.String("out", "thumbnails", "`DIR` that the thumbnails are written to")
	size := fs.Int("size", 256, "longest side of a thumbnail in pixels")
	job := func(path string) thumbnailJob { return thumbnailJob{Path: path, Out: *out, Size: *size} }
	return &typed[thumbnailJob, thumbnailMade]{
		fn:    thumbnail,
		path:  func(j thumbnailJob) string { return j.Path },
		parse: func(path string) (thumbnailJob, error) { return job(path), nil },
		parseJSON: func(raw json.RawMessage) (thumbnailJob, error) {
			var path string
			if json.Unmarshal(raw, &path) == nil {
				return job(path), nil
			}
			j := job("")
			return j, strictJSON(raw, &j)
		},
		line: func(it item, m thumbnailMade) string {
			return fmt.Sprintf("%s: %s %dx%d -> %s %dx%d, %s", it.name, m.SourceFormat, m.SourceWidth, m.SourceHeight, m.Path, m.Width, m.Height, byteSize(m.Bytes))
		},
	}
}

// makeThumbnail is the function thumbnail.
func makeThumbnail(_ context.Context, job thumbnailJob) (thumbnailMade, error) {
	if job.Size < 1 || job.Size > 1<<14 {
		return thumbnailMade{}, fmt.Errorf("size %d: must be from 1 to %d", job.Size, 1<<14)
	}
	src, format, err := decodeImage(job.Path)
	if err != nil {
		return thumbnailMade{}, err
	}
	dst := scaleDown(src, job.Size)
	made := thumbnailMade{
		Path: thumbnailPath(job.Out, job.Path), SourceFormat: format,
		Width: dst.Bounds().Dx(), Height: dst.Bounds().Dy(),
		SourceWidth: src.Bounds().Dx(), SourceHeight: src.Bounds().Dy(),
	}
	made.Bytes, err = writeFile(made.Path, func(w io.Writer) error {
		return jpeg.Encode(w, dst, &jpeg.Options{Quality: thumbnailQuality})
	})
	return made, err
}

// decodeImage decodes the image at path after a look at its head.
func decodeImage(path string) (image.Image, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	config, format, err := image.DecodeConfig(bufio.NewReader(f))
	if err != nil {
		return nil, "", err
	}
	if pixels := int64(config.Width) * int64(config.Height); pixels > maxPixels {
		return nil, "", fmt.Errorf("%w: %s of %dx%d, at most %d million are decoded", errTooManyPixels, format, config.Width, config.Height, maxPixels>>20)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, "", err
	}
	return image.Decode(bufio.NewReader(f))
}

// scaleDown returns src on white with no side longer than size.
func scaleDown(src image.Image, size int) image.Image {
	b := src.Bounds()
	dst := image.NewRGBA(image.Rectangle{Max: fit(b.Dx(), b.Dy(), size)})
	draw.Draw(dst, dst.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	if dst.Bounds().Size() == b.Size() {
		draw.Draw(dst, dst.Bounds(), src, b.Min, draw.Over)
		return dst
	}
	draw.CatmullRom.Scale(dst, dst.Bounds(), src, b, draw.Over, nil)
	return dst
}

// fit is the largest size with the proportions of width and height that has no side
// longer than size.
func fit(width, height, size int) image.Point {
	longest := max(width, height)
	if longest <= size {
		return image.Pt(width, height)
	}
	side := func(n int) int { return max(1, (n*size+longest/2)/longest) }
	return image.Pt(side(width), side(height))
}

// thumbnailPath is where the thumbnail of path goes: below out, whatever path is, so that
// files of the same name in two directories do not meet.
func thumbnailPath(out, path string) string {
	path = filepath.ToSlash(filepath.Clean(path))
	path = strings.TrimPrefix(path, filepath.ToSlash(filepath.VolumeName(path)))
	parts := strings.Split(strings.TrimLeft(path, "/"), "/")
	for i, part := range parts {
		if part == ".." {
			parts[i] = "_up"
		}
	}
	return filepath.Join(out, filepath.Join(parts...)+".jpg")
}

// writeFile writes a file that nobody sees half done, and returns its size.
func writeFile(path string, write func(io.Writer) error) (int64, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".procpool-*")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(f.Name()) }() // fails once the file has its name
	defer f.Close()
	buffered := bufio.NewWriter(f)
	if err := errors.Join(write(buffered), buffered.Flush()); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	// CreateTemp makes a file for its owner's eyes only.
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return 0, err
	}
	return info.Size(), os.Rename(f.Name(), path)
}
