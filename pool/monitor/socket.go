package monitor

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
	"weak"

	"github.com/procpool/procpool/internal/attach"
	"github.com/procpool/procpool/internal/sockdir"
	"github.com/procpool/procpool/pool"
)

// Socket lets "procpool top" of the same user look at the pool while it runs, through a Unix socket: the pages of Handler, and killing a worker is allowed there,
// since whoever gets at the socket could do so anyway. The socket is open from New until the pool has ended.
//
// It is in $XDG_RUNTIME_DIR/procpool, or in /tmp/procpool-UID where that is not set: a directory that only the user can enter, or New refuses it. Where the system
// tells who connects (Linux, macOS), others than the user and root are turned away. On Windows it is an error.
//
// The environment variable PROCPOOL_MONITOR does the same for all pools of a program that imports this package: 1, or the path of the directory to use. It does
// nothing in workers, for the pools that tasks make.
func Socket() pool.Option { return pool.WithOnStart(openOnce) }

func init() {
	attach.OnNew = append(attach.OnNew, func(p any) (stop func(), err error) {
		if !sockdir.Wanted() {
			return nil, nil
		}
		return openOnce(p.(*pool.Pool))
	})
}

// opened are the pools that have a socket: the environment and the program may both ask for one.
var opened sync.Map // weak.Pointer[pool.Pool] to nothing

func openOnce(p *pool.Pool) (stop func(), err error) {
	key := weak.Make(p)
	if _, asked := opened.LoadOrStore(key, nil); asked {
		return nil, nil
	}
	s, err := openSocket(p)
	if err != nil {
		opened.Delete(key)
		return nil, err
	}
	return func() {
		s.close()
		opened.Delete(key)
	}, nil
}

// socket serves a pool to one user. It does not hold the pool.
type socket struct {
	listener *sockdir.Listener
	server   *http.Server
	cancel   context.CancelFunc // of all requests
	done     chan struct{}      // closed when nothing is accepted any more
}

func openSocket(p *pool.Pool) (*socket, error) {
	l, err := sockdir.Listen(p.Insights().Name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &socket{listener: l, cancel: cancel, done: make(chan struct{})}
	s.server = &http.Server{
		Handler:           Handler(p, AllowKill()),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0), // a client that goes away is no news
	}
	go s.serve()
	return s, nil
}

// serve ends with close.
func (s *socket) serve() {
	defer close(s.done)
	_ = s.server.Serve(s.listener) // http.ErrServerClosed
}

// close takes the socket away, ends what goes on, and waits for it.
func (s *socket) close() {
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	// In good order first: the last event says that the pool has ended.
	if err := s.server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		_ = s.server.Close()
	}
	<-s.done
}
