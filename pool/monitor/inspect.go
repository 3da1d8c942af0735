package monitor

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/procpool/procpool/pool"
)

const (
	maxInspections = 4
	maxProfile     = time.Minute
	askTime        = 10 * time.Second // what a worker has to answer, beside the time that the profile takes
)

var profileKinds = []string{"cpu", "heap", "allocs", "goroutine", "threadcreate", "block", "mutex"}

// slot reads which worker is meant, and answers if there is none.
func (h *handler) slot(w http.ResponseWriter, r *http.Request) (info pool.WorkerInfo, ok bool) {
	slot, err := strconv.Atoi(r.PathValue("slot"))
	if err != nil || slot < 0 {
		fail(w, http.StatusBadRequest, "%q is not the number of a slot", head(r.PathValue("slot"), 40))
		return info, false
	}
	all := h.src.Workers()
	i := slices.IndexFunc(all, func(w pool.WorkerInfo) bool { return w.Slot == slot })
	if i < 0 || all[i].PID == 0 {
		fail(w, http.StatusNotFound, "slot %d has no process now", slot)
		return info, false
	}
	return all[i], true
}

// inspection admits a question to a worker.
func (h *handler) inspection(w http.ResponseWriter, r *http.Request) (info pool.WorkerInfo, ok bool) {
	if isForeign(r) {
		fail(w, http.StatusForbidden, "a page of another site may not have workers work")
		return info, false
	}
	if info, ok = h.slot(w, r); !ok {
		return info, false
	}
	return info, h.inspections.take(w, "questions to workers")
}

func (h *handler) goroutines(w http.ResponseWriter, r *http.Request) {
	info, ok := h.inspection(w, r)
	if !ok {
		return
	}
	defer h.inspections.leave()
	ctx, cancel := within(r, askTime)
	defer cancel()
	dump, err := h.src.Goroutines(ctx, info.Slot)
	if err != nil {
		refuse(w, err)
		return
	}
	extend(w, askTime)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, dump) // whoever asked may have gone
}

// profile sends a profile as a file.
func (h *handler) profile(w http.ResponseWriter, r *http.Request) {
	kind, d, err := profileWanted(r)
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	info, ok := h.inspection(w, r)
	if !ok {
		return
	}
	defer h.inspections.leave()
	extend(w, d+2*askTime)
	ctx, cancel := within(r, d+askTime)
	defer cancel()
	data, err := h.src.Profile(ctx, info.Slot, kind, d)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-slot%d-pid%d.pb.gz"`, kind, info.Slot, info.PID))
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // whoever asked may have gone
}

func profileWanted(r *http.Request) (kind string, d time.Duration, err error) {
	query := r.URL.Query()
	kind = query.Get("kind")
	if kind == "" {
		kind = "cpu"
	}
	if !slices.Contains(profileKinds, kind) {
		return "", 0, fmt.Errorf("kind=%s: want one of %v", head(kind, 40), profileKinds)
	}
	if kind != "cpu" {
		return kind, 0, nil
	}
	text := query.Get("seconds")
	if text == "" {
		text = "5"
	}
	seconds, err := strconv.ParseFloat(text, 64)
	d = time.Duration(seconds * float64(time.Second))
	if err != nil || !(seconds > 0 && seconds <= maxProfile.Seconds()) || d <= 0 {
		return "", 0, fmt.Errorf("seconds=%s: want more than 0, and at most %.0f", head(text, 40), maxProfile.Seconds())
	}
	return kind, d, nil
}

// kill ends the process of a slot, if it is still the one that is meant.
func (h *handler) kill(w http.ResponseWriter, r *http.Request) {
	if !h.canKill {
		fail(w, http.StatusForbidden, "this is read-only: workers can be killed where the program says monitor.Handler(p, monitor.AllowKill())")
		return
	}
	if isForeign(r) {
		fail(w, http.StatusForbidden, "a page of another site may not kill workers")
		return
	}
	text := r.URL.Query().Get("pid")
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 {
		fail(w, http.StatusBadRequest, "pid=%s: want the process ID of the worker that is meant, as in kill?pid=4711", head(text, 40))
		return
	}
	info, ok := h.slot(w, r)
	if !ok {
		return
	}
	if info.PID != pid {
		fail(w, http.StatusConflict, "slot %d has process %d by now, not %d", info.Slot, info.PID, pid)
		return
	}
	if err := h.src.KillWorker(info.Slot, pid); err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]int{"slot": info.Slot, "pid": pid})
}

// refuse tells why the pool did not do what was asked for.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway // the worker could not
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		status = http.StatusNotImplemented
	case errors.Is(err, pool.ErrClosed):
		status = http.StatusGone
	case isLate(err):
		status = http.StatusGatewayTimeout
	}
	fail(w, status, "%s", head(oneLine(err.Error()), maxError))
}
