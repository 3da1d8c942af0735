package cgroup

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	memoryEvents = "low 0\nhigh 0\nmax 231\noom 3\noom_kill 2\noom_group_kill 1\n"
	oomControl   = "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"

	hybrid = "9:name=systemd:/\n5:cpu,memory:/batch/a:b\n3:cpuset:/\n0::/user.slice\n"

	hybridMounts = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpuset rw,relatime shared:9 - cgroup cgroup rw,cpuset
35 31 0:32 /batch /sys/fs/cgroup/cpu,mem\040ory rw,relatime shared:10 master:2 - cgroup cgroup rw,cpu,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`
)

func TestAValueIsFoundByItsWholeKey(t *testing.T) {
	for text, want := range map[string]int64{
		memoryEvents:                   2,
		oomControl:                     7,
		"oom_kill 5":                   5,
		"oom 1\noom_kill 0\n":          0,
		"":                             -1,
		"oom_kill_disable 0\n":         -1,
		"oom_kill\n":                   -1,
		"oom_kill x\n":                 -1,
		"oom_kill -3\n":                -1,
		"oom_kill 1 2\n":               -1,
		"oom_kill 9223372036854775808": -1,
	} {
		n, found := Value(text, "oom_kill")
		if want < 0 {
			require.False(t, found, text)
			continue
		}
		require.True(t, found, text)
		require.Equal(t, want, n, text)
	}
}

func TestThePlaceOfAGroupIsWhereItsHierarchyIsMounted(t *testing.T) {
	groups, mounted := memberships(hybrid), mounts(hybridMounts)
	require.Equal(t, []membership{
		{"name=systemd", "/"}, {"cpu,memory", "/batch/a:b"}, {"cpuset", "/"}, {"", "/user.slice"},
	}, groups)
	require.Equal(t, []mount{
		{"/batch", "/sys/fs/cgroup/cpu,mem ory", first}, {"/", "/sys/fs/cgroup/unified", second},
	}, mounted)
	require.Same(t, first, groups[1].generation())
	require.Same(t, second, groups[3].generation())
	require.Nil(t, groups[0].generation())
}

func TestAGroupOutsideOfWhatIsMountedHasNoPlace(t *testing.T) {
	for _, c := range []struct{ root, path, want string }{
		{"/", "/", "/cg"},
		{"/", "/a/b", "/cg/a/b"},
		{"/docker/1", "/docker/1", "/cg"},
		{"/docker/1", "/docker/1/a", "/cg/a"},
		{"/docker/1", "/docker/12", ""},
		{"/docker/1", "/", ""},
		{"/", "/../other", ""},
		{"/..", "/../other", ""},
		{"/", "a", ""},
	} {
		place, ok := mount{root: c.root, point: "/cg"}.locate(c.path)
		require.Equal(t, c.want, place, "%+v", c)
		require.Equal(t, c.want != "", ok, "%+v", c)
	}
}

func FuzzValue(f *testing.F) {
	f.Add(memoryEvents, "oom_kill")
	f.Add(oomControl, "oom_kill")
	f.Add("nr_free_pages 1\noom_kill 18446744073709551615", "oom_kill")
	f.Fuzz(func(t *testing.T, text, key string) {
		n, found := Value(text, key)
		require.GreaterOrEqual(t, n, int64(0))
		if found {
			require.Contains(t, text, key+" ")
		}
	})
}

func FuzzNumber(f *testing.F) {
	f.Add("max\n")
	f.Add("9223372036854771712\n")
	f.Fuzz(func(t *testing.T, text string) {
		if n, ok := number(text); ok {
			require.GreaterOrEqual(t, n, int64(0))
		}
	})
}

func FuzzPIDs(f *testing.F) {
	f.Add("1\n0\n4711\n")
	f.Add("-1\n+3\n99999999999999999999\n")
	f.Fuzz(func(t *testing.T, text string) {
		list := pids(text)
		require.LessOrEqual(t, len(list), len(strings.Fields(text)))
		for _, pid := range list {
			require.GreaterOrEqual(t, pid, 0) // a negative one would be a process group
		}
	})
}

// FuzzPlaces covers both files, since what comes of them is one directory: it must never lie outside of the mount point.
func FuzzPlaces(f *testing.F) {
	f.Add(hybrid, hybridMounts)
	f.Add("0::/../../x\n", "1 1 0:1 /.. /m rw - cgroup2 c rw\n")
	f.Add("4:memory:/a (deleted)\n", `1 1 0:1 / /m\134\777\1 rw - cgroup c memory`)
	f.Fuzz(func(t *testing.T, self, mountinfo string) {
		for _, m := range mounts(mountinfo) {
			require.NotNil(t, m.generation)
			m.point = "/point"
			for _, group := range memberships(self) {
				if place, ok := m.locate(group.path); ok {
					require.True(t, place == "/point" || strings.HasPrefix(place, "/point/"), place)
				}
			}
		}
	})
}
