package worker

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/procpool/procpool/internal/blob"
	"github.com/procpool/procpool/internal/boot"
	"github.com/procpool/procpool/internal/proc"
	"github.com/procpool/procpool/internal/registry"
	"github.com/procpool/procpool/internal/serve"
	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

// Main is the first line of main, and of TestMain. In a worker process it serves tasks and never returns; elsewhere
// it returns at once and costs nothing. pool.New refuses to work where it was not called.
//
// In a worker it takes the protocol off standard input and output before any task can touch them, ignores SIGINT (the parent decides what Ctrl-C
// means), and removes procpool's variables from the environment.
func Main() {
	boot.SetMainCalled()
	marker, ok := boot.Current()
	if !ok {
		if err := boot.Problem(); err != nil {
			exit(err)
		}
		return
	}
	if err := serveWire(marker); err != nil {
		exit(err)
	}
	os.Exit(0)
}

// exit ends a worker that cannot serve. Nobody needs to be told that the parent is gone.
func exit(err error) {
	if errors.Is(err, serve.ErrParentGone) {
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "procpool worker: %v\n", err)
	os.Exit(serve.ExitProtocol)
}

func serveWire(marker boot.Marker) error {
	files, err := boot.Take()
	if err != nil {
		return err
	}
	page, shared, err := openPage(files)
	if err != nil {
		return err
	}
	identity, err := proc.SelfIdentity()
	if err != nil {
		return err
	}
	var link blob.Link
	if files.Blobs != nil {
		link = blob.NewLink(files.Blobs, true)
	}
	return serve.New(serve.Config{
		In: files.In, Out: files.Out, Cookie: marker.Cookie, Page: page, Shared: shared, Nudged: shared && shm.CanNudge, Link: link,
		Hello: wire.HelloBody{
			Version: wire.Version, Build: identity, PID: os.Getpid(), Functions: registry.Names(), Page: shared, Spare: true, Inspect: true,
		},
		Greeted:  boot.Settle,
		Adopted:  boot.ShowSlot,
		Trim:     giveBack,
		Welcomed: limitMemory,
	}).Run()
}

// limitMemory makes the collector work harder before the kernel's limit strikes. A lower limit that is set already (GOMEMLIMIT) stays.
func limitMemory(w wire.WelcomeBody) {
	limit := w.Memory / 10 * 9
	if limit > 0 && limit < debug.SetMemoryLimit(-1) {
		debug.SetMemoryLimit(limit)
	}
}

// trimMost is the largest heap that is collected for the sake of what it may give back: a collection costs by what is in use.
const trimMost = 16 << 20

// giveBack returns what tasks have left behind to the system. The heap of a small worker has 4 MiB before the collector begins by itself.
func giveBack() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc <= trimMost {
		debug.FreeOSMemory()
	}
}

func openPage(files boot.Files) (page *shm.Page, shared bool, err error) {
	if files.Page == nil {
		return shm.NewLocal(), false, nil
	}
	page, err = shm.Open(files.Page)
	return page, true, err
}
