package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"

	"github.com/procpool/procpool/worker"
)

var sha256Builtin = builtin{
	name:    "sha256",
	about:   "checksum files, printed as sha256sum prints them",
	details: `The output is accepted by "sha256sum -c".`,
	arg:     "PATH",
	input:   "a file, or a directory with files",
	paths:   true,
	open:    noFlags(typed[string, string]{fn: sha256Func, parse: asTyped, line: sha256Line}),
}

var sha256Func = worker.Register("sha256", sha256File)

// sha256File is the function sha256.
func sha256File(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, &endingReader{ctx, f}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// endingReader ends with its context, so that a large file does not outlive its caller.
type endingReader struct {
	ctx context.Context
	r   io.Reader
}

func (e *endingReader) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(p)
}

var sha256Escaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)

// sha256Line is the line of sha256sum. A backslash before the sum says that the name is
// escaped, so that a name with a line end cannot pass for a second line.
func sha256Line(it item, sum string) string {
	if name := sha256Escaper.Replace(it.name); name != it.name {
		return `\` + sum + "  " + name
	}
	return sum + "  " + it.name
}
