package sockdir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Socket is the socket of a running pool.
type Socket struct {
	Path string
	PID  int
	Pool string // its name, as far as the file's name tells
}

const (
	patience = time.Second // for a connection to a program that does not accept any
	infancy  = time.Minute // what is not born after that will not be
)

// List returns the sockets of the running pools of this user, oldest process number first, and removes those that dead processes left. A directory that is
// not safe is an error, and not looked into; the sockets of the others are returned beside it.
func List(ctx context.Context) ([]Socket, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	dirs, err := places()
	if err != nil {
		return nil, err
	}
	var all []Socket
	var errs []error
	for _, dir := range dirs {
		found, err := list(ctx, dir)
		all = append(all, found...)
		errs = append(errs, err)
	}
	slices.SortFunc(all, func(a, b Socket) int {
		if a.PID != b.PID {
			return a.PID - b.PID
		}
		return strings.Compare(a.Path, b.Path)
	})
	return all, errors.Join(errs...)
}

func list(ctx context.Context, dir string) (found []Socket, err error) {
	if err := check(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil // no pool ever had a socket
		}
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Type() != fs.ModeSocket {
			continue
		}
		path := filepath.Join(dir, e.Name())
		s, ok := Parse(path)
		switch {
		case !ok:
			sweepUnborn(ctx, path, e)
		case listens(ctx, path):
			found = append(found, s)
		}
	}
	return found, nil
}

// Parse reads what the name of a socket tells.
func Parse(path string) (Socket, bool) {
	name, ok := strings.CutSuffix(filepath.Base(path), suffix)
	number, rest, ok2 := strings.Cut(name, "-")
	pid, err := strconv.Atoi(number)
	last := strings.LastIndexByte(rest, '-')
	if !ok || !ok2 || err != nil || pid < 1 || last < 1 {
		return Socket{}, false
	}
	return Socket{Path: path, PID: pid, Pool: rest[:last]}, true
}

// listens reports whether somebody does, and removes a socket of a dead process: nobody will ever listen to it again.
func listens(ctx context.Context, path string) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := Dial(ctx, path)
	if err == nil {
		_ = conn.Close()
		return true
	}
	s, _ := Parse(path)
	if errors.Is(err, syscall.ECONNREFUSED) && (refusedMeansDead || !IsAlive(s.PID)) {
		_ = os.Remove(path) //nolint:gosec // the user chooses the directory
	}
	return errors.Is(err, context.DeadlineExceeded) // its backlog is full: a program that is stopped
}

// sweepUnborn removes the socket of a process that was killed while it made one.
func sweepUnborn(ctx context.Context, path string, e fs.DirEntry) {
	info, err := e.Info()
	if err == nil && strings.HasSuffix(path, suffix+unborn) && time.Since(info.ModTime()) > infancy {
		listens(ctx, path)
	}
}
