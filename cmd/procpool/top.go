package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/procpool/procpool/cmd/procpool/top"
	"github.com/procpool/procpool/internal/sockdir"
)

// howToWatch tells what makes a pool visible.
const howToWatch = `A pool can be watched if its program asks for it, with the option monitor.Socket(), or if
the program imports pool/monitor and was started with PROCPOOL_MONITOR=1. To try it:
  procpool run primes 1e10 1e10 1e10 --monitor`

// topFlags are what the command line of top says.
type topFlags struct {
	list bool
	once bool
	json bool
}

func newTop(s streams) *cobra.Command {
	f := &topFlags{}
	cmd := &cobra.Command{
		Use:   "top [PID|NAME|SOCKET]",
		Short: "Watch a running pool: its workers, tasks, rates and failures",
		Long: `top shows what a running pool of yours does, once a second: its workers, each with its state
and its task; queue, rates and latencies; what failed lately and why. Keys sort the workers,
show what a worker's goroutines do, profile it, and, after a question, kill it; ? lists them.

Without an argument it shows the only pool that there is, or lets you choose.

` + howToWatch + `

The sockets are in $XDG_RUNTIME_DIR/procpool or /tmp/procpool-UID, which only you can enter,
or in the directory that PROCPOOL_MONITOR names. Where standard output is no terminal, top prints
the pool once.`,
		Example: `  procpool top                   the only pool, or a choice
  procpool top 4711              the pool of process 4711
  procpool top primes            the pool of that name
  procpool top --list            which pools there are
  procpool top --once --json     one snapshot, for a script`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted := ""
			if len(args) > 0 {
				wanted = args[0]
			}
			return f.run(cmd.Context(), s, wanted)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&f.list, "list", "l", false, "list the pools that can be watched")
	flags.BoolVarP(&f.once, "once", "1", false, "print the pool once, as text")
	flags.BoolVarP(&f.json, "json", "j", false, "with --list or --once: print JSON")
	cmd.MarkFlagsMutuallyExclusive("list", "once")
	return cmd
}

func (f *topFlags) run(ctx context.Context, s streams, wanted string) error {
	terminal := isTerminal(s.out)
	if f.json && !f.list && !f.once && terminal {
		return errors.New("--json is for --list or --once")
	}
	pools, err := findPools(ctx, wanted)
	if err != nil {
		return err
	}
	defer closePools(pools)
	switch {
	case f.list:
		return f.printList(s.out, pools)
	case f.once || f.json || !terminal:
		return f.printOnce(s.out, pools)
	}
	if err := top.Run(ctx, s.in, s.out, pools); err != nil {
		if ctx.Err() != nil {
			return exitWith(exitInterrupted)
		}
		return broken(err)
	}
	return nil
}

// findPools are the pools that may be meant, at least one, each with a snapshot or with why there is none.
func findPools(ctx context.Context, wanted string) ([]top.Choice, error) {
	if strings.ContainsRune(wanted, filepath.Separator) {
		return onePool(ctx, wanted)
	}
	sockets, unsafe := sockdir.List(ctx)
	if len(sockets) == 0 {
		if unsafe != nil {
			return nil, broken(unsafe)
		}
		return nil, broken(errors.New("there is no pool that can be watched\n" + howToWatch))
	}
	pools := lookAt(ctx, sockets)
	if wanted == "" {
		return pools, nil
	}
	if meant := slices.DeleteFunc(slices.Clone(pools), func(c top.Choice) bool { return !isMeant(c, wanted) }); len(meant) > 0 {
		return meant, nil
	}
	return nil, broken(fmt.Errorf("there is no pool %s that can be watched, but:\n%s", quoted(clipped(wanted, 60)), top.List(pools, 100)))
}

// isMeant reports whether a pool goes by that name or is of that process.
func isMeant(c top.Choice, wanted string) bool {
	return wanted == strconv.Itoa(c.PID) || wanted == c.Name || c.Snapshot.Program != "" && wanted == filepath.Base(c.Snapshot.Program)
}

// onePool is the pool behind a socket that the user named.
func onePool(ctx context.Context, path string) ([]top.Choice, error) {
	socket, ok := sockdir.Parse(path)
	if !ok {
		socket = sockdir.Socket{Path: path, Pool: filepath.Base(path)}
	}
	pools := lookAt(ctx, []sockdir.Socket{socket})
	if err := pools[0].Err; err != nil {
		closePools(pools)
		return nil, broken(fmt.Errorf("the socket %s: %w", quoted(path), err))
	}
	return pools, nil
}

// lookAt asks all pools at once for a snapshot.
func lookAt(ctx context.Context, sockets []sockdir.Socket) []top.Choice {
	pools := make([]top.Choice, len(sockets))
	var asked sync.WaitGroup
	for i, socket := range sockets {
		asked.Go(func() {
			c := newPoolClient(socket)
			s, err := c.snapshot(ctx)
			pools[i] = top.Choice{Pool: c, Name: cmp.Or(s.Pool, printable(socket.Pool)), PID: cmp.Or(s.PID, socket.PID), Snapshot: s, Err: err}
		})
	}
	asked.Wait()
	return pools
}

func closePools(pools []top.Choice) {
	for _, c := range pools {
		c.Pool.(*poolClient).close()
	}
}

// listedPool is a pool in the output of top --list --json.
type listedPool struct {
	Pool    string `json:"pool"`
	PID     int    `json:"pid"`
	Program string `json:"program"`
	Socket  string `json:"socket"`
	Workers int    `json:"workers"`
	Busy    int    `json:"busy"`
	Error   string `json:"error,omitempty"` // why it does not tell more
}

func (f *topFlags) printList(out io.Writer, pools []top.Choice) error {
	if !f.json {
		return written(io.WriteString(out, top.List(pools, columnsOf(out, 120))))
	}
	all := []listedPool{}
	for _, c := range pools {
		p := listedPool{Pool: c.Name, PID: c.PID, Program: c.Snapshot.Program, Socket: c.Pool.(*poolClient).socket.Path, Workers: c.Snapshot.Queue.Workers, Busy: c.Snapshot.Queue.Busy}
		if c.Err != nil {
			p.Error = c.Err.Error()
		}
		all = append(all, p)
	}
	return printJSON(out, all)
}

func (f *topFlags) printOnce(out io.Writer, pools []top.Choice) error {
	if len(pools) > 1 {
		return broken(fmt.Errorf("there are %d pools; which one? Give its PID, name or socket:\n%s", len(pools), top.List(pools, 100)))
	}
	c := pools[0]
	switch {
	case c.Err != nil:
		return broken(fmt.Errorf("the pool of process %d does not answer: %w", c.PID, c.Err))
	case f.json:
		return printJSON(out, c.Snapshot)
	}
	return written(io.WriteString(out, top.Plain(c.Snapshot, columnsOf(out, 120))))
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return written(0, e.Encode(v))
}

// written is the error of a write to standard output, for the exit code.
func written(_ int, err error) error {
	if err == nil || readerIsGone(err) {
		return nil
	}
	return broken(err)
}
