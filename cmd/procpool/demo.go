package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// crashMark is the first line of a file at which the demo's function crashes for real.
const crashMark = "//procpool:crash-the-worker\n"

// demoFunc is gostats, but for files that begin with crashMark.
var demoFunc = worker.Register("gostats-demo", func(_ context.Context, path string) (goStats, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return goStats{}, err
	}
	if bytes.HasPrefix(src, []byte(crashMark)) {
		segfault()
	}
	return goSourceStats(src)
})

func newDemo(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Statistics of the whole Go distribution, in one process and in many, with a crash in the middle",
		Args:  noArguments,
	}
	workers := cmd.Flags().IntP("workers", "w", runtime.GOMAXPROCS(0), "`N` worker processes")
	dir := cmd.Flags().String("dir", "", "`DIR` with the Go files (default: the sources of the Go distribution)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d := &demo{streams: s, console: newConsole(s.err), workers: *workers, dir: *dir}
		if d.workers < 1 {
			return fmt.Errorf("--workers %d: must be at least 1", d.workers)
		}
		err := d.run(cmd.Context())
		switch {
		case err == nil:
			return nil
		case cmd.Context().Err() != nil:
			return &coded{code: exitInterrupted, err: errors.New("interrupted")}
		}
		return broken(err)
	}
	return cmd
}

// demo shows the same job twice, on real input, and says what came of it. All its figures
// are from the run itself.
type demo struct {
	streams
	console *console
	workers int
	dir     string

	files []string
	bytes int64
}

func (d *demo) run(ctx context.Context) error {
	if err := d.find(ctx); err != nil {
		return err
	}
	crasher, remove, err := writeCrasher()
	if err != nil {
		return err
	}
	defer remove()

	d.printf("procpool demo: lines, functions and complexity of every Go file below %s\n", printable(d.dir))
	d.printf("%s %s/%s, %s, %s files, %s\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, numeral.Of(runtime.NumCPU(), "CPU"), numeral.Thousands(int64(len(d.files))), byteSize(d.bytes))

	d.printf("1. in one process, one file after the other ... ")
	one, err := d.lap(ctx, "one process", d.files, pool.WithInline(), pool.WithWorkers(1))
	if err != nil {
		return err
	}
	d.printf("%s\n", seconds(one.wall))

	d.printf("2. in %s, with one more file in the middle that kills its worker ... ", numeral.Of(d.workers, "worker process"))
	middle := slices.Insert(slices.Clone(d.files), len(d.files)/2, crasher)
	many, err := d.lap(ctx, numeral.Of(d.workers, "worker"), middle, pool.WithWorkers(d.workers))
	if err != nil {
		return err
	}
	d.printf("%s\n\n", seconds(many.wall))

	d.printf("%s\n\n%s\n", many.sums.text(), d.failures(many))
	d.printf("%s\n", d.comparison(one, many))
	return verify(one, many, crasher)
}

func (d *demo) printf(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

// find lists the files and reads each once, so that neither lap waits for the disk and the
// other not.
func (d *demo) find(ctx context.Context) error {
	if d.dir == "" {
		root, err := goRoot(ctx)
		if err != nil {
			return err
		}
		d.dir = filepath.Join(root, "src")
	}
	for path := range walk(d.dir, []string{".go"}) {
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		d.files = append(d.files, path)
		d.bytes += int64(len(src))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if len(d.files) == 0 {
		return fmt.Errorf("there are no Go files below %s", quoted(d.dir))
	}
	return nil
}

// goRoot is where the Go distribution is installed.
func goRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	root := strings.TrimSpace(string(out))
	if err != nil || root == "" {
		return "", errors.Join(errors.New("no Go distribution found; name a directory with --dir"), err)
	}
	return root, nil
}

// writeCrasher makes the file that kills its worker.
func writeCrasher() (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "procpool-demo-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "crash.go")
	if err := os.WriteFile(path, []byte(crashMark+"\npackage crash\n"), 0o600); err != nil {
		_ = os.RemoveAll(dir)
		return "", nil, err
	}
	return path, func() { _ = os.RemoveAll(dir) }, nil
}

// lap is one run over the files.
type lap struct {
	tally
	sums    *goTotals
	deaths  []outcome // the worker died
	unfit   []outcome // the file does not parse
	others  []outcome // failed in any other way
	stats   pool.Stats
	workers []pool.WorkerInfo // at the end
}

func (d *demo) lap(ctx context.Context, title string, files []string, opts ...pool.Option) (*lap, error) {
	l := &lap{sums: newGoTotals()}
	l.sums.below = d.dir
	watch := startWatch()
	opts = append(opts, pool.WithLogger(hclog.NewNullLogger()), pool.WithStdout(d.console), pool.WithStderr(d.console))
	p, err := pool.New(ctx, opts...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()

	var n counts
	n.total.Store(int64(len(files)))
	if d.console.terminal {
		defer startProgress(d.console, title, &n, p.Workers, false).stop()
	}
	path := func(it item) (string, error) { return it.name, nil }
	for o := range feed(ctx, p, demoFunc, d.items(files), path, nil) {
		if o.item.index < 0 {
			return nil, o.err
		}
		n.add(o.err != nil)
		l.add(o)
	}
	l.wall = watch()
	l.workers = p.Workers()
	err = p.Shutdown(ctx)
	l.stats = p.Stats()
	return l, err
}

func (d *demo) items(files []string) iter.Seq[item] {
	return func(yield func(item) bool) {
		for i, path := range files {
			if !yield(item{index: i, name: path, root: d.dir}) {
				return
			}
		}
	}
}

func (l *lap) add(o outcome) {
	l.tally.add(o)
	var exit *pool.ExitError
	switch {
	case o.err == nil:
		l.sums.add(o.item, o.value.(goStats))
	case errors.As(o.err, &exit):
		l.deaths = append(l.deaths, o)
	case errors.Is(o.err, errNotGo):
		l.unfit = append(l.unfit, o)
	default:
		l.others = append(l.others, o)
	}
}

// failures tells of each worker that died, and briefly of the rest.
func (d *demo) failures(l *lap) string {
	var b strings.Builder
	for _, o := range l.deaths {
		var exit *pool.ExitError
		errors.As(o.err, &exit)
		fmt.Fprintf(&b, "A worker died under %s:\n", o.item.label())
		fmt.Fprintf(&b, "  %s\n", printable(o.err.Error()))
		fmt.Fprintf(&b, "  reason: %s; slot %d had pid %d and %s.\n", exit.Reason, o.slot, o.pid, l.successor(o.slot))
		fmt.Fprintf(&b, "  No other file noticed: %s of %s have an answer of their own.\n", numeral.Thousands(int64(l.items-len(l.deaths))), numeral.Thousands(int64(l.items)))
	}
	if n := len(l.unfit); n > 0 {
		fmt.Fprintf(&b, "%s cannot be parsed; %d of %d in a testdata directory, broken on purpose to test compilers.\n", numeral.Of(n, "file"), inTestdata(l.unfit), n)
	}
	for _, o := range l.others {
		fmt.Fprintln(&b, printable(o.complaint()))
	}
	return b.String()
}

func inTestdata(outcomes []outcome) int {
	n := 0
	for _, o := range outcomes {
		if slices.Contains(strings.Split(filepath.ToSlash(o.item.name), "/"), "testdata") {
			n++
		}
	}
	return n
}

// successor is the process that has the slot at the end, in words.
func (l *lap) successor(slot int) string {
	for _, w := range l.workers {
		if w.Slot == slot && w.PID != 0 {
			return fmt.Sprintf("has pid %d now", w.PID)
		}
	}
	return "gets a new worker when there is work for it"
}

// comparison is both laps side by side.
func (d *demo) comparison(one, many *lap) string {
	w := newTable("", "one process", numeral.Of(d.workers, "worker"))
	row := func(name string, show func(*lap) string) { w.AppendRow(table.Row{name, show(one), show(many)}) }
	row("files", func(l *lap) string { return numeral.Thousands(int64(l.items)) })
	row("wall time", func(l *lap) string { return seconds(l.wall) })
	row("time in tasks", func(l *lap) string { return seconds(l.exec) })
	row("files per second", func(l *lap) string { return numeral.Thousands(int64(float64(l.items) / l.wall.Seconds())) })
	row("sent to the workers", func(l *lap) string { return byteSize(l.stats.BytesSent) })
	row("received from them", func(l *lap) string { return byteSize(l.stats.BytesReceived) })
	row("workers restarted", func(l *lap) string { return numeral.Thousands(int64(l.stats.Restarts)) })
	w.AppendFooter(table.Row{"speed-up", "1.00 x", fmt.Sprintf("%.2f x", one.wall.Seconds()/many.wall.Seconds())})
	return w.Render()
}

// verify is an error unless the demo showed what it says it shows.
func verify(one, many *lap, crasher string) error {
	switch {
	case one.sums.all != many.sums.all:
		return fmt.Errorf("the two runs differ: %+v in one process, %+v in workers", one.sums.all, many.sums.all)
	case len(one.unfit) != len(many.unfit):
		return fmt.Errorf("the two runs differ: %d and %d files do not parse", len(one.unfit), len(many.unfit))
	case len(many.deaths) != 1 || many.deaths[0].item.name != crasher:
		return fmt.Errorf("%d files cost a worker its life, and not just %s", len(many.deaths), crasher)
	case len(one.deaths)+len(one.others)+len(many.others) > 0:
		return fmt.Errorf("%d files failed for other reasons", len(one.deaths)+len(one.others)+len(many.others))
	}
	return nil
}
