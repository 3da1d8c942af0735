package monitor

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/procpool/procpool/pool"
)

// metric is one name for Prometheus. The table in the package's comment is made of them.
type metric struct {
	name   string
	kind   string // counter, gauge or histogram
	labels []string
	help   string
	desc   *prometheus.Desc
}

// labelPool is on every metric, so that the pools of a program can share a registry.
const labelPool = "pool"

// metrics are all that there are.
type metrics struct {
	list []*metric
	of   map[string]*metric
}

func newMetrics(name string) *metrics {
	m := &metrics{of: map[string]*metric{}}
	for _, one := range known {
		one.desc = prometheus.NewDesc(one.name, one.help, one.labels, prometheus.Labels{labelPool: validLabel(name)})
		m.list = append(m.list, &one)
		m.of[one.name] = &one
	}
	return m
}

var known = []metric{
	{name: "procpool_tasks_submitted_total", kind: "counter", help: "Tasks ever submitted."},
	{name: "procpool_tasks_total", kind: "counter", labels: []string{"result"}, help: "Tasks that have ended: completed, failed or cancelled."},
	{name: "procpool_task_retries_total", kind: "counter", help: "Tasks that were started again."},
	{name: "procpool_task_timeouts_total", kind: "counter", help: "Attempts that were over a time limit."},
	{name: "procpool_queued_tasks", kind: "gauge", help: "Tasks that no worker has."},
	{name: "procpool_running_tasks", kind: "gauge", help: "Tasks that a worker has and has not answered."},
	{name: "procpool_workers", kind: "gauge", labels: []string{"state"}, help: "Slots by state: starting, idle, busy, stopping, backoff or broken."},
	{name: "procpool_spares", kind: "gauge", help: "Processes that are ready to step in."},
	{name: "procpool_worker_restarts_total", kind: "counter", labels: []string{"reason"}, help: "Processes started in the place of one that had died or was renewed."},
	{name: "procpool_worker_cpu_seconds_total", kind: "counter", labels: []string{"slot"}, help: "CPU time of the process of a slot; from zero again when it has another one."},
	{name: "procpool_worker_resident_memory_bytes", kind: "gauge", labels: []string{"slot"}, help: "Resident memory of the process of a slot."},
	{name: "procpool_worker_time_seconds_total", kind: "counter", labels: []string{"activity"}, help: "How all slots together have spent their time: start, init, working, waiting, idle or exit."},
	{name: "procpool_task_queue_seconds", kind: "histogram", labels: []string{"func"}, help: "Time of a task from its submission until it was sent to a worker."},
	{name: "procpool_task_run_seconds", kind: "histogram", labels: []string{"func"}, help: "Time of a task in the worker."},
	{name: "procpool_task_transfer_seconds", kind: "histogram", labels: []string{"func"}, help: "Time of a task that was neither: encoding, pipes, waiting for others of its batch, decoding."},
	{name: "procpool_function_failures_total", kind: "counter", labels: []string{"func"}, help: "Tasks of a function that failed."},
	{name: "procpool_argument_bytes_total", kind: "counter", labels: []string{"func"}, help: "Encoded arguments of a function."},
	{name: "procpool_result_bytes_total", kind: "counter", labels: []string{"func"}, help: "Encoded results of a function."},
	{name: "procpool_sent_bytes_total", kind: "counter", help: "Bytes sent to workers, frames included."},
	{name: "procpool_received_bytes_total", kind: "counter", help: "Bytes received from workers, frames of results included."},
	{name: "procpool_encode_seconds_total", kind: "counter", help: "Time to encode the arguments of Map and GoMap."},
	{name: "procpool_decode_seconds_total", kind: "counter", help: "Time to decode their results."},
	{name: "procpool_shared_values", kind: "gauge", help: "Pieces of shared memory that the pool has."},
	{name: "procpool_shared_bytes", kind: "gauge", help: "Size of the shared memory that the pool has."},
	{name: "procpool_dropped_lines_total", kind: "counter", help: "Lines of workers' output that a writer was too slow for."},
	{name: "procpool_dropped_reports_total", kind: "counter", help: "Reports of tasks that a callback was too slow for."},
	{name: "procpool_start_time_seconds", kind: "gauge", help: "When the pool was made, in seconds since 1970."},
}

// bounds are those of the histograms, in seconds.
var bounds = []float64{1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000}

// Collector makes the metrics of a pool, for a registry of your own: the table in the package's comment lists them. Pools that share a registry need names of their
// own (pool.WithName). It holds no pool; of one that was dropped it tells nothing any more.
func Collector(p *pool.Pool) prometheus.Collector { return collect(of(p)) }

type promCollector struct {
	src     source
	metrics *metrics
}

func collect(src source) *promCollector {
	return &promCollector{src: src, metrics: newMetrics(src.Insights().Name)}
}

// Describe sends what there is.
func (c *promCollector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.metrics.list {
		to <- m.desc
	}
}

// Collect looks at the pool, which takes some microseconds for each worker.
func (c *promCollector) Collect(to chan<- prometheus.Metric) {
	r := read(c.src)
	if !c.src.alive() {
		return
	}
	out := sender{c.metrics, to}
	out.totals(&r.stats)
	out.workers(r.workers)
	out.times(r.insights.Workers)
	for i := range r.insights.Functions {
		out.function(&r.insights.Functions[i])
	}
	out.send("procpool_start_time_seconds", float64(r.insights.Began.UnixMilli())/1000)
}

// sender makes metrics of figures.
type sender struct {
	metrics *metrics
	to      chan<- prometheus.Metric
}

func (s sender) send(name string, value float64, labels ...string) {
	m := s.metrics.of[name]
	kind := prometheus.CounterValue
	if m.kind == "gauge" {
		kind = prometheus.GaugeValue
	}
	s.to <- prometheus.MustNewConstMetric(m.desc, kind, value, labels...)
}

func (s sender) totals(st *pool.Stats) {
	s.send("procpool_tasks_submitted_total", float64(st.Submitted))
	s.send("procpool_tasks_total", float64(st.Completed), "completed")
	s.send("procpool_tasks_total", float64(st.Failed), "failed")
	s.send("procpool_tasks_total", float64(st.Cancelled), "cancelled")
	s.send("procpool_task_retries_total", float64(st.Retried))
	s.send("procpool_task_timeouts_total", float64(st.TimedOut))
	s.send("procpool_queued_tasks", float64(st.Queued))
	s.send("procpool_running_tasks", float64(st.Running))
	s.send("procpool_spares", float64(st.Spares))
	s.send("procpool_worker_restarts_total", float64(st.Restarts), "died")
	s.send("procpool_worker_restarts_total", float64(st.Recycles), "renewed")
	s.send("procpool_sent_bytes_total", float64(st.BytesSent))
	s.send("procpool_received_bytes_total", float64(st.BytesReceived))
	s.send("procpool_encode_seconds_total", st.EncodeTime.Seconds())
	s.send("procpool_decode_seconds_total", st.DecodeTime.Seconds())
	s.send("procpool_shared_values", float64(st.Blobs))
	s.send("procpool_shared_bytes", float64(st.BlobBytes))
	s.send("procpool_dropped_lines_total", float64(st.LinesDropped))
	s.send("procpool_dropped_reports_total", float64(st.ReportsDropped))
}

func (s sender) workers(all []pool.WorkerInfo) {
	states := map[pool.State]int{
		pool.StateStarting: 0, pool.StateIdle: 0, pool.StateBusy: 0, pool.StateStopping: 0, pool.StateBackoff: 0, pool.StateBroken: 0,
	}
	for i := range all {
		w := &all[i]
		if w.Slot < 0 {
			continue // a spare has no name of its own
		}
		states[w.State]++
		if w.PID != 0 {
			s.send("procpool_worker_cpu_seconds_total", w.CPU.Seconds(), slotName(w.Slot))
			s.send("procpool_worker_resident_memory_bytes", float64(w.RSS), slotName(w.Slot))
		}
	}
	for state, n := range states {
		s.send("procpool_workers", float64(n), string(state))
	}
}

func (s sender) times(all []pool.WorkerInsights) {
	var sum pool.WorkerInsights
	for i := range all {
		w := &all[i]
		sum.Start += w.Start
		sum.Init += w.Init
		sum.Working += w.Working
		sum.Waiting += w.Waiting
		sum.Idle += w.Idle
		sum.Exit += w.Exit
	}
	for activity, d := range map[string]time.Duration{
		"start": sum.Start, "init": sum.Init, "working": sum.Working, "waiting": sum.Waiting, "idle": sum.Idle, "exit": sum.Exit,
	} {
		s.send("procpool_worker_time_seconds_total", d.Seconds(), activity)
	}
}

func (s sender) function(f *pool.FuncInsights) {
	name := validLabel(f.Func)
	s.histogram("procpool_task_queue_seconds", &f.Queue, name)
	s.histogram("procpool_task_run_seconds", &f.Run, name)
	s.histogram("procpool_task_transfer_seconds", &f.Transfer, name)
	s.send("procpool_function_failures_total", float64(f.Failed), name)
	s.send("procpool_argument_bytes_total", float64(f.ArgBytes), name)
	s.send("procpool_result_bytes_total", float64(f.ResultBytes), name)
}

// histogram puts the fine buckets of a distribution into those of Prometheus: a fine one that a bound goes through counts above it.
func (s sender) histogram(name string, d *pool.Distribution, labels ...string) {
	counts := make(map[float64]uint64, len(bounds))
	for _, bound := range bounds {
		n := uint64(0)
		for _, b := range d.Buckets {
			if b.Below.Seconds() <= bound {
				n += uint64(b.Count)
			}
		}
		counts[bound] = n
	}
	s.to <- prometheus.MustNewConstHistogram(s.metrics.of[name].desc, uint64(d.Count), d.Mean.Seconds()*float64(d.Count), counts, labels...)
}

func slotName(slot int) string { return strconv.Itoa(slot) }

// validLabel is a function's name as Prometheus takes it.
func validLabel(name string) string { return strings.ToValidUTF8(name, ".") }
