package monitor

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
	"weak"

	"github.com/procpool/procpool/pool"
)

// socketHandler answers on a socket. It holds the pool only while it answers.
func socketHandler(p weak.Pointer[pool.Pool]) http.Handler {
	mux := http.NewServeMux()
	w := &watched{pool: p}
	mux.HandleFunc("GET /snapshot", w.snapshot)
	mux.HandleFunc("GET /events", w.events)
	mux.HandleFunc("GET /workers/{slot}/goroutines", w.goroutines)
	mux.HandleFunc("GET /workers/{slot}/profile", w.profile)
	mux.HandleFunc("POST /workers/{slot}/kill", w.kill)
	return mux
}

type watched struct {
	pool weak.Pointer[pool.Pool]
}

func (h *watched) take() (s Snapshot, ok bool) {
	p := h.pool.Value()
	if p == nil {
		return s, false
	}
	stats, in := p.Stats(), p.Insights()
	exe, _ := os.Executable()
	s = Snapshot{
		Pool: in.Name, Program: exe, PID: os.Getpid(), Began: in.Began, Taken: time.Now(),
		Queue:  Queue{Queued: stats.Queued, Running: stats.Running, Workers: stats.Workers, Busy: stats.Busy, Spares: stats.Spares},
		Totals: Totals{Submitted: stats.Submitted, Completed: stats.Completed, Failed: stats.Failed, Cancelled: stats.Cancelled, Retried: stats.Retried, Restarts: stats.Restarts, Recycles: stats.Recycles, TimedOut: stats.TimedOut, BytesSent: stats.BytesSent, BytesReceived: stats.BytesReceived},
		Advice: in.Advice,
	}
	for _, w := range p.Workers() {
		s.Workers = append(s.Workers, Worker{Slot: w.Slot, PID: w.PID, State: string(w.State), Func: w.Func, Index: -1, Tasks: w.Tasks, Restarts: w.Restarts, CPU: w.CPU.Seconds(), RSS: w.RSS, Since: time.Since(w.Since).Seconds()})
	}
	return s, true
}

func (h *watched) snapshot(w http.ResponseWriter, _ *http.Request) {
	s, ok := h.take()
	if !ok {
		http.Error(w, "the pool has ended", http.StatusGone)
		return
	}
	_ = json.NewEncoder(w).Encode(s)
}

func (h *watched) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		s, ok := h.take()
		if !ok {
			return
		}
		data, _ := json.Marshal(s)
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// with calls f with the pool and the slot that a request names.
func (h *watched) with(w http.ResponseWriter, r *http.Request, f func(p *pool.Pool, slot int) error) {
	p := h.pool.Value()
	slot, err := strconv.Atoi(r.PathValue("slot"))
	if err == nil && p != nil {
		err = f(p, slot)
	}
	if err != nil || p == nil {
		http.Error(w, fmt.Sprint(err), http.StatusConflict)
	}
}

func (h *watched) goroutines(w http.ResponseWriter, r *http.Request) {
	h.with(w, r, func(p *pool.Pool, slot int) error {
		text, err := p.Goroutines(r.Context(), slot)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		return err
	})
}

func (h *watched) profile(w http.ResponseWriter, r *http.Request) {
	h.with(w, r, func(p *pool.Pool, slot int) error {
		seconds, _ := strconv.ParseFloat(r.FormValue("seconds"), 64)
		data, err := p.Profile(r.Context(), slot, r.FormValue("kind"), time.Duration(seconds*float64(time.Second)))
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
}

func (h *watched) kill(w http.ResponseWriter, r *http.Request) {
	h.with(w, r, func(p *pool.Pool, slot int) error {
		pid, err := strconv.Atoi(r.FormValue("pid"))
		if err != nil {
			return err
		}
		return p.KillWorker(slot, pid)
	})
}
