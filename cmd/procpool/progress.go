package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/procpool/procpool/cmd/procpool/numeral"
	"github.com/procpool/procpool/pool"
)

const (
	// refresh is how often the bar is drawn and told how far the run is. To tell it of every
	// item would cost a channel operation each.
	refresh = 100 * time.Millisecond
	// lookPeriod is how often the workers are looked at, which reads /proc for each.
	lookPeriod = time.Second
	// firstLine is when the first plain line comes. The pauses between lines grow by half, up to lastPause,
	// so that the log of a long run is no longer than it must be.
	firstLine = 3 * time.Second
	lastPause = time.Minute
)

// counts is how far a run is. Items are counted as they come, by one goroutine, and read by any.
type counts struct {
	done    atomic.Int64 // came back, failed ones among them
	failed  atomic.Int64
	skipped atomic.Int64 // left out by a filter
	total   atomic.Int64 // with the skipped ones; zero while unknown
}

// add counts an item: first as failed, so that whoever reads done first knows the failures among them.
func (c *counts) add(failed bool) {
	if failed {
		c.failed.Add(1)
	}
	c.done.Add(1)
}

// text says how far the run is after some time, and how long it may go on.
func (c *counts) text(elapsed time.Duration) string {
	done, failed, skipped, total := c.done.Load(), c.failed.Load(), c.skipped.Load(), c.total.Load()
	text := numeral.Thousands(done + skipped)
	if total > 0 {
		text += fmt.Sprintf(" / %s (%d%%)", numeral.Thousands(total), (done+skipped)*100/total)
	}
	if skipped > 0 {
		text += fmt.Sprintf(", %s skipped", numeral.Thousands(skipped))
	}
	if failed > 0 {
		text += fmt.Sprintf(", %s failed", numeral.Thousands(failed))
	}
	if done == 0 || elapsed < time.Second {
		return text
	}
	text += ", " + rate(float64(done)/elapsed.Seconds())
	if left := total - done - skipped; left > 0 {
		eta := time.Duration(float64(elapsed) / float64(done) * float64(left))
		text += fmt.Sprintf(", %s left", eta.Round(time.Second))
	}
	return text
}

// rate is a number of items a second, or a minute or an hour where that would be less than one.
func rate(perSecond float64) string {
	switch {
	case perSecond >= 10:
		return numeral.Thousands(int64(perSecond)) + "/s"
	case perSecond >= 1:
		return fmt.Sprintf("%.1f/s", perSecond)
	case perSecond*60 >= 1:
		return fmt.Sprintf("%.1f/min", perSecond*60)
	}
	return fmt.Sprintf("%.1f/h", perSecond*3600)
}

// progress shows how far a run is: a bar on a terminal, and lines elsewhere. A nil *progress shows nothing.
type progress struct {
	console *console
	title   string
	counts  *counts
	workers func() []pool.WorkerInfo
	started time.Time

	bars *mpb.Progress // of the bar; nil where lines are shown
	bar  *mpb.Bar

	mu   sync.Mutex
	line workersText // what the workers were when they were last looked at

	stopped chan struct{}
	told    sync.WaitGroup
}

// startProgress shows a bar if plain is false.
func startProgress(c *console, title string, n *counts, workers func() []pool.WorkerInfo, plain bool) *progress {
	p := &progress{console: c, title: title, counts: n, workers: workers, started: time.Now(), stopped: make(chan struct{})}
	if plain {
		p.told.Go(p.tellLines)
		return p
	}
	p.bars = mpb.New(mpb.WithOutput(c.w), mpb.WithRefreshRate(refresh))
	// A total of zero keeps the bar from ending by itself: only stop ends it.
	p.bar = p.bars.AddBar(0,
		mpb.PrependDecorators(decor.Name(title+" ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + p.text() })),
		mpb.BarBtmExtender(mpb.BarFillerFunc(p.fillWorkers)),
	)
	c.mu.Lock()
	c.bars = p.bars
	c.mu.Unlock()
	p.look()
	p.told.Go(p.tellBar)
	return p
}

// tellBar keeps the bar up to date until stop.
func (p *progress) tellBar() {
	tick, glance := time.NewTicker(refresh), time.NewTicker(lookPeriod)
	defer tick.Stop()
	defer glance.Stop()
	for {
		select {
		case <-tick.C:
			p.bar.SetTotal(p.counts.total.Load(), false)
			p.bar.SetCurrent(p.counts.done.Load() + p.counts.skipped.Load())
		case <-glance.C:
			p.look()
		case <-p.stopped:
			return
		}
	}
}

// tellLines prints a line now and then until stop.
func (p *progress) tellLines() {
	pause := firstLine
	for {
		select {
		case <-time.After(pause):
			p.look()
			p.console.say(p.plainLine())
			pause = min(pause*3/2, lastPause)
		case <-p.stopped:
			return
		}
	}
}

func (p *progress) plainLine() string {
	return fmt.Sprintf("procpool: %s: %s; %s", p.title, p.text(), p.line.summary())
}

// look looks at the workers.
func (p *progress) look() {
	line := workersText{time.Now(), p.workers()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = line
}

// fillWorkers is the line below the bar.
func (p *progress) fillWorkers(w io.Writer, st decor.Statistics) error {
	p.mu.Lock()
	line := p.line
	p.mu.Unlock()
	_, err := fmt.Fprintln(w, line.within(st.AvailableWidth))
	return err
}

// text is what stands right of the bar.
func (p *progress) text() string { return p.counts.text(time.Since(p.started)) }

// stop removes the bar, or ends the lines.
func (p *progress) stop() {
	if p == nil {
		return
	}
	close(p.stopped)
	p.told.Wait()
	if p.bar == nil {
		return
	}
	p.bar.Abort(true)
	p.bars.Wait()
	p.console.mu.Lock()
	p.console.bars = nil
	p.console.mu.Unlock()
}
