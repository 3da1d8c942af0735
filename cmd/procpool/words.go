package main

import (
	"errors"
	"strings"

	"github.com/procpool/procpool/pool"
)

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
	" (WithHeartbeat)", "",
	" (WithStartTimeout)", "",
	" (WithSpare)", "",
)

// inFlags is what the pool itself says, as one who has typed a command line understands it. It is not for texts that others have a part in: names of files, what a
// function returned, what a worker printed.
func inFlags(said string) string { return flagWords.Replace(said) }

// plainFailure is the text of an error in which what the pool itself says of it is in the words of the flags.
func plainFailure(err error) string {
	text := err.Error()
	if why := poolsReason(err); why != nil {
		said := why.Error()
		text = strings.Replace(text, said, inFlags(said), 1)
	}
	return text
}

// poolsReason is the part of an error that the pool has made: why it killed a worker, or why none got ready.
func poolsReason(err error) error {
	if exit, ok := errors.AsType[*pool.ExitError](err); ok {
		return exit.Err
	}
	if start, ok := errors.AsType[*pool.StartError](err); ok && start.Stage != "spawn" {
		return start.Err
	}
	return nil
}
