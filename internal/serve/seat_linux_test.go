package serve_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/wire"
)

// Whoever reads, a worker that is nudged does what one does that reads always.

func TestABusyWorkerThatIsNudgedIsCancelledPingedAndStopped(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{Nudges: true})
	for round := range 50 {
		id := p.tasks(wire.TasksHead{Func: "wait"}, []byte{0}, []byte{1})
		require.Equal(t, 0, <-began)
		if round%2 == 0 {
			p.control(wire.Ping, 0, 0)
			require.Equal(t, wire.Beat, p.frame().Kind)
		}
		p.control(wire.Cancel, id, 0)
		require.Equal(t, 1, <-began)
		p.control(wire.Cancel, id, 1)
		all, _ := p.results(2)
		for _, r := range all {
			require.Equal(t, wire.Failed, r.outcome)
		}
		p.tasks(wire.TasksHead{Func: "echo"}, []byte{7}) // read by whoever has the seat now
		all, _ = p.results(1)
		require.Equal(t, []byte{7}, all[0].value)
		if round%3 == 0 {
			p.control(wire.Ping, 0, 0) // of a worker that has nothing to do
			require.Equal(t, wire.Beat, p.frame().Kind)
		}
	}
	p.tasks(wire.TasksHead{Func: "wait"}, []byte{0})
	<-began
	p.control(wire.Stop, 0, 0)
	all, _ := p.results(1)
	require.Equal(t, wire.Failed, all[0].outcome)
	require.NoError(t, p.ended())
}

// Nudges come at any time: before the task, behind it, too many, for nothing. No frame waits for the end of a task.
func TestNoNudgeIsLost(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{Nudges: true})
	random := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		for range random.IntN(3) {
			p.page.Nudge()
		}
		id := p.tasks(wire.TasksHead{Func: "wait"}, []byte{0})
		if random.IntN(2) == 0 {
			<-began
			began <- 0
		}
		if random.IntN(4) == 0 {
			time.Sleep(time.Duration(random.IntN(50)) * time.Microsecond)
		}
		p.control(wire.Cancel, id, 0) // the task ends by nothing else
		all, _ := p.results(1)
		require.Equal(t, wire.Failed, all[0].outcome)
		<-began
	}
}

func TestManyBatchesThroughBothReadersAreAnsweredInOrder(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{Nudges: true})
	const rounds, ahead = 300, 6
	for range rounds {
		for i := range ahead {
			p.tasks(wire.TasksHead{Func: "echo"}, []byte{byte(i)}, []byte{byte(i)})
			if i%2 == 0 {
				p.page.Nudge()
			}
		}
		all, _ := p.results(2 * ahead)
		for i, r := range all {
			require.Equal(t, []byte{byte(i / 2)}, r.value)
		}
	}
}

func TestATaskThatLeavesItsGoroutineLeavesTheSeatInOrder(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{Nudges: true})
	for range 100 {
		p.tasks(wire.TasksHead{Func: "leave"}, []byte{1}, []byte{5})
		p.control(wire.Ping, 0, 0)
		beat, left := false, 2
		for !beat || left > 0 {
			f := p.frame()
			if f.Kind == wire.Beat {
				beat = true
				continue
			}
			left -= int(f.Count)
		}
	}
}

func TestTheEndOfTheInputIsNoticedByWhoeverReads(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{Nudges: true})
	p.tasks(wire.TasksHead{Func: "wait"}, []byte{0})
	<-began
	p.down.end()
	p.page.Nudge()
	require.Error(t, errors.Join(p.ended()))
}
