//go:build unix

package conformance_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/worker"
)

// A gate is where a test and its tasks meet, in place of sleeps on either
// side. A task that visits tells the test so and waits to be released, or for
// its context to end. It is a socket, so a task in another process can visit
// too, and a task whose process died is noticed.
type gate struct {
	path string
	l    *net.UnixListener
}

// A visit is the argument of a task that stops at a gate.
type visit struct {
	Gate, Tag string
}

// A visitor is a task that waits at a gate.
type visitor struct {
	tag  string
	pid  int
	conn net.Conn
}

func newGate(t testing.TB) *gate {
	t.Helper()
	// Not t.TempDir: a socket's path has about a hundred bytes.
	dir, err := os.MkdirTemp("", "gate")
	require.NoError(t, err)
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = l.Close()
		_ = os.RemoveAll(dir)
	})
	return &gate{path: path, l: l}
}

func (g *gate) visit(tag string) visit { return visit{Gate: g.path, Tag: tag} }

// visits returns n visits to g, tagged 0 .. n-1.
func (g *gate) visits(n int) []visit {
	s := make([]visit, n)
	for i := range s {
		s[i] = g.visit(fmt.Sprint(i))
	}
	return s
}

// next waits for the next task to arrive.
func (g *gate) next(t testing.TB) *visitor {
	t.Helper()
	v, err := g.accept(limit / 2)
	if err != nil {
		t.Fatalf("no task came to the gate: %v\n\n%s", err, stacks())
	}
	t.Cleanup(v.release)
	return v
}

// wait waits for n tasks to be at the gate together.
func (g *gate) wait(t testing.TB, n int) []*visitor {
	t.Helper()
	s := make([]*visitor, n)
	for i := range s {
		s[i] = g.next(t)
	}
	return s
}

func (g *gate) accept(d time.Duration) (*visitor, error) {
	if err := g.l.SetDeadline(time.Now().Add(d)); err != nil {
		return nil, err
	}
	conn, err := g.l.Accept()
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(limit))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return nil, err
	}
	v := &visitor{conn: conn}
	_, err = fmt.Sscanf(line, "%d %q", &v.pid, &v.tag)
	return v, err
}

// open releases who waits and lets everybody pass from now on.
func (g *gate) open() { _ = g.l.Close() }

func (v *visitor) release() { _ = v.conn.Close() }

// wait is the task's side.
func (v visit) wait(ctx context.Context) error {
	conn, err := net.Dial("unix", v.Gate)
	if err != nil {
		return nil // open
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := fmt.Fprintf(conn, "%d %q\n", os.Getpid(), v.Tag); err != nil {
		return nil
	}
	_, _ = conn.Read(make([]byte, 1))
	return ctx.Err()
}

// visiting is a task that stops at a gate; its result is its process.
var visiting = worker.Register("visiting", func(ctx context.Context, v visit) (int, error) {
	return os.Getpid(), v.wait(ctx)
})
