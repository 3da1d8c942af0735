package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/internal/shm"
	"github.com/procpool/procpool/wire"
)

func TestTheUsualTimeIsNotThatOfTheRareLongTask(t *testing.T) {
	s := &speed{}
	s.add(0, 20) // the clock was not read
	require.Zero(t, s.usual)
	s.add(5*time.Millisecond, 1)
	require.Equal(t, 5*time.Millisecond, s.usual, "all that is known")
	s.add(10*time.Microsecond, 1)
	require.Equal(t, 10*time.Microsecond, s.usual, "the first call of a function often takes long")
	for range 100 {
		s.add(950*time.Microsecond, 95)
	}
	for range 3 {
		s.add(500*time.Millisecond, 1)
		require.Equal(t, 10*time.Microsecond, s.usual)
	}
}

func TestTheUsualTimeFollowsWithinAFewTasks(t *testing.T) {
	s := &speed{}
	for range 100 {
		s.add(time.Millisecond, 4096)
	}
	for range 5 { // a frame is one task now
		s.add(10*time.Millisecond, 1)
	}
	require.Equal(t, 10*time.Millisecond, s.usual)
	for range 5 {
		s.add(time.Microsecond, 1)
	}
	require.Equal(t, time.Microsecond, s.usual)
}

func TestAHoarderHasMoreThanTheTaskThatItRuns(t *testing.T) {
	h := &hoarders{}
	procs := make([]*proc, 4)
	for i := range procs {
		procs[i] = &proc{inflight: []*batch{{limit: 2, got: 0}}}
		h.note(procs[i])
		h.note(procs[i])
	}
	require.Len(t, h.all, 4)
	procs[1].inflight[0].got = 1
	h.note(procs[1])
	h.drop(procs[3])
	h.drop(procs[3])
	require.ElementsMatch(t, []*proc{procs[0], procs[2]}, h.all)
	procs[1].inflight = append(procs[1].inflight, &batch{limit: 1})
	h.note(procs[1])
	for i, p := range h.all {
		require.Equal(t, i+1, p.hoard)
	}
	for _, p := range procs {
		p.inflight = nil
		h.note(p)
	}
	require.Empty(t, h.all)
}

// newTestProc has batches of a function that usually takes so long, and a page that says how many of each it has begun.
func newTestProc(usual time.Duration, tasks int) *proc {
	c := &core{speeds: map[string]*speed{"f": {usual: usual}}, cfg: &config{}}
	j := &job{core: c}
	j.at.queue = &c.queue
	return &proc{
		core: c, slot: &slot{core: c}, quota: -1, heard: time.Now(), page: shm.NewLocal(),
		inflight: []*batch{{from: j, limit: tasks, n: tasks, head: wire.TasksHead{Func: "f"}}},
	}
}

func TestAWorkerHasWorkForTwoMillisecondsBeforeIt(t *testing.T) {
	require.True(t, newTestProc(100*time.Microsecond, 14).roomLocked())
	require.False(t, newTestProc(100*time.Microsecond, 16).roomLocked())
	require.False(t, newTestProc(0, 1).roomLocked(), "nobody knows how long it takes")
	p := newTestProc(100*time.Microsecond, 1)
	p.heard = time.Now().Add(-time.Minute)
	require.False(t, p.roomLocked(), "what it runs takes longer than that")
}

func TestOneTaskIsLeftToAWorkerThatRunsNone(t *testing.T) {
	p := newTestProc(100*time.Microsecond, 10)
	p.page.Arm(0, 10)
	n, usual := p.spareLocked()
	require.Equal(t, 9, n)
	require.Equal(t, 900*time.Microsecond, usual)
	claims := p.page.Claimer(0)
	for range 3 {
		claims.Claim()
	}
	p.inflight[0].got = 2
	n, usual = p.spareLocked()
	require.Equal(t, 7, n)
	require.Equal(t, 700*time.Microsecond, usual)
	p.inflight[0].from.place().queue = &p.slot.keyed
	n, _ = p.spareLocked()
	require.Zero(t, n, "what has to run there stays there")
}

// The page is the worker's word. It may claim that nothing has begun, or that there was nothing to begin, of a batch half of which is answered.
func TestWhatIsAnsweredNeverComesBackWhateverThePageSays(t *testing.T) {
	for name, take := range map[string]func(p *proc, b *batch){
		"recall": func(p *proc, b *batch) { p.recallLocked(b, b.got) },
		"cancel": func(p *proc, b *batch) { p.recallLocked(b, b.got+1) },
		"steal":  func(p *proc, _ *batch) { p.takeSpareLocked(10) },
		"death":  func(p *proc, _ *batch) { p.accountLocked() },
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestProc(100*time.Microsecond, 10) // and a page that knows nothing of it
			b := p.inflight[0]
			b.got = 5
			b.body = make([]byte, 10) // ten empty items
			take(p, b)
			for _, c := range b.from.(*job).chunks {
				require.GreaterOrEqual(t, c.first, 5, "the first that came back")
			}
			require.GreaterOrEqual(t, b.limit, 5)
		})
	}
}

func TestTheConsumerOfACalmJobIsWokenWhenThereIsSomethingToDo(t *testing.T) {
	rests := func(change func(*job)) bool {
		j := &job{calm: true, fed: 100, answered: 50, complete: true, gathered: 100}
		change(j)
		return j.restsLocked()
	}
	require.True(t, rests(func(*job) {}))
	require.False(t, rests(func(j *job) { j.calm = false }), "somebody sees each result")
	require.False(t, rests(func(j *job) { j.gathered = gatherBytes }), "there is much to decode")
	require.False(t, rests(func(j *job) { j.complete = false }), "more is to be fed")
	require.True(t, rests(func(j *job) { j.complete = false; j.fed = mapAhead }), "workers have enough")
}
