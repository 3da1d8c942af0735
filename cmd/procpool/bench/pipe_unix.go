//go:build unix

package bench

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// pipeJob names two pipes in the file system.
type pipeJob struct {
	In, Out string
	Size    int
}

// pipeEcho reads messages of a size and writes them back, with blocking system calls and nothing else, until the pipe ends.
var pipeEcho = worker.Register("bench-pipe", func(_ context.Context, job pipeJob) (int, error) {
	in, err := openBlocking(job.In, syscall.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := openBlocking(job.Out, syscall.O_WRONLY)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	message := make([]byte, job.Size)
	for n := 0; ; n++ {
		if _, err := io.ReadFull(in, message); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
		if _, err := out.Write(message); err != nil {
			return n, err
		}
	}
})

// openBlocking opens a pipe so that reads and writes block their thread: nothing of Go's stands between it and the system.
func openBlocking(path string, flag int) (*os.File, error) {
	for {
		fd, err := syscall.Open(path, flag|syscall.O_CLOEXEC, 0)
		if err == nil {
			return os.NewFile(uintptr(fd), path), nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// rawPipe is two pipes to a process that echoes. The process is a worker of a pool of its own, which does nothing else meanwhile.
type rawPipe struct {
	pool    *pool.Pool
	echo    *pool.Future[int]
	in, out *os.File // as the other side sees them
	message []byte
	back    []byte
}

func (b *bench) openPipe(ctx context.Context, size int) (*rawPipe, error) {
	p, err := b.newPool(ctx, 1)
	if err != nil {
		return nil, err
	}
	r := &rawPipe{pool: p, message: make([]byte, size), back: make([]byte, size)}
	if err := r.connect(ctx, filepath.Join(b.dir, strconv.Itoa(size))); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *rawPipe) connect(ctx context.Context, path string) error {
	job := pipeJob{In: path + ".in", Out: path + ".out", Size: len(r.message)}
	for _, name := range []string{job.In, job.Out} {
		if err := unix.Mkfifo(name, 0o600); err != nil {
			return &os.PathError{Op: "mkfifo", Path: name, Err: err}
		}
	}
	r.echo = pool.Go(ctx, r.pool, pipeEcho, job)
	var err error
	if r.in, err = r.meet(job.In, syscall.O_WRONLY); err != nil {
		return err
	}
	if r.out, err = r.meet(job.Out, syscall.O_RDONLY); err != nil {
		return err
	}
	return errors.Join(os.Remove(job.In), os.Remove(job.Out)) // the ends are open; the names are for the next
}

// meet opens one end, which waits until the worker opens the other, or has ended.
func (r *rawPipe) meet(path string, flag int) (*os.File, error) {
	type opened struct {
		file *os.File
		err  error
	}
	got := make(chan opened, 1)
	go func() {
		f, err := openBlocking(path, flag)
		got <- opened{f, err}
	}()
	select {
	case o := <-got:
		return o.file, o.err
	case <-r.echo.Done():
	}
	if fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0); err == nil { // ends the waiting
		defer func() { _ = syscall.Close(fd) }()
	}
	if o := <-got; o.err == nil {
		o.file.Close()
	}
	_, err := r.echo.Wait(context.Background())
	return nil, errors.Join(errors.New("the process at the other end of the bare pipe has ended"), err)
}

func (r *rawPipe) contenders() []contender {
	return []contender{{name: barePipe, run: func(ctx context.Context, n int) (time.Duration, error) {
		began := time.Now()
		for range n {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if _, err := r.in.Write(r.message); err != nil {
				return 0, err
			}
			if _, err := io.ReadFull(r.out, r.back); err != nil {
				return 0, err
			}
		}
		return time.Since(began), nil
	}}}
}

func (r *rawPipe) close() {
	for _, f := range []*os.File{r.in, r.out} {
		if f != nil {
			f.Close()
		}
	}
	_ = r.pool.Close()
}
