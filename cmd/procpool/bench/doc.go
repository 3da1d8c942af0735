// Package bench measures what a process boundary costs on the machine that it runs on: the instrument behind "procpool bench".
//
// A section asks one question: what does a round trip cost, what a tiny task in a batch, what a large value. A section has cases
// (a batch size, a payload size), and a case has contenders: procpool, goroutines, a bare pipe, Python's pools, the encoding alone. All contenders of
// a case do the same work. They take turns, in blocks of a few milliseconds, so that whatever else the machine does
// hits all of them; what is told is the median of the blocks and the spread between them.
//
// Where procpool's time goes is measured by the pool itself (pool.Timing), in rounds of their own, because to time each task costs something too.
package bench

import "github.com/procpool/procpool/pool"

// Stages are the names of the stages of pool.Timing in their order, as the report has them.
var Stages = []string{
	"encode_arg", "queued", "write", "pipe", "waiting", "decode_arg",
	"run", "encode_result", "held", "return", "pickup", "decode_result",
}

// stagesOf are the stages of one task, in the order of Stages.
func stagesOf(t *pool.Timing) [12]float64 {
	return [12]float64{
		float64(t.EncodeArg), float64(t.Queued), float64(t.Write), float64(t.Pipe), float64(t.Waiting), float64(t.DecodeArg),
		float64(t.Run), float64(t.EncodeResult), float64(t.Held), float64(t.Return), float64(t.Pickup), float64(t.DecodeResult),
	}
}
