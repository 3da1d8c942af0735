package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// refresh is how often the bar is drawn and told how far the run is. To tell it of every
// item would cost a channel operation each.
const refresh = 100 * time.Millisecond

// progress is the bar on a terminal. A nil *progress shows nothing.
type progress struct {
	console *console
	bars    *mpb.Progress
	bar     *mpb.Bar
	started time.Time
	done    atomic.Int64
	failed  atomic.Int64
	total   atomic.Int64 // zero while unknown

	stopped chan struct{}
	told    sync.WaitGroup // tell
}

// startProgress shows a bar, unless standard error is not a terminal.
func startProgress(c *console, title string) *progress {
	if !c.terminal {
		return nil
	}
	p := &progress{console: c, started: time.Now(), stopped: make(chan struct{})}
	p.bars = mpb.New(mpb.WithOutput(c.w), mpb.WithRefreshRate(refresh))
	// A total of zero keeps the bar from ending by itself: only stop ends it.
	p.bar = p.bars.AddBar(0,
		mpb.PrependDecorators(decor.Name(title+" ")),
		mpb.AppendDecorators(decor.Any(p.text)),
	)
	c.mu.Lock()
	c.bars = p.bars
	c.mu.Unlock()
	p.told.Go(p.tell)
	return p
}

// tell keeps the bar up to date until stop.
func (p *progress) tell() {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.bar.SetTotal(p.total.Load(), false)
			p.bar.SetCurrent(p.done.Load())
		case <-p.stopped:
			return
		}
	}
}

// setTotal tells how many items there will be.
func (p *progress) setTotal(n int) {
	if p != nil {
		p.total.Store(int64(n))
	}
}

// add counts an item.
func (p *progress) add(failed bool) {
	if p == nil {
		return
	}
	p.done.Add(1)
	if failed {
		p.failed.Add(1)
	}
}

// stop removes the bar.
func (p *progress) stop() {
	if p == nil {
		return
	}
	close(p.stopped)
	p.told.Wait()
	p.bar.Abort(true)
	p.bars.Wait()
	p.console.mu.Lock()
	p.console.bars = nil
	p.console.mu.Unlock()
}

// text is what stands right of the bar.
func (p *progress) text(decor.Statistics) string {
	return progressText(p.done.Load(), p.total.Load(), p.failed.Load(), time.Since(p.started))
}

func progressText(done, total, failed int64, elapsed time.Duration) string {
	text := " " + thousands(done)
	if total > 0 {
		text += " / " + thousands(total)
	}
	if failed > 0 {
		text += fmt.Sprintf(", %s failed", thousands(failed))
	}
	if done == 0 || elapsed < time.Second {
		return text
	}
	text += fmt.Sprintf(", %s/s", thousands(int64(float64(done)/elapsed.Seconds())))
	if left := total - done; left > 0 {
		eta := time.Duration(float64(elapsed) / float64(done) * float64(left))
		text += fmt.Sprintf(", %s left", eta.Round(time.Second))
	}
	return text
}
