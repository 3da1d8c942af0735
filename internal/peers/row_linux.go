package main

// A row is one kind of work. It yields a finding for each comparison.
type row struct {
	name string // for -run
	work string
	run  func(*bench) ([]finding, error)
}

// rows are in the order of the table of targets.
var rows = []row{
	{"call", "Call round trip of an int", onPool(callRow)},
	{"stream", "Stream of tiny tasks", onPool(streamRow)},
	{"unordered", "StreamUnordered of tiny tasks", onPool(unorderedRow)},
	{"map", "Map of 1 M ints", onPool(mapRow)},
	{"futures", "30 k Go futures", onPool(futuresRow)},
	{"records", "100 k records of six fields, mapped and returned", onPool(recordsRow)},
	{"echo1", "echo of 1 MiB []byte", onPool(echoRow(1<<20, 100))},
	{"echo16", "echo of 16 MiB []byte", onPool(echoRow(16<<20, 10))},
	{"share", "16 MiB shared once and read whole by 1000 tasks", onPool(shareRow)},
	{"blob", "a fresh Blob per call, each way, 16 MiB", onPool(blobRow)},
	{"start", "New to first result, a minimal program", startRow},
	{"skew", "skewed tasks", onPool(skewRow)},
	{"cpu", "CPU-bound tasks of 1 ms", onPool(cpuRow)},
	{"p99", "Call p99 while a Stream of tiny tasks saturates the pool", onPool(p99Row)},
	{"parent", "Stream of 10 M ints: the parent's memory above that after 1 M", parentRow},
	{"worker", "a worker's private memory, a minimal program", workerRow},
	{"many", "512 workers, a minimal program, for each worker", manyRow},
}
