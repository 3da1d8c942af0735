package main

import "strings"

// flagWords are the command's words for the options that the pool's messages name. What a message says of an option that the command does not have is left out.
var flagWords = strings.NewReplacer(
	"WithWorkers, Resize", "--workers",
	"WithMaxTasksPerWorker, WithMaxWorkerAge, WithMaxWorkerMemory", "--max-tasks, --renew-memory",
	"WithWorkers", "--workers",
	"WithMemoryLimit", "--memory",
	"WithMaxWorkerMemory", "--renew-memory",
	"WithMaxTasksPerWorker", "--max-tasks",
	"WithTaskTimeout", "--timeout",
	"WithSoftTimeout", "--soft-timeout",
	"WithRetries", "--retries",
	"WithCPUAffinity", "--affinity",
	"WithNice", "--nice",
	"Chunk(0)", "no --chunk",
	"Chunk(1)", "--chunk 1",
	" of WithMaxPayload", " allowed",
	" (WithHeartbeat)", "",
	" (WithStartTimeout)", "",
	" (WithSpare)", "",
)

// inFlags is a message of the pool as one who has typed a command line understands it.
func inFlags(message string) string { return flagWords.Replace(message) }
