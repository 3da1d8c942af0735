package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// page is the file that --html names. It is opened before anything is measured, so that a wrong name costs nobody minutes.
//
// A regular file gets its contents whole or not at all: they are written to a new file beside it, which takes its place. What is no regular file, a
// device or a pipe, is written to as it is, and never removed.
type page struct {
	file *os.File
	temp string // the new file; empty where there is none
	name string // whose place it takes
}

// openPage opens the page. It waits for the reader of a named pipe, until ctx ends.
func openPage(ctx context.Context, name string) (*page, error) {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a directory", name)
	case err == nil && (!info.Mode().IsRegular() || isDescriptor(name)):
		return openInPlace(ctx, name)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return openBeside(name, info)
}

// isDescriptor reports whether a name stands for a file that somebody has open already, and who would not see another in its place.
func isDescriptor(name string) bool {
	for _, prefix := range []string{"/dev/fd/", "/dev/std", "/proc/"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// openInPlace opens what is there for writing alone: with the reading end of a pipe of our own, a write would wait for ever once the reader is gone.
func openInPlace(ctx context.Context, name string) (*page, error) {
	p := &page{name: name}
	err := p.unless(ctx, func() (err error) {
		p.file, err = os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// openBeside makes a new file in the directory of what name leads to. info is that of the old one, nil where there is none.
func openBeside(name string, info fs.FileInfo) (*page, error) {
	name, err := behindLinks(name)
	if err != nil {
		return nil, err
	}
	mode := fs.FileMode(0o666)
	if info != nil {
		old, err := os.OpenFile(name, os.O_WRONLY, 0) // what may not be written must not be replaced either
		if err != nil {
			return nil, err
		}
		_ = old.Close()
		mode = info.Mode().Perm()
	}
	temp := filepath.Join(filepath.Dir(name), ".procpool-"+rand.Text()+".html")
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	if info != nil {
		_ = file.Chmod(mode) // where the umask took something away
	}
	return &page{file: file, temp: temp, name: name}, nil
}

// behindLinks follows symbolic links, to a file that need not be there.
func behindLinks(name string) (string, error) {
	for range 40 { // as many as Linux follows
		to, err := os.Readlink(name)
		if err != nil {
			return name, nil //nolint:nilerr // what cannot be read as a link is none
		}
		if !filepath.IsAbs(to) {
			to = filepath.Dir(name) + string(filepath.Separator) + to // not cleaned: what is above a linked directory is not what is written before it
		}
		name = to
	}
	return "", fmt.Errorf("%s: too many symbolic links", name)
}

// write fills the page by f, and puts it where it belongs. When ctx ends it waits for no reader any more.
func (p *page) write(ctx context.Context, f func(io.Writer) error) error {
	err := p.unless(ctx, func() error { return errors.Join(f(p.file), p.file.Close()) })
	if p.temp == "" {
		if readerIsGone(err) {
			return nil
		}
		return err
	}
	if err == nil {
		err = os.Rename(p.temp, p.name)
	}
	if err != nil {
		_ = os.Remove(p.temp)
	}
	return err
}

// discard takes back what was made, and nothing else.
func (p *page) discard() {
	_ = p.file.Close()
	if p.temp != "" {
		_ = os.Remove(p.temp)
	}
}

// unless returns what f does, or that ctx has ended before. f then goes on until the program ends, which is soon.
func (p *page) unless(ctx context.Context, f func() error) error {
	done := make(chan error, 1) // so that f never waits for who has left
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
