package proc

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"sync"
)

// SelfIdentity names the running image, so that parent and worker can tell whether they are one build: "dev:ino:size:mtime"
// where the kernel keeps a reference to the image (Linux with /proc), elsewhere "sha256:..." of the executable file.
// It is found out once and then stays.
func SelfIdentity() (string, error) { return identity() }

var identity = sync.OnceValues(identify)

func hashExecutable() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}
