// Command peers measures procpool beside what it is compared with, and prints the table of targets: `make bench-peers`.
//
//	go run ./internal/peers                   # every row, about three minutes on two cores
//	go run ./internal/peers -quick            # three rounds of less: does it run, and roughly what comes out
//	go run ./internal/peers -list
//	go run ./internal/peers -run 'call|echo'  # the rows whose names match
//	go run ./internal/peers -json             # all of it, for scripts
//
// How it measures:
//
//   - In a row all sides do the same work in turns, a round each, and the order rotates from round to round. A ratio is that of one round, so
//     that what slows the machine down for a while slows both; the table holds the median of the ratios and its interval of
//     confidence of 95 % (golang.org/x/perf/benchmath, no assumption about the distribution).
//   - A round before those is not counted. The collectors of both languages run before a round. In it Go's runs as it does by default, and
//     Python's not at all.
//   - Nothing is tuned on either side: no Chunk, no chunksize. There are 2 workers everywhere.
//   - Python's interpreter is up before its clock starts, and its warm pools are started by fork, the fastest way there is.
//   - Sides whose rounds would take too long do fewer operations. The work column says how many, and ratios are of the time for one.
//   - Whether a target was met is said of the median. "unclear" is added where the interval holds the target.
//
// The files: row.go and finding.go are the words, rounds.go the measuring, rows_*.go the rows, python.go, minimal.go and
// internal/floor the other processes, machine.go and noise.go what the figures are worth, table.go the output.
package main
