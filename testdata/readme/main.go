// Command lines counts the lines of files, each file in a worker process.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/worker"
)

// Functions are registered by name, in package-level variables: parent and workers are the same program.
var countLines = worker.Register("countLines", func(_ context.Context, file string) (int, error) {
	if file == "corrupt.go" {
		os.Exit(3) // as log.Fatal in a dependency would; a crash in C code costs no more
	}
	text, err := os.ReadFile(file)
	return bytes.Count(text, []byte("\n")), err
})

func main() {
	worker.Main() // serves and never returns in a worker, returns at once elsewhere

	ctx := context.Background()
	p, err := pool.New(ctx, pool.WithWorkers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	files := []string{"main.go", "missing.go", "corrupt.go", "main.go"}
	counts, err := pool.Map(ctx, p, countLines, files)
	fmt.Println(counts)

	failed, ok := errors.AsType[pool.Errors](err)
	if err != nil && !ok {
		log.Fatal(err)
	}
	for _, task := range failed {
		file := files[task.Index]
		if died, ok := errors.AsType[*pool.ExitError](task); ok {
			fmt.Println(file+": its process ended with status", died.Code)
		} else if errors.Is(task, fs.ErrNotExist) {
			fmt.Println(file + ": there is no such file")
		} else {
			fmt.Println(file+":", task)
		}
	}
}
