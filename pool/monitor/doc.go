// Package monitor shows what a pool does while it does it: as a web page, as JSON, as Prometheus metrics, and through a Unix socket to "procpool top".
//
// # The page
//
// Mount Handler in a server of yours, below any path that ends in a slash:
//
//	mux.Handle("/pool/", http.StripPrefix("/pool", monitor.Handler(p)))
//
// or let "procpool run --http 8080" do it. Below that path are
//
//	GET  /                            the page: one file each of HTML, CSS and JavaScript, and ECharts; nothing comes from elsewhere
//	GET  /snapshot                    a Snapshot, as JSON
//	GET  /events                      server-sent events: "history" with a History, then each second "snapshot" with a Snapshot, then "end" when the pool has ended
//	GET  /metrics                     metrics for Prometheus: the table below
//	GET  /workers/{slot}/goroutines   the stacks of a worker's goroutines, as text
//	GET  /workers/{slot}/profile      a profile for "go tool pprof", as a file: ?kind=cpu&seconds=5 (at most 60), or kind=heap, allocs, goroutine, threadcreate,
//	                                  block or mutex
//	POST /workers/{slot}/kill?pid=N   kills a worker, with AllowKill only
//
// Errors are JSON: {"error": "..."}. A worker that cannot be asked is told with status 501 (this kind of worker cannot), 504 (it did not answer in time) or 502, a pool that
// has ended with 410.
//
// http.Server.Shutdown waits for streams of events, which last as long as the pool does: end the pool first, or give the server a BaseContext that you
// cancel.
//
// # What it costs
//
// Nothing until somebody looks. Then one goroutine asks the pool once a second, for all who watch, which takes about half a millisecond with two workers and three with sixteen, and the
// pool samples single tasks (pool.Pool.Observe). It ends when the last
// one has left, and with the pool. A client that is slow misses snapshots, and holds nobody up. Five minutes are kept for who comes later: of the time in
// which somebody watched. At most 64 streams and 4 questions to workers are answered at a time; others get status 429.
//
// Neither Handler nor Collector holds the pool: one that its users drop is closed by the garbage collector as usual.
//
// # Security
//
// Whoever reaches the Handler reads what the pool works on: the names of functions, the beginning of arguments, error texts, what failed workers wrote to standard
// error, stacks. He can have workers profiled, which costs them time. So serve it by loopback, or behind a login of yours. It shows neither environment nor command line.
//
// Nobody can change anything, unless AllowKill says so.
//
// Other web sites cannot get at it by the browser of who may: what comes by a loopback address must be for localhost, a loopback address or a host that AllowHosts names,
// since another name may be another site's that resolves to 127.0.0.1 (DNS rebinding); requests that change something or cost something are refused where the
// browser says that a page of another site sent them (Sec-Fetch-Site, Origin). The page's Content-Security-Policy lets it load what the Handler
// serves and nothing else, and whatever the pool says is put into it as text.
//
// On loopback every user of the machine can connect. Where that matters, ask for a token, as "procpool run --http-token" does.
//
// # Metrics
//
// Collector gives them to a registry of yours. All have the label pool, with the name of the pool (pool.WithName). Durations are in seconds, sizes in bytes.
//
//	procpool_tasks_submitted_total                 counter    Tasks ever submitted.
//	procpool_tasks_total{result}                   counter    Tasks that have ended: completed, failed or cancelled.
//	procpool_task_retries_total                    counter    Tasks that were started again.
//	procpool_task_timeouts_total                   counter    Attempts that were over a time limit.
//	procpool_queued_tasks                          gauge      Tasks that no worker has.
//	procpool_running_tasks                         gauge      Tasks that a worker has and has not answered.
//	procpool_workers{state}                        gauge      Slots by state: starting, idle, busy, stopping, backoff or broken.
//	procpool_spares                                gauge      Processes that are ready to step in.
//	procpool_worker_restarts_total{reason}         counter    Processes started in the place of one that had died or was renewed.
//	procpool_worker_cpu_seconds_total{slot}        counter    CPU time of the process of a slot; from zero again when it has another one.
//	procpool_worker_resident_memory_bytes{slot}    gauge      Resident memory of the process of a slot.
//	procpool_worker_time_seconds_total{activity}   counter    How all slots together have spent their time: start, init, working, waiting, idle or exit.
//	procpool_task_queue_seconds{func}              histogram  Time of a task from its submission until it was sent to a worker.
//	procpool_task_run_seconds{func}                histogram  Time of a task in the worker.
//	procpool_task_transfer_seconds{func}           histogram  Time of a task that was neither: encoding, pipes, waiting for others of its batch, decoding.
//	procpool_function_failures_total{func}         counter    Tasks of a function that failed.
//	procpool_argument_bytes_total{func}            counter    Encoded arguments of a function.
//	procpool_result_bytes_total{func}              counter    Encoded results of a function.
//	procpool_sent_bytes_total                      counter    Bytes sent to workers, frames included.
//	procpool_received_bytes_total                  counter    Bytes received from workers, frames of results included.
//	procpool_encode_seconds_total                  counter    Time to encode the arguments of Map and GoMap.
//	procpool_decode_seconds_total                  counter    Time to decode their results.
//	procpool_shared_values                         gauge      Pieces of shared memory that the pool has.
//	procpool_shared_bytes                          gauge      Size of the shared memory that the pool has.
//	procpool_dropped_lines_total                   counter    Lines of workers' output that a writer was too slow for.
//	procpool_dropped_reports_total                 counter    Reports of tasks that a callback was too slow for.
//	procpool_start_time_seconds                    gauge      When the pool was made, in seconds since 1970.
package monitor
