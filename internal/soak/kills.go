//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// A tiny task does next to nothing. What it leaves behind is one of three: nothing; two marks in a file that all workers map,
// which cost nanoseconds and survive a kill as a write does; or two lines in a ledger.
type tiny struct {
	N      int
	Ledger ledger
	Marks  string // the file
	Spin   int    // nanoseconds to be busy for
}

var doTiny = worker.Register("soak.tiny", func(_ context.Context, t tiny) (int, error) {
	var page []byte
	if t.Marks != "" {
		var err error
		if page, err = marked.open(t.Marks); err != nil {
			return 0, err
		}
		page[2*t.N]++
	}
	if t.Ledger != "" {
		if err := t.Ledger.enter(start, t.N); err != nil {
			return 0, err
		}
	}
	for begun := time.Now(); t.Spin > 0 && time.Since(begun) < time.Duration(t.Spin); {
	}
	if t.Ledger != "" {
		if err := t.Ledger.enter(end, t.N); err != nil {
			return 0, err
		}
	}
	if page != nil {
		page[2*t.N+1]++
	}
	return triple(t.N), nil
})

func triple(n int) int { return 3*n + 1 }

// marks is the file that a worker has mapped.
type marks struct {
	path string
	page []byte
}

var marked marks

func (m *marks) open(path string) ([]byte, error) {
	if m.path == path {
		return m.page, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	page, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	if m.page != nil {
		_ = unix.Munmap(m.page)
	}
	m.path, m.page = path, page
	return page, nil
}

// A killing is a run of -kills.
type killing struct {
	*soak
	rng  *rand.Rand
	pool *pool.Pool
	log  *tail
	took map[string]time.Duration // what a batch takes, about, by what it leaves behind

	kills, lost, nothing, finished, tasks int
	batches                               map[string]int
}

// A batch is one call with one kill in it.
type batch struct {
	*killing
	name  string
	tasks []tiny
	file  string

	answered []int // how often, by index
	dead     []int // the indexes of those that were lost
}

func (s *soak) runKills(ctx context.Context, n int) {
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		s.complain(leftover, err.Error(), nil)
		return
	}
	s.dir = dir
	defer func() { _ = os.RemoveAll(dir) }()
	base := s.baseline()
	k := &killing{soak: s, rng: rand.New(rand.NewPCG(s.seed, 0)), log: &tail{size: 32 << 10}, took: map[string]time.Duration{}, batches: map[string]int{}}
	said := time.Now()
	for k.kills < n && !s.hasFailed() {
		workers := 1 + k.rng.IntN(4)
		k.pool, err = pool.New(ctx, pool.WithWorkers(workers), pool.WithLogger(logTo(k.log)), pool.WithName(fmt.Sprintf("%d workers", workers)))
		if err != nil {
			s.complain(wrong, fmt.Sprintf("New: %v", err), nil)
			return
		}
		for last := k.kills + 25; k.kills < min(n, last) && !s.hasFailed(); {
			k.batch(ctx)
			if time.Since(said) > 10*time.Second {
				said = time.Now()
				fmt.Fprintf(s.out, "%4.0fs  kills %d  lost %d  hit nothing running %d  tasks %d\n", time.Since(s.begun).Seconds(), k.kills, k.lost, k.nothing, k.tasks)
			}
		}
		if err := k.pool.Shutdown(ctx); err != nil {
			s.complain(stuck, fmt.Sprintf("Shutdown: %v", err), k.log)
		}
		if st := k.pool.Stats(); st.Submitted != st.Completed+st.Failed+st.Cancelled {
			s.complain(wrong, fmt.Sprintf("the statistics do not balance: %+v", st), k.log)
		}
		_ = k.pool.Close()
	}
	s.leftovers(base)
	k.print()
}

func (k *killing) print() {
	w := tabwriter.NewWriter(k.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w)
	rows(w, k.batches)
	fmt.Fprintf(w, "time\t%v\ntasks\t%d\nkills\t%d\ntasks lost\t%d\n  of these killed after their end\t%d\nkill hit nothing running\t%d\n",
		time.Since(k.begun).Round(time.Second), k.tasks, k.kills, k.lost, k.finished, k.nothing)
	for _, v := range []verdict{lost, duplicated, wrong, leftover, stuck} {
		fmt.Fprintf(w, "violations: %s\t%d\n", v, k.complaints[v])
	}
	fmt.Fprintf(w, "seed\t%d\n", k.seed)
	_ = w.Flush()
}

// batch draws a batch, runs it, kills a worker at a random instant in it, and checks what came of each task.
func (k *killing) batch(ctx context.Context) {
	b := &batch{killing: k}
	n := 10_000 + k.rng.IntN(40_000)
	t := tiny{}
	switch k.rng.IntN(8) {
	case 0, 1, 2:
		b.name = "no effects"
	case 3, 4:
		b.name = "marks"
	case 5:
		b.name, t.Spin, n = "marks, tasks of some microseconds", 1000+k.rng.IntN(50_000), n/20
	case 6:
		b.name, t.Spin, n = "marks, tasks of a millisecond", 1_000_000, 100
	case 7:
		b.name, n = "ledger", 2000
	}
	b.file = filepath.Join(k.dir, fmt.Sprintf("batch-%d", k.rounds.Add(1)))
	if b.name == "ledger" {
		t.Ledger = ledger(b.file)
	} else if b.name != "no effects" {
		t.Marks = b.file
		if err := os.WriteFile(b.file, make([]byte, 2*n), 0o600); err != nil {
			k.complain(wrong, err.Error(), nil)
			return
		}
	}
	b.tasks = make([]tiny, n)
	for i := range b.tasks {
		b.tasks[i] = t
		b.tasks[i].N = i
	}
	b.answered = make([]int, n)
	k.run(ctx, b)
	k.tasks += n
	k.batches["batches: "+b.name]++
	b.check()
	os.Remove(b.file)
}

func (k *killing) run(ctx context.Context, b *batch) {
	ways := []struct {
		name string
		run  func(context.Context)
	}{{"Map", b.asMap}, {"Stream", b.asStream}, {"StreamUnordered", b.asUnordered}, {"Results", b.asResults}}
	way := ways[k.rng.IntN(len(ways))]
	k.batches["batches by "+way.name]++
	done := make(chan struct{})
	begun := time.Now()
	watchdog := time.AfterFunc(2*patience, func() {
		fmt.Fprintf(k.out, "%s\n", stacks())
		k.complain(stuck, fmt.Sprintf("%s of %d: %+v", way.name, len(b.tasks), k.pool.Stats()), k.log)
		os.Exit(exitHang)
	})
	go func() {
		defer close(done)
		way.run(ctx)
	}()
	took := cmp.Or(k.took[b.name], 20*time.Millisecond)
	k.kill(b, time.Duration(k.rng.Int64N(int64(took)+1)), done)
	<-done
	watchdog.Stop()
	k.took[b.name] = (3*took + time.Since(begun)) / 4
}

// kill kills one of the workers that are busy after d.
func (k *killing) kill(b *batch, d time.Duration, done <-chan struct{}) {
	select {
	case <-time.After(d):
	case <-done:
		return
	}
	workers := k.pool.Workers()
	k.rng.Shuffle(len(workers), func(i, j int) { workers[i], workers[j] = workers[j], workers[i] })
	for _, w := range workers {
		if w.State != pool.StateBusy || w.PID == 0 {
			continue
		}
		p, err := os.FindProcess(w.PID)
		if err != nil || !ours(w.PID) {
			continue
		}
		if p.Signal(syscall.SIGKILL) == nil {
			k.kills++
			k.batches["kills in: "+b.name]++
			select {
			case <-done:
				k.batches["kills that came as the batch ended: "+b.name]++
			default:
			}
			_ = p.Release()
			return
		}
		_ = p.Release()
	}
}

// take takes down one answer.
func (b *batch) take(index, value int, err error) {
	var exit *pool.ExitError
	switch {
	case index < 0 || index >= len(b.tasks):
		b.complain(wrong, fmt.Sprintf("%s: an answer to %d of %d: %d, %v", b.name, index, len(b.tasks), value, err), b.log)
		return
	case err == nil && value != triple(index):
		b.complain(wrong, fmt.Sprintf("%s: %d was answered %d", b.name, index, value), b.log)
	case errors.As(err, &exit) && exit.Signal == os.Signal(syscall.SIGKILL):
		b.dead = append(b.dead, index)
	case err != nil:
		b.complain(wrong, fmt.Sprintf("%s: %d: %v", b.name, index, err), b.log)
	}
	b.answered[index]++
}

func (b *batch) asMap(ctx context.Context) {
	values, err := pool.Map(ctx, b.pool, doTiny, b.tasks)
	failed := map[int]error{}
	var failures pool.Errors
	if err != nil && !errors.As(err, &failures) || len(values) != len(b.tasks) {
		b.complain(wrong, fmt.Sprintf("Map: %d results, %v", len(values), err), b.log)
		return
	}
	for _, f := range failures {
		if failed[f.Index] != nil {
			b.answered[f.Index]++
		}
		failed[f.Index] = f
	}
	for i, v := range values {
		b.take(i, v, failed[i])
	}
}

func (b *batch) asStream(ctx context.Context) {
	i := 0
	for v, err := range pool.Stream(ctx, b.pool, doTiny, slices.Values(b.tasks), pool.Window(20_000)) {
		b.take(i, v, err)
		i++
	}
}

func (b *batch) asUnordered(ctx context.Context) {
	for v, err := range pool.StreamUnordered(ctx, b.pool, doTiny, slices.Values(b.tasks), pool.Window(20_000)) {
		if task, ok := errors.AsType[*pool.TaskError](err); ok {
			b.take(task.Index, 0, err)
			continue
		}
		b.take((v-1)/3, v, err)
	}
}

func (b *batch) asResults(ctx context.Context) {
	for r := range pool.Results(ctx, b.pool, doTiny, slices.Values(b.tasks), pool.Window(20_000)) {
		b.take(r.Index, r.Value, r.Err)
	}
}

// check compares what was answered with what ran. A batch has one kill at most.
func (b *batch) check() {
	for i, n := range b.answered {
		if n == 0 {
			b.complain(lost, fmt.Sprintf("%s: %d of %d was never answered", b.name, i, len(b.tasks)), b.log)
		} else if n > 1 {
			b.complain(duplicated, fmt.Sprintf("%s: %d of %d was answered %d times", b.name, i, len(b.tasks), n), b.log)
		}
	}
	if len(b.dead) > 1 {
		b.complain(lost, fmt.Sprintf("%s: one kill cost %d tasks of %d: %v", b.name, len(b.dead), len(b.tasks), b.dead), b.log)
	}
	b.lost += len(b.dead)
	b.nothing = b.kills - b.lost
	b.batches["lost in: "+b.name] += len(b.dead)
	h, err := b.history()
	if err != nil {
		b.complain(wrong, err.Error(), b.log)
	}
	if h == nil {
		return
	}
	for i := range b.tasks {
		s, e, isDead := h.started[i], h.ended[i], slices.Contains(b.dead, i)
		switch {
		case s == 1 && e == 1 && isDead:
			b.finished++
		case s == 1 && e == 1, isDead && s <= 1 && e == 0:
		case s > 1 || e > 1:
			b.complain(duplicated, fmt.Sprintf("%s: %d of %d started %d times and ended %d times (lost %v)", b.name, i, len(b.tasks), s, e, b.dead), b.log)
		default:
			b.complain(lost, fmt.Sprintf("%s: %d of %d started %d times and ended %d times (lost %v)", b.name, i, len(b.tasks), s, e, b.dead), b.log)
		}
	}
}

// history is what ran; nil where nothing was to be left behind.
func (b *batch) history() (*history, error) {
	switch b.name {
	case "no effects":
		return nil, nil
	case "ledger":
		h, err := ledger(b.file).read()
		return &h, err
	}
	text, err := os.ReadFile(b.file)
	if err != nil {
		return nil, err
	}
	h := history{started: map[int]int{}, ended: map[int]int{}}
	for i := range len(text) / 2 {
		h.started[i], h.ended[i] = int(text[2*i]), int(text[2*i+1])
	}
	return &h, nil
}
