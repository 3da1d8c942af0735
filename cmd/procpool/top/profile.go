package top

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/procpool/procpool/pool/monitor"
)

// keepProfile writes a profile to a new file, in the working directory if it lets us.
func keepProfile(data []byte, pool string, w monitor.Worker) (path string, err error) {
	name := fmt.Sprintf("procpool-%s-slot%d-pid%d-cpu", fileName(pool), w.Slot, w.PID)
	for _, dir := range []string{".", os.TempDir()} {
		if path, err = writeNew(dir, name, ".pprof", data); err == nil {
			return path, nil
		}
	}
	return "", err
}

// writeNew writes a file that is not there yet.
func writeNew(dir, name, ext string, data []byte) (string, error) {
	for n := 1; ; n++ {
		numbered := name
		if n > 1 {
			numbered = fmt.Sprintf("%s-%d", name, n)
		}
		path := filepath.Join(dir, numbered+ext)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) && n < 1000 {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(data)
		if err = errors.Join(err, f.Close()); err != nil {
			return "", errors.Join(err, os.Remove(path))
		}
		return path, nil
	}
}

// fileName is a pool's name as a part of a file's.
func fileName(pool string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, pool)
	return name[:min(len(name), 40)]
}
