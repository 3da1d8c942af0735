package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/procpool/procpool/internal/floor"
)

// noise is how steady the machine was. Nothing that is measured can be steadier.
type noise struct {
	PingPong *quantity `json:"ping_pong"` // blocks of 3000 before the first row
	Spin     *quantity `json:"spin"`      // how much longer than the fastest of them the same millisecond of work takes
	Worst    float64   `json:"spin_worst"`
	Others   float64   `json:"others"` // the share of all CPU time that other programs took during the run
	Stolen   float64   `json:"stolen"` // the share that the hypervisor took
}

func (b *bench) noise() (n noise, err error) {
	child, err := floor.StartEcho(pingSize)
	if err != nil {
		return n, err
	}
	defer child.Close()
	ping := pingSide(child)
	if err := b.alternate(b.rounds(9), ping); err != nil {
		return n, err
	}
	n.PingPong = seconds(ping.taken)
	var spins []float64
	for range 300 {
		begin := time.Now()
		_ = burn(burnsPerMillisecond())
		spins = append(spins, time.Since(begin).Seconds())
	}
	fastest, worst := spins[0], spins[0]
	for _, s := range spins {
		fastest, worst = min(fastest, s), max(worst, s)
	}
	n.Spin = summarize(scaled(spins, 1/fastest), times)
	n.Worst = worst / fastest
	return n, nil
}

// String is for the reader of the table.
func (n *noise) String() string {
	return fmt.Sprintf("ping-pong %s; a millisecond of work takes %s of the fastest, at worst %s; other programs took %.0f %% of the CPU time, the hypervisor %.1f %%",
		n.PingPong.spread(), n.Spin.spread(), times.format(n.Worst), 100*n.Others, 100*n.Stolen)
}

// usage is CPU time in seconds so far: what there was, what the hypervisor gave to others, what was used here, and what of that was ours.
type usage struct{ all, stolen, used, own float64 }

func cpuTime() (u usage) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u
	}
	const tick = 100 // in a second
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:] {
		n, _ := strconv.ParseFloat(field, 64)
		switch {
		case i >= 8: // guests, who are counted as users already
		case i == 7:
			u.stolen = n / tick
			u.all += n / tick
		default:
			u.all += n / tick
			if i != 3 && i != 4 { // idle, and idle with a disk that works
				u.used += n / tick
			}
		}
	}
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} { // the children of a row have ended by then
		var r unix.Rusage
		if unix.Getrusage(who, &r) == nil {
			u.own += time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
		}
	}
	return u
}

// since returns the shares of the hypervisor and of other programs in all CPU time since then.
func (u usage) since(then usage) (stolen, others float64) {
	all := u.all - then.all
	if all <= 0 {
		return 0, 0
	}
	return (u.stolen - then.stolen) / all, max(0, (u.used-then.used)-(u.own-then.own)) / all
}
