package monitor

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	tick      = time.Second
	linger    = 5 * time.Second        // after the last who asked, so that one who asks again and again sees rates
	freshness = 100 * time.Millisecond // nobody gets the pool to be asked more often
	maxPoints = 300
	lookBack  = 3 // ticks that rates are taken over
)

// collector looks at a pool once a second while anybody watches, and lets many watch at the price of one. Its goroutine, run, is started by the first who does; it
// ends when nobody has watched for a while, and with the pool.
type collector struct {
	src      source
	readOnly bool

	// mu guards what follows. It is held while the pool is looked at, never while something waits.
	mu       sync.Mutex
	readings []*reading // one a tick, oldest first, at most lookBack+1
	history  []Point
	last     *Snapshot
	seen     map[int]Worker // by slot: as each was when it was seen last, so that the end of a pool shows what there was
	watchers map[*watcher]struct{}
	asked    time.Time // when somebody wanted a single snapshot
	running  bool      // run is
}

// watcher is one who watches.
type watcher struct {
	// news is the latest snapshot as JSON, if he has not taken it yet. It has a place for one: who is slow misses some, and nobody waits for him. It is closed when the
	// pool has ended, after the last one.
	news chan []byte
}

func newCollector(src source, readOnly bool) *collector {
	return &collector{src: src, readOnly: readOnly, watchers: map[*watcher]struct{}{}, seen: map[int]Worker{}}
}

// watch gives w what comes until it is told to leave. It returns what was before.
func (c *collector) watch() (w *watcher, past History) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w = &watcher{news: make(chan []byte, 1)}
	c.lookLocked(freshness)
	past = History{Points: append([]Point{}, c.history...)}
	w.news <- encode(c.last)
	if c.last.Ended {
		close(w.news)
		return w, past
	}
	c.watchers[w] = struct{}{}
	c.startLocked()
	return w, past
}

// leave ends what watch began.
func (c *collector) leave(w *watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.watchers, w)
}

// snapshot is the pool as it is now, or was a moment ago.
func (c *collector) snapshot() *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookLocked(freshness)
	c.asked = time.Now()
	c.startLocked()
	return c.last
}

func (c *collector) startLocked() {
	if !c.running && !c.last.Ended {
		c.running = true
		go c.run()
	}
}

// run is the one goroutine of a collector. As long as it runs the pool asks its workers about single tasks.
func (c *collector) run() {
	stop := c.src.Observe()
	defer stop()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-c.src.Done():
		}
		if !c.beat() {
			return
		}
	}
}

// beat looks, and tells everybody. It returns whether there is any sense in going on.
func (c *collector) beat() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.watchers) == 0 && time.Since(c.asked) > linger {
		c.running = false
		return false
	}
	c.lookLocked(0)
	if len(c.watchers) > 0 {
		news := encode(c.last)
		for w := range c.watchers {
			w.tell(news)
		}
	}
	if !c.last.Ended {
		return true
	}
	for w := range c.watchers {
		close(w.news)
	}
	clear(c.watchers)
	c.running = false
	return false
}

// tell replaces what w has not taken yet. Only the collector sends, under its mutex.
func (w *watcher) tell(news []byte) {
	select {
	case <-w.news:
	default:
	}
	w.news <- news
}

// lookLocked takes a snapshot, unless the last one is final, or young enough of a pool that has not ended since.
func (c *collector) lookLocked(age time.Duration) {
	ended := c.hasEnded() // before it is read: what is read then is final
	if c.last != nil && (c.last.Ended || !ended && time.Since(c.last.Taken) < age) {
		return
	}
	now := read(c.src)
	if !c.src.alive() { // it was collected, perhaps while it was read
		c.last = c.lastOfAll()
		return
	}
	if n := len(c.readings); n > 0 && now.at.Sub(c.readings[n-1].at) > linger {
		c.readings = nil // nobody has watched meanwhile
	}
	since := now.beginning()
	if len(c.readings) > 0 {
		since = c.readings[0]
	}
	c.last = now.snapshot(since)
	c.last.Ended, c.last.ReadOnly = ended, c.readOnly
	if ended {
		c.last.Workers = now.endedWorkers(c.seen)
	} else {
		c.rememberLocked()
	}
	c.keepLocked(now)
	if n := len(c.history); n > 0 {
		c.last.Now = c.history[n-1]
	}
}

// rememberLocked writes down how the workers are.
func (c *collector) rememberLocked() {
	for _, w := range c.last.Workers {
		if w.Slot >= 0 {
			c.seen[w.Slot] = w
		}
	}
}

// keepLocked keeps a reading that is a tick younger than the one before, and makes a point of them.
func (c *collector) keepLocked(now *reading) {
	if n := len(c.readings); n > 0 {
		before := c.readings[n-1]
		if now.at.Sub(before.at) < tick-tick/10 {
			return
		}
		c.history = append(c.history, now.point(before))
		c.history = c.history[max(0, len(c.history)-maxPoints):]
	}
	c.readings = append(c.readings, now)
	c.readings = c.readings[max(0, len(c.readings)-lookBack-1):]
}

// lastOfAll is what there was of a pool that is not there any more.
func (c *collector) lastOfAll() *Snapshot {
	final := Snapshot{Taken: time.Now(), ReadOnly: c.readOnly}
	if c.last != nil {
		final = *c.last
	}
	final.Ended, final.Queue, final.Rates, final.Workers = true, Queue{}, Rates{}, []Worker{}
	for _, slot := range slices.Sorted(maps.Keys(c.seen)) {
		final.Workers = append(final.Workers, atRest(c.seen[slot]))
	}
	return &final
}

func (c *collector) hasEnded() bool {
	select {
	case <-c.src.Done():
		return true
	default:
		return false
	}
}

// encode is a snapshot as JSON. It consists of what JSON can say.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // an infinite figure, which is a bug here
	}
	return data
}
