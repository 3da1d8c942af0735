package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheDoctorFindsPoolsHealthyAndLeavesNothing(t *testing.T) {
	r, err := Run(t.Context(), Options{Bare: bareSelf, Parent: parentSelf})
	require.NoError(t, err)
	require.Len(t, r.Findings, len(Checks()))
	for _, f := range r.Findings {
		t.Logf("%-7s %-13s %s", f.State, f.Check, f.Found)
		assert.NotEmpty(t, f.Found, f.Check)
		if f.Group == groupLive && !(underRace && f.Check == "memory-limit") {
			assert.NotEqual(t, Problem, f.State, "%s: %s", f.Check, f.Found)
		}
	}
}

func TestQuickStartsNoPool(t *testing.T) {
	r, err := Run(t.Context(), Options{Quick: true})
	require.NoError(t, err)
	for _, f := range r.Findings {
		assert.NotEqual(t, groupLive, f.Group)
	}
	assert.True(t, r.Quick)
}

func TestChecksCanBeChosen(t *testing.T) {
	var begun []string
	r, err := Run(t.Context(), Options{Only: []string{"clock", "death"}, Quick: true, Begin: func(name string) { begun = append(begun, name) }})
	require.NoError(t, err)
	require.Len(t, r.Findings, 2)
	assert.Equal(t, []string{"clock", "death"}, begun)
	assert.NotEqual(t, Problem, r.Findings[1].State, r.Findings[1].Found)

	err = (&Options{Only: []string{"clocks"}}).Check()
	assert.ErrorContains(t, err, `there is no check "clocks"; did you mean clock?`)
	err = (&Options{Only: []string{"xyzzy"}}).Check()
	assert.ErrorContains(t, err, "there are kernel, container,")
}

func TestAnInterruptEndsTheDoctor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, Options{Begin: func(name string) {
		if name == "timeout" {
			cancel()
		}
	}})
	assert.ErrorIs(t, err, context.Canceled)
}

type noFacts struct{}

// probing is a check with a probe of the test's.
func probing(probe func(context.Context, *system) (noFacts, error)) check {
	return newCheck("test", "group", "", probe, func(*system, noFacts) verdict { return verdict{state: OK, found: "fine"} })
}

func TestAProbeThatFailsPanicsOrHangsCostsItsOwnLine(t *testing.T) {
	synctest.Test(t, testProbes) // in a time that passes only when nothing else happens
}

func testProbes(t *testing.T) {
	forEver := make(chan struct{})
	checks := []check{
		probing(func(context.Context, *system) (noFacts, error) { return noFacts{}, errors.New("permission denied") }),
		probing(func(context.Context, *system) (noFacts, error) { return noFacts{}, errors.ErrUnsupported }),
		probing(func(context.Context, *system) (noFacts, error) { panic("oh") }),
		probing(func(context.Context, *system) (noFacts, error) { <-forEver; return noFacts{}, nil }).within(10 * time.Millisecond),
		probing(func(ctx context.Context, _ *system) (noFacts, error) { <-ctx.Done(); return noFacts{}, ctx.Err() }).within(50 * time.Millisecond),
		probing(func(context.Context, *system) (noFacts, error) {
			return noFacts{}, &noPoolError{text: "no fork", tried: true}
		}),
		probing(func(context.Context, *system) (noFacts, error) { return noFacts{}, &noPoolError{text: "as said"} }),
		probing(func(context.Context, *system) (noFacts, error) { return noFacts{}, nil }),
	}
	r, err := twoWorkers().report(t.Context(), checks)
	close(forEver)
	require.NoError(t, err)
	want := []struct {
		state State
		says  string
	}{
		{Note, "could not be found out: permission denied"}, {Note, "the check is for Linux"}, {Problem, "bug: the check panicked: oh"},
		{Problem, "no answer within 20ms"}, {Note, "deadline exceeded"}, {Problem, "no pool starts: no fork"}, {Note, "not tried: as said"}, {OK, "fine"},
	}
	require.Len(t, r.Findings, len(want))
	for i, w := range want {
		assert.Equal(t, w.state, r.Findings[i].State)
		assert.Contains(t, r.Findings[i].Found, w.says)
	}
	assert.Equal(t, Problem, r.State)
	assert.Equal(t, 3, r.Count(Problem))
}

func TestOneFailedStartIsEnough(t *testing.T) {
	s := twoWorkers()
	s.refusePools("no room")
	for _, c := range allChecks() {
		if c.group == groupLive {
			f := c.bounded(t.Context(), s)
			assert.Equal(t, Note, f.State, c.name)
			assert.Contains(t, f.Found, "no")
		}
	}
}

func TestNamesOfTheOutputAreStable(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks() {
		assert.False(t, seen[c.Name], c.Name)
		seen[c.Name] = true
		assert.NotEmpty(t, c.About, c.Name)
		for _, key := range c.Keys {
			assert.Regexp(t, "^[a-z][a-z0-9_]*$", key, c.Name)
		}
	}
	// Who renames one of these breaks the scripts of people.
	for _, name := range []string{
		"kernel", "container", "proc", "executable", "temp-dir", "environment", "processes", "descriptors", "life-pipe", "pidfd", "pipes", "sharing",
		"memory", "overcommit", "cgroup", "huge-pages", "landlock", "seccomp", "no-new-privs", "processors", "clock", "start-cost", "pipe-cost",
		"futex-cost", "tracing", "core-dumps", "start", "tasks", "death", "timeout", "memory-limit", "confinement", "orphans", "leftovers",
	} {
		assert.True(t, seen[name], name)
	}
	b, err := json.Marshal(Report{Findings: []Finding{{Does: "d", Improve: "i", Facts: pidfdFacts{}}}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"procpool":"","state":"","workers":0,"quick":false,"seconds":0,"findings":[
		{"check":"","group":"","state":"","found":"","does":"d","improve":"i","facts":{"reason":""}}]}`, string(b))
}

func TestFactsHaveNamesInJSON(t *testing.T) {
	for _, c := range allChecks() {
		require.Equal(t, reflect.Struct, c.facts.Kind())
		for field := range c.facts.Fields() {
			assert.NotEmpty(t, field.Tag.Get("json"), "%s.%s", c.name, field.Name)
		}
	}
}

func TestErrorsAreToldBriefly(t *testing.T) {
	assert.Equal(t, "no error", brief(nil))
	long := brief(errors.New("procpool: " + strings.Repeat("ä", 500) + "\nmore"))
	assert.Less(t, len(long), 260)
	assert.NotContains(t, long, "more")
}
