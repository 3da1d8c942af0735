//go:build linux

package faults

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/wire"
)

// A puppet is a worker process that does nothing by itself: it reads and writes the
// wire byte by byte as the test tells it, over a socket. So a test decides after
// which byte a frame breaks off, and knows when the bytes before it are in the pipe.

// puppetVar names the gate at which a puppet asks for its strings.
const puppetVar = "FAULTS_PUPPET"

// Orders to a puppet: an op, the length of its data in four bytes, the data. The answer
// to each looks the same and says what was read, or why it failed.
const (
	opWrite  = 'w' // the data to descriptor 1
	opRead   = 'r' // as many bytes as the data says from descriptor 0
	opStderr = 'e' // the data to descriptor 2
	opClose  = 'c' // the descriptor given
	opExit   = 'x' // with the status given; no answer
	opSignal = 's' // itself
	opGetenv = 'g' // the variable named
)

var _ = unhookedRole("puppet", func() {
	conn, err := net.Dial("unix", os.Getenv(puppetVar))
	if err != nil {
		os.Exit(70)
	}
	io.WriteString(conn, os.Getenv("PROCPOOL_SLOT")+" "+strconv.Itoa(os.Getpid())+"\n")
	p := &marionette{conn: conn, reads: make(chan []byte, 16)}
	go p.read()
	p.obey()
})

// marionette is the puppet's end.
type marionette struct {
	conn  net.Conn
	reads chan []byte // orders to read: done beside the others, since they may take long

	mu sync.Mutex // writes to conn
}

func (p *marionette) obey() {
	orders := bufio.NewReader(p.conn)
	for {
		op, data, err := readPacket(orders)
		if err != nil {
			os.Exit(70) // the test has ended
		}
		switch op {
		case opRead:
			p.reads <- data
		case opWrite:
			p.answer(op, writeAll(1, data))
		case opStderr:
			p.answer(op, writeAll(2, data))
		case opClose:
			p.answer(op, syscall.Close(int(data[0])))
		case opExit:
			os.Exit(int(data[0]))
		case opSignal:
			p.answer(op, syscall.Kill(os.Getpid(), syscall.Signal(data[0])))
		case opGetenv:
			p.reply(op, []byte(os.Getenv(string(data))))
		}
	}
}

func (p *marionette) read() {
	for size := range p.reads {
		data := make([]byte, binary.BigEndian.Uint32(size))
		n, _ := io.ReadFull(os.Stdin, data)
		p.reply(opRead, data[:n])
	}
}

func (p *marionette) answer(op byte, err error) {
	var data []byte
	if err != nil {
		data = []byte(err.Error())
	}
	p.reply(op, data)
}

func (p *marionette) reply(op byte, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn.Write(packet(op, data))
}

func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := syscall.Write(fd, data)
		if err != nil && err != syscall.EINTR {
			return err
		}
		data = data[max(n, 0):]
	}
	return nil
}

func packet(op byte, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{op}, uint32(len(data))), data...)
}

func readPacket(r io.Reader) (op byte, data []byte, err error) {
	var head [5]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	data = make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err = io.ReadFull(r, data)
	return head[0], data, err
}

// A puppet, seen from the test. Its methods end the script's goroutine when the process is dead.
type puppet struct {
	t        testing.TB
	pid      int
	slot     int
	nth      int // how many puppets came before it
	conn     net.Conn
	cookie   []byte
	reads    chan []byte // answers to opRead; closed at the puppet's death
	answers  chan []byte // to all else; likewise
	readings sync.Mutex
	orders   sync.Mutex
}

// A theater has puppets for workers.
type theater struct {
	t    testing.TB
	gate *gate
	wg   sync.WaitGroup // scripts, and what brings them up

	mu    sync.Mutex
	count int
}

// puppets returns a theater where each puppet follows the script, and the options of a pool
// whose workers are its puppets.
func puppets(t testing.TB, script func(*puppet)) (*theater, []pool.Option) {
	t.Helper()
	th := &theater{t: t, gate: newGate(t)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		th.gate.close()
		th.wg.Wait()
	})
	th.wg.Go(func() { th.run(ctx, script) })
	self, err := os.Executable()
	require.NoError(t, err)
	return th, []pool.Option{pool.WithCommand(self), pool.WithEnv(roleVar+"=puppet", puppetVar+"="+th.gate.addr)}
}

// run brings up each puppet that comes to the gate.
func (th *theater) run(ctx context.Context, script func(*puppet)) {
	for {
		select {
		case <-ctx.Done():
			return
		case v := <-th.gate.visitors:
			th.mu.Lock()
			p := &puppet{t: th.t, pid: v.pid, slot: v.index, nth: th.count, conn: v.conn, reads: make(chan []byte, 16), answers: make(chan []byte, 16)}
			th.count++
			th.mu.Unlock()
			th.wg.Go(func() { p.hear(v.lines) })
			th.wg.Go(func() {
				p.cookie = p.order(opGetenv, []byte("PROCPOOL_COOKIE"))
				script(p)
			})
		}
	}
}

// started returns how many puppets have come so far.
func (th *theater) started() int {
	th.mu.Lock()
	defer th.mu.Unlock()
	return th.count
}

// hear passes on what the puppet answers.
func (p *puppet) hear(r io.Reader) {
	defer p.conn.Close()
	defer close(p.reads)
	defer close(p.answers)
	for {
		op, data, err := readPacket(r)
		switch {
		case err != nil:
			return
		case op == opRead:
			p.reads <- data
		default:
			p.answers <- data
		}
	}
}

// order makes the puppet do something and returns its answer.
func (p *puppet) order(op byte, data []byte) []byte {
	p.orders.Lock()
	defer p.orders.Unlock()
	p.conn.Write(packet(op, data)) // an error means that it is dead, which the answer will show
	return p.take(p.answers)
}

func (p *puppet) take(answers <-chan []byte) []byte {
	answer, ok := <-answers
	if !ok {
		runtime.Goexit()
	}
	return answer
}

// write writes to the wire and returns when all is in the pipe.
func (p *puppet) write(data []byte) {
	if text := p.order(opWrite, data); len(text) > 0 {
		runtime.Goexit()
	}
}

// read reads n bytes from the wire, fewer only at its end.
func (p *puppet) read(n int) []byte {
	p.readings.Lock()
	defer p.readings.Unlock()
	p.conn.Write(packet(opRead, binary.BigEndian.AppendUint32(nil, uint32(n))))
	return p.take(p.reads)
}

// exit ends the puppet, and the script.
func (p *puppet) exit(code byte) {
	p.orders.Lock()
	defer p.orders.Unlock()
	p.conn.Write(packet(opExit, []byte{code}))
	p.take(p.answers)
}

// kill ends the puppet by SIGKILL, and the script.
func (p *puppet) kill() {
	p.order(opSignal, []byte{byte(syscall.SIGKILL)})
	for {
		p.order(opGetenv, nil) // the signal has been sent: this ends soon
	}
}

func (p *puppet) closeWire()       { p.order(opClose, []byte{1}) }
func (p *puppet) warn(text string) { p.order(opStderr, []byte(text)) }

// stay waits for the puppet's end.
func (p *puppet) stay() {
	p.orders.Lock()
	defer p.orders.Unlock()
	p.take(p.answers)
}

// hello is what a worker of this pool says first.
func (p *puppet) hello(change ...func(*wire.HelloBody)) []byte {
	body := wire.HelloBody{Version: wire.Version, PID: p.pid, Functions: []string{double.Name(), echo.Name(), obey.Name()}}
	for _, f := range change {
		f(&body)
	}
	b, err := wire.AppendMap(append([]byte(nil), p.cookie...), wire.Hello, 0, 0, &body)
	if err != nil {
		panic(err)
	}
	return b
}

// greet does the handshake as it should be.
func (p *puppet) greet() {
	p.write(p.hello())
	if f := p.next(); f.Kind != wire.Welcome {
		p.t.Errorf("the parent answers Hello by %v", f.Header)
	}
}

// next reads one frame of the parent's.
func (p *puppet) next() wire.Frame {
	head := p.read(wire.HeaderSize)
	if len(head) < wire.HeaderSize {
		runtime.Goexit() // the parent has closed the wire
	}
	h, err := wire.ParseHeader(head)
	if err != nil {
		p.t.Errorf("the parent sends %x: %v", head, err)
		runtime.Goexit()
	}
	return wire.Frame{Header: h, Payload: p.read(int(h.Length))}
}

// A job is one batch of tasks as it arrived.
type job struct {
	wire.Header
	wire.TasksHead
	args [][]byte
}

// tasks reads frames until there is one of tasks, and stops when it is told to.
func (p *puppet) tasks() job {
	for {
		switch f := p.next(); f.Kind {
		case wire.Tasks:
			return p.job(f)
		case wire.Stop:
			p.exit(0)
		case wire.Ping:
			p.write(control(wire.Beat, 0, 0, nil))
		case wire.Recall:
			p.write(control(wire.Recalled, f.ID, f.Arg, nil))
		}
	}
}

func (p *puppet) job(f wire.Frame) job {
	head, items, err := wire.ParseTasksHead(f.Payload)
	if err != nil {
		p.t.Errorf("the parent sends tasks that do not decode: %v", err)
		runtime.Goexit()
	}
	j := job{Header: f.Header, TasksHead: head}
	for range f.Count {
		arg, rest, ok := wire.CutItem(items)
		if !ok {
			p.t.Errorf("the parent sends %d tasks that are not there", f.Count)
			runtime.Goexit()
		}
		j.args, items = append(j.args, arg), rest
	}
	return j
}

func control(kind wire.Kind, id uint64, arg uint32, payload []byte) []byte {
	return wire.AppendControl(nil, kind, id, arg, payload)
}

// results is a Results frame that answers tasks of the job from an offset on.
func (j job) results(offset int, outcome wire.Outcome, values ...[]byte) []byte {
	payload := wire.ResultsHead{}.Append(nil)
	for _, v := range values {
		payload = append(wire.AppendResultHead(payload, outcome, nil, len(v)), v...)
	}
	h := wire.Header{Kind: wire.Results, ID: j.ID, Count: uint32(len(values)), Arg: uint32(offset), Length: uint64(len(payload))}
	return append(h.Append(nil), payload...)
}

func (j job) started(offset int) []byte { return control(wire.Started, j.ID, uint32(offset), nil) }

// pack encodes a value.
func pack(v any) []byte {
	b, err := msgpack.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// serve is what a worker does that nothing is wrong with: it runs double, echo and obey.
func (p *puppet) serve() {
	s := &service{p: p, jobs: make(chan job, wire.MaxBatches), limit: map[uint64]int{}, begun: map[uint64]int{}}
	go s.run()
	defer close(s.jobs)
	for {
		switch f := p.next(); f.Kind {
		case wire.Tasks:
			s.jobs <- p.job(f)
		case wire.Recall:
			p.write(control(wire.Recalled, f.ID, s.recall(f.ID, f.Arg), nil))
		case wire.Ping:
			p.write(control(wire.Beat, 0, 0, nil))
		case wire.Stop:
			p.exit(0)
		}
	}
}

type service struct {
	p    *puppet
	jobs chan job // closed when the script ends

	mu    sync.Mutex
	limit map[uint64]int // of batches that were recalled in part: tasks from here on do not run
	begun map[uint64]int // tasks started, by batch
}

func (s *service) recall(id uint64, limit uint32) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit[id] = max(int(limit), s.begun[id])
	return uint32(s.limit[id])
}

// begin reports whether the task at an offset is to run.
func (s *service) begin(id uint64, offset int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit, ok := s.limit[id]; ok && offset >= limit {
		return false
	}
	s.begun[id] = offset + 1
	return true
}

func (s *service) run() {
	for j := range s.jobs {
		for i, arg := range j.args {
			if !s.begin(j.ID, i) {
				break
			}
			s.p.write(j.started(i))
			outcome, value := s.p.perform(j, arg)
			s.p.write(j.results(i, outcome, value))
		}
	}
}

// perform runs one task, on the puppet's behalf, here.
func (p *puppet) perform(j job, arg []byte) (wire.Outcome, []byte) {
	switch j.Func {
	case echo.Name():
		return wire.Value, arg
	case double.Name():
		var n int
		if err := msgpack.Unmarshal(arg, &n); err != nil {
			return wire.Undecodable, pack(map[string]any{"msg": err.Error()})
		}
		return wire.Value, pack(2 * n)
	case obey.Name():
		var o order
		if err := msgpack.Unmarshal(arg, &o); err != nil {
			return wire.Undecodable, pack(map[string]any{"msg": err.Error()})
		}
		if err := p.knockFor(o); err != nil {
			return wire.Failed, pack(map[string]any{"msg": err.Error()})
		}
		return wire.Value, pack(answer{Index: o.Index, PID: p.pid, Slot: p.slot, Attempt: j.Attempt})
	}
	return wire.Unknown, pack(map[string]any{"msg": "a puppet knows no " + j.Func})
}

// knockFor waits at a gate in the puppet's name.
func (p *puppet) knockFor(o order) error {
	conn, err := net.Dial("unix", o.Gate)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, strconv.Itoa(o.Index)+" "+strconv.Itoa(p.pid)+"\n")
	verb, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && strings.TrimSpace(verb) != "" {
		p.t.Errorf("a puppet cannot %s", verb)
	}
	return err
}
