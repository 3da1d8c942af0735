package pool

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/wire"
)

// Between the burial of a process that died before it was ready and the moment when its slot sees that, nobody would end what it is asked.
func TestAProcessThatIsBuriedIsNotAsked(t *testing.T) {
	c := &core{cfg: defaults(), live: map[*proc]struct{}{}}
	s := c.newSlotLocked(0, nil)
	p := &proc{core: c, slot: s, greeted: true, hello: wire.HelloBody{Inspect: true}}
	s.starting, c.slots = p, []*slot{s}
	c.live[p] = struct{}{}
	got, err := c.inspectableLocked(0)
	require.NoError(t, err)
	require.Same(t, p, got)
	delete(c.live, p)
	_, err = c.inspectableLocked(0)
	require.ErrorContains(t, err, "slot 0 has no process now: its state is starting")
}
