package monitor

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	maxStreams = 64
	patience   = 10 * time.Second // for a client that takes nothing
)

// events sends what happens as server-sent events: history, then a snapshot each second, and end as the last one when the pool has ended.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	if isForeign(r) {
		fail(w, http.StatusForbidden, "a page of another site may not watch, nor keep others from it")
		return
	}
	if !h.streams.take(w, "event streams") {
		return
	}
	defer h.streams.leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would gather them
	w.WriteHeader(http.StatusOK)
	out := stream{w: w, control: http.NewResponseController(w)}
	watcher, past := h.watched.watch()
	defer h.watched.leave(watcher)
	if out.send("history", encode(past)) != nil {
		return
	}
	for {
		select {
		case news, more := <-watcher.news:
			if !more {
				_ = out.send("end", []byte("{}")) // it was the last that is said
				return
			}
			if out.send("snapshot", news) != nil {
				return
			}
		case <-r.Context().Done():
			h.farewell(out)
			return
		}
	}
}

// farewell tells a client that the pool has ended, if it is the server who ends the stream for that.
func (h *handler) farewell(out stream) {
	if last := h.watched.snapshot(); last.Ended && out.send("snapshot", encode(last)) == nil {
		_ = out.send("end", []byte("{}")) // as above
	}
}

// stream writes events. A client that takes none for some time is given up.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// send writes an event. The data is one line, as JSON is.
func (s stream) send(event string, data []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, data); err != nil {
		return err
	}
	return s.control.Flush()
}
