package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/procpool/procpool/worker"
)

var mandelbrotBuiltin = builtin{
	name:  "mandelbrot",
	about: "draw pictures of the Mandelbrot set",
	details: `A picture is WIDTHxHEIGHT, or WIDTHxHEIGHT@RE,IM,SPAN where RE and IM are the middle and SPAN is the
width of what is shown, such as 800x600@-0.7436,0.1318,0.01. The result is a checksum of the
pixels, which is the same on every machine; with --out each picture is written there as PNG.`,
	arg:   "PICTURE",
	input: "a picture's size, such as 800x600 or 800x600@-0.7436,0.1318,0.01",
	open:  openMandelbrot,
}

var mandelbrot = worker.Register("mandelbrot", drawMandelbrot)

// mandelbrotView is the argument of the function mandelbrot.
type mandelbrotView struct {
	Width  int     `json:"width"`
	Height int     `json:"height"`
	Re     float64 `json:"re"`
	Im     float64 `json:"im"`
	Span   float64 `json:"span"`
	Out    string  `json:"out"` // directory; empty writes nothing
}

// mandelbrotDrawn is its result.
type mandelbrotDrawn struct {
	Inside     int    `json:"inside"`     // pixels that belong to the set, as far as was looked
	Iterations int64  `json:"iterations"` // steps of the formula, the work
	SHA256     string `json:"sha256"`     // of the pixels
	Path       string `json:"path,omitempty"`
}

// mandelbrotDepth is how many steps a point has to leave.
const mandelbrotDepth = 1000

func openMandelbrot(fs *pflag.FlagSet) task {
	out := fs.String("out", "", "`DIR` that the pictures are written to as PNG")
	return &typed[mandelbrotView, mandelbrotDrawn]{
		fn: mandelbrot,
		parse: func(text string) (mandelbrotView, error) {
			v, err := parseView(text)
			v.Out = *out
			return v, err
		},
		parseJSON: func(raw json.RawMessage) (mandelbrotView, error) {
			var text string
			if json.Unmarshal(raw, &text) == nil {
				v, err := parseView(text)
				v.Out = *out
				return v, err
			}
			v := wholeSet
			v.Out = *out
			return v, strictJSON(raw, &v)
		},
		line: func(it item, d mandelbrotDrawn) string {
			line := fmt.Sprintf("%s: %d pixels inside, %d steps, sha256 %s", it.name, d.Inside, d.Iterations, d.SHA256[:16])
			if d.Path != "" {
				line += ", " + d.Path
			}
			return line
		},
	}
}

// wholeSet shows the set and a margin.
var wholeSet = mandelbrotView{Re: -0.75, Im: 0, Span: 3.5}

// parseView reads WIDTHxHEIGHT and WIDTHxHEIGHT@RE,IM,SPAN.
func parseView(text string) (mandelbrotView, error) {
	v := wholeSet
	size, place, placed := strings.Cut(text, "@")
	width, height, ok := strings.Cut(size, "x")
	var err error
	if v.Width, err = strconv.Atoi(width); err != nil || !ok {
		return v, notAView(text)
	}
	if v.Height, err = strconv.Atoi(height); err != nil {
		return v, notAView(text)
	}
	if !placed {
		return v, nil
	}
	parts := strings.Split(place, ",")
	if len(parts) != 3 {
		return v, notAView(text)
	}
	for i, to := range []*float64{&v.Re, &v.Im, &v.Span} {
		if *to, err = strconv.ParseFloat(parts[i], 64); err != nil {
			return v, notAView(text)
		}
	}
	return v, nil
}

func notAView(text string) error {
	return fmt.Errorf("%s is not WIDTHxHEIGHT or WIDTHxHEIGHT@RE,IM,SPAN", quoted(clipped(text, 60)))
}

func (v mandelbrotView) check() error {
	switch {
	case v.Width < 1 || v.Height < 1 || v.Width > maxPixels || v.Height > maxPixels || v.Width*v.Height > maxPixels:
		return fmt.Errorf("a picture of %dx%d: must have from one to %d million pixels", v.Width, v.Height, maxPixels>>20)
	case !(v.Span > 0) || math.IsInf(v.Span+v.Re+v.Im, 0) || math.IsNaN(v.Re+v.Im):
		return fmt.Errorf("no place in the plane: %g,%g,%g", v.Re, v.Im, v.Span)
	}
	return nil
}

// drawMandelbrot is the function mandelbrot.
func drawMandelbrot(ctx context.Context, v mandelbrotView) (mandelbrotDrawn, error) {
	var d mandelbrotDrawn
	if err := v.check(); err != nil {
		return d, err
	}
	img := image.NewGray(image.Rect(0, 0, v.Width, v.Height))
	for y := range v.Height {
		if err := ctx.Err(); err != nil {
			return d, err
		}
		d.addRow(img.Pix[y*img.Stride:][:v.Width], v, y)
	}
	sum := sha256.Sum256(img.Pix)
	d.SHA256 = hex.EncodeToString(sum[:])
	if v.Out == "" {
		return d, nil
	}
	d.Path = filepath.Join(v.Out, v.fileName())
	_, err := writeFile(d.Path, func(w io.Writer) error { return png.Encode(w, img) })
	return d, err
}

func (v mandelbrotView) fileName() string {
	return fmt.Sprintf("mandelbrot-%dx%d@%g,%g,%g.png", v.Width, v.Height, v.Re, v.Im, v.Span)
}

// addRow draws row y into pixels.
func (d *mandelbrotDrawn) addRow(pixels []byte, v mandelbrotView, y int) {
	step := v.Span / float64(v.Width)
	im := v.Im - float64((float64(y)+0.5-float64(v.Height)/2)*step)
	for x := range pixels {
		n := escapeTime(v.Re+float64((float64(x)+0.5-float64(v.Width)/2)*step), im)
		d.Iterations += int64(n)
		if n == mandelbrotDepth {
			d.Inside++
			continue
		}
		pixels[x] = byte(255 - n*255/mandelbrotDepth/2 - n%32*4)
	}
}

// escapeTime is how many steps the point takes to leave the circle of radius two. The
// conversions keep the compiler from fusing multiplication and addition, which would
// make the picture depend on the processor.
func escapeTime(cr, ci float64) int {
	var x, y float64
	for n := range mandelbrotDepth {
		xx, yy := float64(x*x), float64(y*y)
		if xx+yy > 4 {
			return n
		}
		x, y = xx-yy+cr, float64(2*x*y)+ci
	}
	return mandelbrotDepth
}
