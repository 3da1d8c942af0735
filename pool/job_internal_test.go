package pool

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// The last answer may come when a job has been given up and nobody has said why yet: what ends then does not end well.
func TestAJobWhoseLastAnswerComesAsItIsGivenUpHasFailed(t *testing.T) {
	p, err := New(t.Context(), WithInline(), WithWorkers(1))
	require.NoError(t, err)
	defer p.Close()
	c := p.core
	for name, giveUp := range map[string]func(j *job, meanwhile func()){
		"the context ends": func(j *job, meanwhile func()) {
			c.mu.Lock()
			j.giveUpLocked(context.Canceled)
			c.mu.Unlock()
			meanwhile()
			j.fail(context.Canceled)
		},
		"it is answered first": func(j *job, meanwhile func()) {
			meanwhile()
			c.withdraw(j, context.Canceled)
		},
	} {
		j, err := c.newJob(t.Context(), p, "nothing", &callConfig{}, false)
		require.NoError(t, err)
		j.fed = 1 // by a worker that has it
		j.closeInput()
		giveUp(j, func() { j.add(span{n: 1, worker: nowhere}) })
		spans, over, err := j.collect(true, nil)
		if len(spans) > 0 {
			require.NoError(t, err, name)
			continue // it was in time
		}
		require.True(t, over, name)
		require.ErrorIs(t, err, context.Canceled, "%s: nothing was delivered, and nobody says so", name)
	}
	require.Zero(t, p.Stats().Queued)
}
