package boot

import (
	"slices"
	"strings"
	"testing"
)

const goodCookie = "0123456789abcdef0123456789ABCDEF"

// lookupIn is os.LookupEnv for env: the first setting counts.
func lookupIn(env []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, kv := range env {
			if n, v, _ := strings.Cut(kv, "="); n == name {
				return v, true
			}
		}
		return "", false
	}
}

func TestAMarkerIsReadAsItWasWritten(t *testing.T) {
	for _, m := range []Marker{
		{Cookie: goodCookie, Depth: 1},
		{Cookie: goodCookie, Slot: 7, Depth: 3, Page: true},
		{Cookie: goodCookie, Slot: 999, Depth: 10, Page: true, Procs: 4},
		{Cookie: goodCookie, Depth: 1, Procs: 1},
	} {
		for name, env := range map[string][]string{"Env": m.Env(), "Apply": m.Apply([]string{"A=b"})} {
			got, present, err := parse(lookupIn(env))
			if !present || err != nil || got != m {
				t.Errorf("%s: %+v became %+v, %v, %v", name, m, got, present, err)
			}
		}
	}
}

func TestAnEnvironmentWithoutAMarkerHasNone(t *testing.T) {
	if m, present, err := parse(lookupIn([]string{"PATH=/bin", envDepth + "=3"})); present || err != nil || m != (Marker{}) {
		t.Errorf("%+v, %v, %v", m, present, err)
	}
}

func TestAMalformedMarkerIsExplained(t *testing.T) {
	good := Marker{Cookie: goodCookie, Depth: 1}.Env()
	with := func(name, value string) []string { return append([]string{name + "=" + value}, good...) }
	tests := []struct {
		name string
		env  []string
		want string
	}{
		{"by hand", []string{envWorker + "=1"}, "PROCPOOL_COOKIE is missing"},
		{"empty", with(envWorker, ""), "not a mark of this version"},
		{"true", with(envWorker, "true"), "not a mark of this version"},
		{"later version", with(envWorker, "2"), "not a mark of this version"},
		{"unknown field", with(envWorker, "1,cape"), "unknown field"},
		{"empty field", with(envWorker, "1,"), "unknown field"},
		{"procs without a number", with(envWorker, "1,procs"), "procs is missing"},
		{"no procs", with(envWorker, "1,procs=0"), "not a number from 1"},
		{"short cookie", with(envCookie, "0123"), "not 32 hexadecimal"},
		{"wrong letters in the cookie", with(envCookie, strings.Repeat("g", 32)), "not 32 hexadecimal"},
		{"space in the cookie", with(envCookie, strings.Repeat("a", 15)+" "+strings.Repeat("a", 16)), "not 32 hexadecimal"},
		{"huge cookie", with(envCookie, strings.Repeat("a", 1<<20)), "not 32 hexadecimal"},
		{"negative slot", with(envSlot, "-2"), "PROCPOOL_SLOT"},
		{"slot out of range", with(envSlot, "99999999999999999999"), "PROCPOOL_SLOT"},
		{"no depth", with(envDepth, ""), "PROCPOOL_DEPTH is missing"},
		{"depth 0", with(envDepth, "0"), "PROCPOOL_DEPTH"},
		{"depth in words", with(envDepth, "deep"), "PROCPOOL_DEPTH"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, present, err := parse(lookupIn(test.env))
			if !present || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("present %v, err %v", present, err)
			}
			if len(err.Error()) > 500 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestStripRemovesOwnVariablesAndNoOthers(t *testing.T) {
	env := append([]string{"PATH=/bin", "EMPTY=", "PROCPOOL_WORKERS=user's", "=C:=odd", "nonsense"},
		Marker{Cookie: goodCookie, Depth: 1}.variables("3", true)...)
	before := slices.Clone(env)
	got := Strip(env)
	if want := env[:5]; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(env, before) {
		t.Error("the argument was changed")
	}
}

func TestStripAlsoRemovesGoMaxProcsBookkeeping(t *testing.T) {
	m := Marker{Cookie: goodCookie, Depth: 1, Procs: 2}
	got := Strip(m.Apply([]string{"GOMAXPROCS=8"}))
	if want := []string{"GOMAXPROCS=2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestApplyReplacesAnOuterMarkerAndGoMaxProcs(t *testing.T) {
	outer := Marker{Cookie: strings.Repeat("a", 32), Slot: 5, Depth: 1, Page: true}
	inner := Marker{Cookie: goodCookie, Depth: 2, Procs: 2}
	env := append(outer.Env(), "GOMAXPROCS=8", "GOMAXPROCS=9", "PATH=/bin")
	before := slices.Clone(env)
	got := inner.Apply(env)
	want := []string{"PATH=/bin", envWorker + "=1,procs=2", envCookie + "=" + goodCookie, envSlot + "=0", envDepth + "=2",
		"GOMAXPROCS=2", envProcs + "=8"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(env, before) {
		t.Error("the argument was changed")
	}
}

func TestApplyLeavesGoMaxProcsAloneUnlessToldOtherwise(t *testing.T) {
	got := Marker{Cookie: goodCookie, Depth: 1}.Apply([]string{"GOMAXPROCS=8"})
	if got[0] != "GOMAXPROCS=8" || len(got) != 5 {
		t.Errorf("got %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1,page,procs=3", goodCookie, "1", "2")
	f.Add("1", "", "", "")
	f.Fuzz(func(t *testing.T, mark, cookie, slot, depth string) {
		env := map[string]string{envWorker: mark, envCookie: cookie, envSlot: slot, envDepth: depth}
		m, present, err := parse(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		if !present {
			t.Fatal("not present")
		}
		if err != nil {
			return
		}
		if again, _, err := parse(lookupIn(m.variables("", false))); err != nil || again != m {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
	})
}
