// Package floor is what a pool of processes is measured against: the same exchange between two processes by bare system calls, with
// nothing around them. Nothing of the pool is in it, and nothing of it is in the pool.
//
// A program that measures calls Main first thing after worker.Main, and then Start, which runs this program once more as the child of an
// exchange:
//
//	Echo     reads a message whole and writes it back. Of 16 bytes it is the ping-pong, the least that a round trip between two processes
//	         takes; of many it is what pipes carry. Only reads and writes that block: the runtime's poller costs a round trip more.
//	Batches  decodes, computes and encodes batches of integers with msgpack/v5: what a plain loop over two workers does without names,
//	         order, fairness, or anything that helps when a worker dies.
package floor
