// Command minimal is as little as a program with a pool can be, for what is measured of whole processes: how fast they start, and how much
// memory they take. Package peers builds and runs it. It reads a command a line from standard input and answers each with a line of
// integers:
//
//	start N        starts a pool of N workers, has one task done, closes it: nanoseconds to the first result, nanoseconds to close
//	bare N         starts N processes of this program without a pool, at the same time, until each has reached main and written a byte:
//	               nanoseconds
//	memory N       private bytes of a worker, on average: when New has returned, and idle after N tiny tasks and a second
//	stream N       resident bytes after Streams of 1 M items, and the most that a Stream of N items more has made of it
package main
