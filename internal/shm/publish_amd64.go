//go:build !race

package shm

// publish stores v where others see it after all that was stored before. On this architecture all stores are seen in the order in which they are made,
// so that a plain one will do. An atomic one would wait, besides, until it has been seen, which takes longer than all else that Publish does. Whoever needs that
// has it from the next Claim.
//
//go:norace
func publish(word *uint64, v uint64) { *word = v }
