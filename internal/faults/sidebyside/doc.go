//go:build linux

// Command sidebyside does fifteen things to a pool that go wrong in real programs, and tells what the caller saw: the same
// fifteen as testdata/peers/faults_peer.py does to Python's own pools.
//
//	go run ./internal/faults/sidebyside           # procpool's part: a line of JSON for each fault
//	go run ./internal/faults/sidebyside -table    # both parts, as the table of the README
//
// It is written as any user of the pool would write it: it imports nothing internal but the ways to crash in C, and its workers are
// the program itself. The files:
//
//   - main.go: the flags; each fault runs in a process of its own, with a time limit
//   - faults.go: the faults, and what is asked of the pool afterwards
//   - misdeeds.go: what the workers run
//   - limits.go, heartbeat.go, memory.go: the faults that an option of the pool ends
//   - line.go: what is told of a fault
//   - table.go: the table
package main
