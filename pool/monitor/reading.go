package monitor

import (
	"os"
	"time"

	"github.com/procpool/procpool/pool"
)

// reading is what a pool tells at one moment. Rates come from two of them.
type reading struct {
	at       time.Time
	stats    pool.Stats
	workers  []pool.WorkerInfo
	insights pool.Insights
	latency  latency
}

func read(src source) *reading {
	r := &reading{at: time.Now(), stats: src.Stats(), workers: src.Workers(), insights: src.Insights()}
	r.latency = latencyOf(r.insights.Functions)
	return r
}

// beginning is the reading of a pool that has not done anything yet.
func (r *reading) beginning() *reading { return &reading{at: r.insights.Began} }

// rates are those between two readings.
func (r *reading) rates(since *reading) Rates {
	over := r.at.Sub(since.at).Seconds()
	if over <= 0 {
		return Rates{}
	}
	a, b := &since.stats, &r.stats
	return Rates{
		Over:      over,
		Completed: float64(b.Completed-a.Completed) / over,
		Failed:    float64(b.Failed-a.Failed) / over,
		Sent:      float64(b.BytesSent-a.BytesSent) / over,
		Received:  float64(b.BytesReceived-a.BytesReceived) / over,
	}
}

// cpu is how many processors each process has kept busy since an earlier reading, by pid; nothing of one that is younger, or where the system does not tell.
func (r *reading) cpu(since *reading) map[int]float64 {
	over := r.at.Sub(since.at).Seconds()
	before := make(map[int]float64, len(since.workers))
	for i := range since.workers {
		if w := &since.workers[i]; tellsUsage(w) {
			before[w.PID] = w.CPU.Seconds()
		}
	}
	shares := make(map[int]float64, len(r.workers))
	for i := range r.workers {
		w := &r.workers[i]
		if used, known := before[w.PID]; known && tellsUsage(w) && over > 0 {
			shares[w.PID] = max(0, w.CPU.Seconds()-used) / over
		}
	}
	return shares
}

// tellsUsage reports whether the system has told what a process uses: there is none without memory.
func tellsUsage(w *pool.WorkerInfo) bool { return w.PID != 0 && w.RSS > 0 }

// point is what happened since the reading before.
func (r *reading) point(since *reading) Point {
	rates, late := r.rates(since), r.latency.since(since.latency)
	p := Point{
		Time: r.at, Completed: rates.Completed, Failed: rates.Failed,
		Queued: r.stats.Queued, Running: r.stats.Running, Busy: r.stats.Busy, Workers: r.stats.Workers,
		Mean: late.Mean, P50: late.P50, P90: late.P90, P99: late.P99,
	}
	for _, share := range r.cpu(since) {
		p.CPU += share
	}
	for _, w := range r.workers {
		p.RSS += w.RSS
	}
	return p
}

// snapshot is what is told of a reading. Rates and shares are those since another.
func (r *reading) snapshot(since *reading) *Snapshot {
	s := &Snapshot{
		Pool: r.insights.Name, PID: os.Getpid(), Began: r.insights.Began, Taken: r.at, Sampled: r.insights.Sampled,
		Queue: Queue{
			Queued: r.stats.Queued, Running: r.stats.Running, Workers: r.stats.Workers, Busy: r.stats.Busy, Spares: r.stats.Spares,
		},
		Totals: Totals{
			Submitted: r.stats.Submitted, Completed: r.stats.Completed, Failed: r.stats.Failed, Cancelled: r.stats.Cancelled,
			Retried: r.stats.Retried, Restarts: r.stats.Restarts, Recycles: r.stats.Recycles, TimedOut: r.stats.TimedOut,
			BytesSent: r.stats.BytesSent, BytesReceived: r.stats.BytesReceived,
		},
		Rates:     r.rates(since),
		Latency:   r.latency.since(since.latency),
		Workers:   r.workerList(since),
		Functions: make([]Function, 0, len(r.insights.Functions)),
		Failures:  records(r.insights.Failures),
		Slowest:   records(r.insights.Slowest),
		Advice:    append([]string{}, r.insights.Advice...),
	}
	s.Program, _ = os.Executable() // "" is all that there is to say where it is not known
	for i := range r.insights.Functions {
		s.Functions = append(s.Functions, function(&r.insights.Functions[i]))
	}
	return s
}

func (r *reading) workerList(since *reading) []Worker {
	shares := r.cpu(since)
	had := make(map[int]*pool.WorkerInsights, len(r.insights.Workers))
	for i := range r.insights.Workers {
		had[r.insights.Workers[i].Slot] = &r.insights.Workers[i]
	}
	list := make([]Worker, 0, len(r.workers))
	for i := range r.workers {
		w := r.worker(&r.workers[i], had[r.workers[i].Slot])
		if share, known := shares[w.PID]; known {
			w.CPUShare = &share
		}
		list = append(list, w)
	}
	boundSpans(list)
	return list
}

// stateEnded is that of the workers of a pool that has ended.
const stateEnded = "ended"

// atRest is a worker that was seen earlier and is no more.
func atRest(w Worker) Worker {
	w.State, w.Func, w.Index, w.TaskTime, w.Since = stateEnded, "", -1, 0, 0
	return w
}

// endedWorkers are the slots of a pool that has ended. What they did is known to the end; what only a living process tells is as it was when they were seen last.
func (r *reading) endedWorkers(seen map[int]Worker) []Worker {
	list := []Worker{}
	for i := range r.insights.Workers {
		in := &r.insights.Workers[i]
		if in.Slot < 0 || in.Processes == 0 {
			continue
		}
		w, known := seen[in.Slot]
		if !known {
			w = Worker{Slot: in.Slot, Tasks: in.Tasks, Restarts: in.Processes - 1}
		}
		w = atRest(w)
		w.spent(in)
		list = append(list, w)
	}
	boundSpans(list)
	return list
}

// worker is one process. in is what its slot has done, nil where that is not known.
func (r *reading) worker(info *pool.WorkerInfo, in *pool.WorkerInsights) Worker {
	w := Worker{
		Slot: info.Slot, PID: info.PID, State: string(info.State), Func: info.Func, Index: info.Index, TaskTime: info.TaskTime.Seconds(),
		Since: max(0, r.at.Sub(info.Since).Seconds()), Tasks: info.Tasks, Restarts: info.Restarts,
		CPU: info.CPU.Seconds(), RSS: info.RSS, Spans: []Span{},
	}
	if in != nil && info.Slot >= 0 {
		w.spent(in)
	}
	return w
}

// spent writes down what the slot has done.
func (w *Worker) spent(in *pool.WorkerInsights) {
	w.Time = WorkerTime{
		Start: in.Start.Seconds(), Init: in.Init.Seconds(), Working: in.Working.Seconds(),
		Waiting: in.Waiting.Seconds(), Idle: in.Idle.Seconds(), Exit: in.Exit.Seconds(),
	}
	w.Spans = make([]Span, 0, len(in.Spans))
	for _, s := range in.Spans {
		w.Spans = append(w.Spans, Span{Func: s.Func, Index: s.Index, Tasks: s.Tasks, Failed: s.Failed, Began: s.Began, Ended: s.Ended})
	}
}

// maxSpans bounds the spans in a snapshot: a pool of many workers shows fewer of each.
const maxSpans = 2048

func boundSpans(list []Worker) {
	each := maxSpans / max(1, len(list))
	for i := range list {
		list[i].Spans = list[i].Spans[max(0, len(list[i].Spans)-each):]
	}
}

func function(f *pool.FuncInsights) Function {
	return Function{
		Func: f.Func, Tasks: f.Tasks, Failed: f.Failed, Exec: f.Exec.Seconds(),
		Queue: spread(f.Queue), Run: spread(f.Run), Transfer: spread(f.Transfer),
		Stages: stages(&f.Stages, f.Samples), Samples: f.Samples, ArgBytes: f.ArgBytes, ResBytes: f.ResultBytes,
	}
}

func spread(d pool.Distribution) Spread {
	return Spread{
		Count: d.Count, Mean: d.Mean.Seconds(), P50: d.P50.Seconds(), P90: d.P90.Seconds(), P99: d.P99.Seconds(), Max: d.Max.Seconds(),
	}
}

// stages are a task's way, in its order.
func stages(t *pool.Timing, samples int) map[string]float64 {
	if samples == 0 {
		return map[string]float64{}
	}
	return map[string]float64{
		"EncodeArg": t.EncodeArg.Seconds(), "Queued": t.Queued.Seconds(), "Write": t.Write.Seconds(), "Pipe": t.Pipe.Seconds(),
		"Waiting": t.Waiting.Seconds(), "DecodeArg": t.DecodeArg.Seconds(), "Run": t.Run.Seconds(), "EncodeResult": t.EncodeResult.Seconds(),
		"Held": t.Held.Seconds(), "Return": t.Return.Seconds(), "Pickup": t.Pickup.Seconds(), "DecodeResult": t.DecodeResult.Seconds(),
	}
}
