//go:build linux

package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A gate is where tasks report that they are there and wait for an order. It is a
// socket, so that arrival, order and death are events and nobody has to poll.
type gate struct {
	addr     string // of an abstract socket: nothing to clean up, no limit on the length of a path
	listener net.Listener
	visitors chan *visitor // room for more than any test has in flight

	mu    sync.Mutex
	conns []net.Conn

	wg sync.WaitGroup // serve and greet; they end when the listener and the connections are closed
}

var gates atomic.Int64

func newGate(t testing.TB) *gate {
	t.Helper()
	g := &gate{
		addr:     fmt.Sprintf("@faults-%d-%d", os.Getpid(), gates.Add(1)),
		visitors: make(chan *visitor, 1<<14),
	}
	var err error
	if g.listener, err = net.Listen("unix", g.addr); err != nil {
		t.Fatal(err)
	}
	g.wg.Go(g.serve)
	t.Cleanup(g.close)
	return g
}

func (g *gate) serve() {
	for {
		conn, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		g.conns = append(g.conns, conn)
		g.mu.Unlock()
		g.wg.Go(func() { g.greet(conn) })
	}
}

func (g *gate) greet(conn net.Conn) {
	v := &visitor{conn: conn, lines: bufio.NewReader(conn)}
	if _, err := fmt.Fscanf(v.lines, "%d %d\n", &v.index, &v.pid); err == nil {
		g.visitors <- v
	}
}

func (g *gate) close() {
	g.listener.Close()
	g.mu.Lock()
	for _, conn := range g.conns {
		conn.Close()
	}
	g.mu.Unlock()
	g.wg.Wait()
}

// next returns the next task to arrive.
func (g *gate) next(t testing.TB) *visitor {
	t.Helper()
	select {
	case v := <-g.visitors:
		return v
	case <-time.After(patience):
		t.Fatalf("nobody came to the gate in %v", patience)
		return nil
	}
}

// gather returns the next n tasks to arrive, which are then all there at once.
func (g *gate) gather(t testing.TB, n int) []*visitor {
	t.Helper()
	all := make([]*visitor, n)
	for i := range all {
		all[i] = g.next(t)
	}
	return all
}

// empty fails if somebody is at the gate who was not expected.
func (g *gate) empty(t testing.TB) {
	t.Helper()
	select {
	case v := <-g.visitors:
		t.Errorf("task %d came to the gate in process %d", v.index, v.pid)
	default:
	}
}

// A visitor is one task that waits at the gate.
type visitor struct {
	index, pid int
	conn       net.Conn
	lines      *bufio.Reader
}

// order tells the task to go on and what to do.
func (v *visitor) order(verb string) {
	fmt.Fprintln(v.conn, verb) // an error means that it is dead, which the test will see
}

// gone waits until the task has left: its process has died or its function went on.
func (v *visitor) gone(t testing.TB, within time.Duration) {
	t.Helper()
	v.conn.SetReadDeadline(time.Now().Add(within))
	if _, err := v.lines.ReadByte(); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("task %d in process %d is still there after %v", v.index, v.pid, within)
	}
}

// errNoGate is what a task returns when the test that it waited for has ended.
var errNoGate = errors.New("the gate is closed")

// knock reports a task at the gate and returns what it is told to do. It ends with ctx.
func knock(ctx context.Context, addr string, index int) (string, error) {
	conn, err := net.Dial("unix", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	fmt.Fprintln(conn, index, os.Getpid())
	verb, err := bufio.NewReader(conn).ReadString('\n')
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", errNoGate
	}
	return strings.TrimSuffix(verb, "\n"), nil
}
