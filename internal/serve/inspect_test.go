package serve_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/wire"
)

// inspect asks, in the middle of whatever the worker does.
func (p *peer) inspect(id uint64, kind string, d time.Duration) {
	p.send(wire.AppendInspect(nil, id, &wire.InspectBody{Kind: kind, Time: d}))
	p.page.Nudge()
}

// finding returns the whole answer, or why there is none.
func (p *peer) finding(id uint64) (answer []byte, none string) {
	p.t.Helper()
	for {
		f := p.frame()
		if f.Kind != wire.Finding {
			require.Contains(p.t, []wire.Kind{wire.Results, wire.Started}, f.Kind)
			continue
		}
		require.Equal(p.t, id, f.ID)
		require.NoError(p.t, wire.CheckFinding(f, len(answer)))
		switch f.Arg {
		case wire.FindingNone:
			return nil, string(f.Payload)
		case wire.FindingLast:
			return append(answer, f.Payload...), ""
		}
		answer = append(answer, f.Payload...)
	}
}

func TestAnInspectIsAnsweredWhileATaskRuns(t *testing.T) {
	for _, shared := range []bool{true, false} {
		p := start(t, shared, wire.WelcomeBody{Nudges: shared})
		p.tasks(wire.TasksHead{Func: "slow"}, []byte{1})
		for i, kind := range []string{"cpu", "heap", "allocs", "goroutine", "threadcreate", "block", "mutex"} {
			p.inspect(uint64(i+1), kind, time.Millisecond)
			answer, none := p.finding(uint64(i + 1))
			require.Empty(t, none)
			z, err := gzip.NewReader(bytes.NewReader(answer))
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, z)
			require.NoError(t, err)
		}
		p.inspect(100, wire.Stacks, 0)
		answer, _ := p.finding(100)
		require.Contains(t, string(answer), "execLoop")
		slow <- struct{}{}
	}
}

func TestAnInspectThatIsWithdrawnIsCutShort(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	for id := uint64(1); id < 4; id++ {
		p.control(wire.Inspect, id, wire.InspectWithdraw) // not asked yet: ignored
		p.inspect(id, "cpu", time.Hour)
		p.control(wire.Inspect, id-1, wire.InspectWithdraw) // answered already: ignored
		p.control(wire.Inspect, id, wire.InspectWithdraw)
		p.control(wire.Inspect, id, wire.InspectWithdraw)
		_, none := p.finding(id)
		require.Empty(t, none)
	}
}

func TestAnInspectThatHasNoAnswerSaysWhy(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	p.inspect(1, "dogs", 0)
	_, none := p.finding(1)
	require.Equal(t, `there is no profile "dogs" in this program`, none)
	require.NoError(t, pprof.StartCPUProfile(io.Discard))
	p.inspect(2, "cpu", 1)
	_, none = p.finding(2)
	pprof.StopCPUProfile()
	require.Contains(t, none, "already in use")
	p.inspect(3, "cpu", 1)
	_, none = p.finding(3)
	require.Empty(t, none)
}

func TestAnInspectEndsWithTheConversation(t *testing.T) {
	for name, end := range map[string]func(*peer){
		"the parent goes": func(p *peer) { p.down.end() },
		"stop":            func(p *peer) { p.control(wire.Stop, 0, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, true, wire.WelcomeBody{})
			p.inspect(1, "cpu", time.Hour) // TestMain finds it if it does not end
			end(p)
			_ = p.ended()
			require.Eventually(t, func() bool {
				if pprof.StartCPUProfile(io.Discard) != nil {
					return false
				}
				pprof.StopCPUProfile()
				return true
			}, patience, time.Millisecond)
		})
	}
}

func TestASecondInspectOrOneThatDoesNotDecodeBreaksTheProtocol(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{})
	p.inspect(1, "cpu", time.Hour)
	p.inspect(2, "heap", 0)
	require.ErrorContains(t, p.ended(), "id=2 arg=0 count=0 length=17 while 1 is unanswered")
	p = start(t, true, wire.WelcomeBody{})
	p.send(wire.AppendControl(nil, wire.Inspect, 1, wire.InspectAsk, []byte{0x93, 1, 2, 3}))
	require.ErrorContains(t, p.ended(), "Inspect that does not decode")
}

func init() {
	register("labels", func(ctx context.Context, _ []byte) ([]byte, error) {
		// What profiles tell of this goroutine, of one that it starts, and of one with a label of its own; then what the context says.
		told := make(chan struct{})
		var started sync.WaitGroup
		started.Go(func() { <-told })
		pprof.Do(ctx, pprof.Labels("own", "x"), func(ctx context.Context) {
			started.Go(func() { <-told })
		})
		var text bytes.Buffer
		err := pprof.Lookup("goroutine").WriteTo(&text, 1)
		close(told)
		started.Wait()
		name, _ := pprof.Label(ctx, "func")
		slot, _ := pprof.Label(ctx, "slot")
		fmt.Fprintf(&text, "context: %s %s\n", name, slot)
		pprof.SetGoroutineLabels(context.Background()) // a task that spoils it for those after it
		return text.Bytes(), err
	})
}

func TestTasksHaveLabelsThatNameTheirFunctionAndTheirSlot(t *testing.T) {
	p := start(t, true, wire.WelcomeBody{Slot: -1})
	for round, slot := range []int{-1, 0, 0} {
		p.tasks(wire.TasksHead{Func: "labels"}, []byte{0})
		all, _ := p.results(1)
		text := string(all[0].value)
		want := fmt.Sprintf(`# labels: {"func":"labels", "slot":"%d"}`, slot)
		require.Equal(t, 2, strings.Count(text, want+"\n"), text) // the task, and the one that it started
		require.Equal(t, 1, strings.Count(text, fmt.Sprintf(`# labels: {"func":"labels", "own":"x", "slot":"%d"}`, slot)), text)
		require.Contains(t, text, fmt.Sprintf("context: labels %d\n", slot))
		if round == 0 {
			p.control(wire.Slot, 0, 0)
		}
	}
}
